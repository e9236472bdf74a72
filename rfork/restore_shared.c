/* SPDX-License-Identifier: MIT */
/*
 * Maps memory that a process shares with its children, and several mappings of one such memory.
 * Used by rfork-shell and by executables that restart themselves: no errno, no malloc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "rfork/huge_pages.h"
#include "rfork/restore_region.h"
#include "rfork/sys.h"

/* Memory of its own, from its beginning on. */
static long map_memory(uint64_t address, uint64_t bytes, uint32_t protection)
{
	const int flags = MAP_SHARED | MAP_ANONYMOUS;
	long result = rf_restore_map(address, bytes, protection, flags, -1, 0);

	/* as for private memory: what was reserved without commitment must be so here */
	if (result == -ENOMEM)
		result = rf_restore_map(address, bytes, protection, flags | MAP_NORESERVE, -1, 0);
	return result;
}

/* One more mapping of what is mapped at `from`: mremap(2) of 0 bytes leaves that where it is. */
static long map_again(uint64_t from, uint64_t address, uint64_t bytes, uint32_t protection)
{
	/* MREMAP_FIXED would map over whatever is there */
	long result = rf_restore_map(address, bytes, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (result >= 0)
		result = rf_syscall(SYS_mremap, from, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
				    address);
	return result < 0 ? result : rf_syscall(SYS_mprotect, address, bytes, protection);
}

/* Memory in huge pages is a file: the kernel does not map such memory again by mremap(2). */
static void make_huge(const struct rf_image *image, const struct rf_image_mapping *mapping,
		      struct rf_shared_place *memory, struct rf_warnings *warnings)
{
	int fd = rf_huge_pages_make(mapping->flags >> RF_MAPPING_HUGE_SHIFT,
				    image->shared[mapping->file].bytes);

	if (fd < 0) {
		rf_restore_warn_huge(mapping, fd, warnings);
		return;
	}
	memory->fd = fd;
	memory->is_huge = true;
}

void rf_restore_shared_done(const struct rf_image *image, const struct rf_places *places)
{
	for (uint32_t i = 0; i < image->shared_read; i++)
		if (places->shared[i].is_huge)
			rf_sys_close(places->shared[i].fd);
}

long rf_restore_map_shared(const struct rf_image *image, const struct rf_places *places,
			   size_t index, struct rf_warnings *warnings)
{
	const struct rf_image_mapping *mapping = &image->mappings[index];
	const struct rf_place *place = &places->mappings[index];
	struct rf_shared_place *memory = &places->shared[mapping->file];
	uint64_t bytes = mapping->end - mapping->start;
	long result = 0;

	if (rf_mapping_huge_bytes(mapping) && !memory->is_mapped)
		make_huge(image, mapping, memory, warnings);
	if (memory->is_huge) {
		memory->is_mapped = true;
		return rf_restore_map(place->address, bytes, place->protection, MAP_SHARED,
				      memory->fd, mapping->file_offset);
	}
	if (!memory->is_mapped && !memory->address) {
		memory->address = place->address;
		memory->is_mapped = true;
		return map_memory(place->address, bytes, place->protection);
	}
	if (!memory->is_mapped)
		result = map_memory(memory->address, image->shared[mapping->file].bytes,
				    RF_PROTECTION_READ | RF_PROTECTION_WRITE);
	memory->is_mapped = true;
	if (result < 0)
		return result;
	return map_again(memory->address + mapping->file_offset, place->address, bytes,
			 place->protection);
}
