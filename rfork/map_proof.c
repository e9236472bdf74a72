/* SPDX-License-Identifier: MIT */
/*
 * Proves that a file is the mapped one.  Called by whoever lists the mappings of an image; must not
 * leave a mapping behind.
 */
#define _GNU_SOURCE
#include "rfork/map_proof.h"

#include <string.h>
#include <sys/mman.h>

#include "rfork/sys.h"

#define PAGE_BYTES 4096u
/* As low as can be, and mostly free: the list is read from its beginning to there. */
#define PROBE_ADDRESS ((uintptr_t)1 << 20)
/* More than a line of the list with the longest path. */
#define TEXT_BYTES 8192u

/* Takes the line of the mapping that begins at address, if it is among the whole lines of text. */
static bool find_line(char *text, size_t bytes, uint64_t address, struct rf_map *found)
{
	while (bytes) {
		char *end = memchr(text, '\n', bytes);
		struct rf_maps maps;
		size_t length;

		if (!end)
			return false;
		length = (size_t)(end + 1 - text);
		if (rf_maps_parse(&maps, text, length, found, 1) == 0 && maps.count == 1 &&
		    found->start == address) {
			found->path = ""; /* the text does not last */
			return true;
		}
		text += length;
		bytes -= length;
	}
	return false;
}

/* The calling process's own mapping that begins at address. */
static bool find_map(uint64_t address, struct rf_map *found)
{
	char text[TEXT_BYTES];
	size_t used = 0;
	bool is_found = false;
	long got;
	int fd = rf_sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (!is_found && (got = rf_sys_read(fd, text + used, sizeof(text) - used)) > 0) {
		char *end;

		used += (size_t)got;
		end = memrchr(text, '\n', used);
		if (!end)
			break;
		is_found = find_line(text, (size_t)(end + 1 - text), address, found);
		used -= (size_t)(end + 1 - text);
		memmove(text, end + 1, used);
	}
	rf_sys_close(fd);
	return is_found;
}

bool rf_map_probe(int fd, struct rf_map *shown)
{
	long address = rf_sys_mmap(PROBE_ADDRESS, PAGE_BYTES, PROT_NONE, MAP_PRIVATE, fd, 0);
	bool is_found;

	if (address < 0)
		return false;
	is_found = find_map((uint64_t)address, shown);
	rf_sys_munmap((uintptr_t)address, PAGE_BYTES);
	return is_found;
}

/* Maps the file as it was mapped: the kernel shows both in the same way. */
static bool is_mapped_alike(const struct rf_map *map, const struct stat *status)
{
	struct stat opened;
	struct rf_map probe;
	bool is_same;
	int fd = rf_sys_open(map->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	is_same = rf_sys_fstat(fd, &opened) == 0 && opened.st_dev == status->st_dev &&
		  opened.st_ino == status->st_ino && rf_map_probe(fd, &probe) &&
		  probe.device == map->device && probe.inode == map->inode;
	rf_sys_close(fd);
	return is_same;
}

static bool is_known(const struct rf_map_proof *last, const struct rf_map *map,
		     const struct stat *status)
{
	return last->is_known && last->device == map->device && last->inode == map->inode &&
	       last->file_device == status->st_dev && last->file_inode == status->st_ino;
}

bool rf_map_proof(struct rf_map_proof *last, const struct rf_map *map, const struct stat *status)
{
	if (rf_map_is_at(map, status))
		return true;
	if (map->deleted || !S_ISREG(status->st_mode))
		return false;
	if (!is_known(last, map, status))
		*last = (struct rf_map_proof){ .is_known = true,
					       .is_same = is_mapped_alike(map, status),
					       .device = map->device,
					       .inode = map->inode,
					       .file_device = status->st_dev,
					       .file_inode = status->st_ino };
	return last->is_same;
}
