/* SPDX-License-Identifier: MIT */
/*
 * Finds and makes memory of huge pages.  Each size has a file system of its own in the kernel,
 * whose device is that of a memfd_create(2) of this size: which costs no page as long as it is
 * empty.
 */
#define _GNU_SOURCE
#include "rfork/huge_pages.h"

#include <string.h>
#include <sys/mman.h>

#include "rfork/image_format.h"
#include "rfork/sys.h"

static int make_empty(uint32_t bits)
{
	return (int)rf_syscall(SYS_memfd_create, "rfork",
			       MFD_CLOEXEC | MFD_HUGETLB | bits << MAP_HUGE_SHIFT);
}

/* The device of all memory of huge pages of that size; 0 = this machine has none. */
static uint64_t device_of(uint32_t bits)
{
	struct stat status = { 0 };
	int fd = make_empty(bits);

	if (fd < 0)
		return 0;
	rf_sys_fstat(fd, &status);
	rf_sys_close(fd);
	return status.st_dev;
}

uint32_t rf_huge_page_bits(const struct rf_map *map)
{
	if (map->kind != RF_MAP_FILE || !rf_map_is_shared_memory(map) ||
	    strcmp(map->path, "/dev/zero") == 0)
		return 0;
	for (uint32_t bits = RF_MAPPING_MIN_HUGE_BITS; bits <= RF_MAPPING_MAX_HUGE_BITS; bits++)
		if (device_of(bits) == map->device)
			return bits;
	return 0;
}

/* What a mapping that is shared reserves is the file's from then on. */
static long reserve(int fd, uint64_t bytes)
{
	long error = rf_syscall(SYS_ftruncate, fd, bytes);
	long address;

	if (error < 0)
		return error;
	address = rf_sys_mmap(0, bytes, PROT_NONE, MAP_SHARED, fd, 0);
	if (address < 0 && address > -4096)
		return address;
	return rf_sys_munmap((uintptr_t)address, bytes);
}

int rf_huge_pages_make(uint32_t bits, uint64_t bytes)
{
	int fd = make_empty(bits);
	long error = fd < 0 ? fd : reserve(fd, bytes);

	if (error >= 0)
		return fd;
	if (fd >= 0)
		rf_sys_close(fd);
	return (int)error;
}
