/* SPDX-License-Identifier: MIT */
/*
 * Maps the image's memory: its pages straight from the own file, so that only those are read that
 * the program touches.  What cannot be mapped so is read: a stack, what must be moved home by the
 * restorer, and pieces of a mapping so small that one more mapping costs more than their bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "rfork/restore_region.h"
#include "rfork/start/options.h"
#include "rfork/start/start.h"
#include "rfork/sys.h"

#define PAGE_BYTES UINT64_C(4096)
/* Below it a segment is read.  Doubled while the kernel would not take so many mappings. */
#define MAPPED_BYTES (UINT64_C(32) << 10)
/* The kernel's default for vm.max_map_count, and what the program may need itself. */
#define MAX_MAP_COUNT 65530u
#define MAPS_SPARED 2048u
/* Linux 6.13, include/uapi/asm-generic/mman-common.h; missing in older headers. */
#define ADVICE_GUARD_INSTALL 102

/* One mapping of the image on its way. */
struct piece {
	const struct rf_image_mapping *mapping;
	const struct rf_image_segment *segments; /* that lie in it */
	size_t count;
	struct rf_place *place;
	uint64_t mapped_bytes; /* of segments that are mapped rather than read, at least */
	uint64_t block_end; /* of malloc()'s: behind it another may begin; 0 = there are no more */
};

static const char *name_mapped(const struct rf_image *image, const struct rf_image_mapping *mapping)
{
	if (mapping->kind == RF_MAPPING_OBJECT)
		return image->objects[mapping->file].object.name;
	return mapping->kind == RF_MAPPING_ANONYMOUS ? "anonymous"
						     : image->files[mapping->file].path;
}

static int fail(struct rf_start *start, const struct rf_image_mapping *mapping, long error)
{
	const struct rf_image *image = &start->file.image;

	return rf_report(&start->report, (int)-error, "mapping %lx-%lx (%s): %m", mapping->start,
			 mapping->end, name_mapped(image, mapping));
}

/* Whether what is in no segment is the file's. */
static bool shows_file(const struct rf_image_mapping *mapping)
{
	return mapping->kind == RF_MAPPING_FILE || mapping->kind == RF_MAPPING_OBJECT;
}

/* -- what is mapped, what is read ------------------------------------------------------------- */

/*
 * Where the last segment that is mapped must end.  mremap(2) of memory that ends in a file's
 * would make it longer by what follows in the file; so the last page of memory that the program
 * may have got by mmap(2) is no file's, and mremap(2), which refuses two mappings at once, is not
 * what enlarges it.
 */
static bool is_enlarged(const struct rf_image_mapping *mapping)
{
	return !shows_file(mapping) && mapping->protection & RF_PROTECTION_WRITE;
}

static uint64_t mapped_end(const struct rf_image_mapping *mapping)
{
	return is_enlarged(mapping) ? mapping->end - PAGE_BYTES : mapping->end;
}

/* How many bytes of a segment are mapped; the others, behind them, are read. */
static uint64_t count_mapped(const struct piece *piece, const struct rf_image_segment *segment)
{
	uint64_t end = segment->address + segment->bytes;
	uint64_t limit = mapped_end(piece->mapping);
	uint64_t bytes;

	if (segment->kind != RF_SEGMENT_DATA || segment->offset % PAGE_BYTES)
		return 0;
	if (end > limit)
		end = limit;
	bytes = end > segment->address ? end - segment->address : 0;
	return bytes < piece->mapped_bytes ? 0 : bytes;
}

static bool is_home(const struct piece *piece)
{
	return piece->place->address == piece->mapping->start;
}

/* The kernel wipes no memory of files. */
static bool is_wiped_on_fork(const struct rf_start *start, const struct piece *piece)
{
	return rf_image_is_marked(&start->file.image, piece->mapping->start, piece->mapping->end,
				  RF_MAPPING_WIPEONFORK);
}

static bool is_read_whole(const struct rf_start *start, const struct piece *piece)
{
	return is_wiped_on_fork(start, piece) ||
	       piece->mapping->flags &
		       (RF_MAPPING_GROWSDOWN | RF_MAPPING_SHARED | RF_MAPPING_HUGE) ||
	       !is_home(piece) || rf_start_options.flags & RF_START_COPY;
}

/* Whether all of the mapping is one piece of the file, as it was of the one that it was mapped
 * from. */
static bool is_one_piece(const struct piece *piece)
{
	const struct rf_image_mapping *mapping = piece->mapping;
	const struct rf_image_segment *segment = piece->segments;

	return piece->count == 1 && mapping->kind == RF_MAPPING_CONTENTS &&
	       mapped_end(mapping) == mapping->end && segment->kind == RF_SEGMENT_DATA &&
	       segment->offset % PAGE_BYTES == 0 && segment->address == mapping->start &&
	       segment->bytes == mapping->end - mapping->start;
}

static bool is_anything_read(const struct piece *piece)
{
	for (size_t i = 0; i < piece->count; i++)
		if (piece->segments[i].kind == RF_SEGMENT_DATA &&
		    count_mapped(piece, &piece->segments[i]) < piece->segments[i].bytes)
			return true;
	return false;
}

/* -- one mapping ------------------------------------------------------------------------------ */

static long map_over(uint64_t address, uint64_t bytes, uint32_t protection, int fd, uint64_t offset)
{
	int flags = MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0);

	return rf_sys_mmap(address, bytes, (int)protection, flags, fd, offset);
}

static long map_anonymous(struct rf_start *start, const struct piece *piece)
{
	return rf_restore_map_anonymous(piece->mapping, piece->place->address,
					piece->place->protection, &start->warnings);
}

static int map_content(struct rf_start *start, const struct piece *piece)
{
	const struct rf_image_mapping *mapping = piece->mapping;
	int fd = rf_start_open_content(start, mapping);
	long result = fd;

	if (fd >= 0) {
		result = rf_restore_map(piece->place->address, mapping->end - mapping->start,
					piece->place->protection,
					mapping->flags & RF_MAPPING_SHARED ? MAP_SHARED
									   : MAP_PRIVATE,
					fd, mapping->file_offset);
		rf_sys_close(fd);
	}
	return result < 0 ? fail(start, mapping, result) : 0;
}

static int map_file(struct rf_start *start, const struct piece *piece)
{
	const struct rf_image_mapping *mapping = piece->mapping;
	const char *path = start->file.image.files[mapping->file].path;
	int fd = rf_start_open_mapped(start, mapping);
	long result;

	if (fd == -ESTALE)
		return rf_report(&start->report, ENOTSUP,
				 "%s: the file is not the one that the program had mapped", path);
	if (fd < 0)
		return rf_report(&start->report, -fd, "%s, which the program had mapped: %m", path);
	result = rf_restore_map(piece->place->address, mapping->end - mapping->start,
				piece->place->protection,
				mapping->flags & RF_MAPPING_SHARED ? MAP_SHARED : MAP_PRIVATE, fd,
				mapping->file_offset);
	rf_sys_close(fd);
	return result < 0 ? fail(start, mapping, result) : 0;
}

static int read_all(const struct rf_start *start, uint64_t address, uint64_t bytes, uint64_t offset)
{
	while (bytes) {
		ssize_t got = rf_sys_pread(start->fd, (void *)address, bytes, offset);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? (int)got : -EIO;
		address += (uint64_t)got;
		offset += (uint64_t)got;
		bytes -= (uint64_t)got;
	}
	return 0;
}

/* Reads a word of the image's memory from the file; false if it is in no segment. */
static bool read_word(const struct rf_start *start, const struct piece *piece, uint64_t address,
		      uint64_t *word)
{
	for (size_t i = 0; i < piece->count; i++) {
		const struct rf_image_segment *segment = &piece->segments[i];

		if (segment->kind == RF_SEGMENT_DATA && segment->address <= address &&
		    address - segment->address < segment->bytes)
			return rf_sys_pread(start->fd, word, sizeof(*word),
					    segment->offset + (address - segment->address)) ==
			       sizeof(*word);
	}
	return false;
}

/*
 * Blocks that glibc's malloc() has got by mmap(2) lie side by side, and realloc(3) enlarges each
 * by mremap(2): so the last page of each must not be the file's, as at the end of the mapping.
 * Returns where the first such page from `address` on is; UINT64_MAX if there is none.  Source:
 * glibc, malloc/malloc.c, struct malloc_chunk: the second word is the size, and 2 in it says
 * mmap.
 */
static uint64_t next_break(const struct rf_start *start, struct piece *piece, uint64_t address)
{
	const uint64_t flags = 7, is_mmapped = 2;
	uint64_t word;

	while (piece->block_end && piece->block_end < address + PAGE_BYTES) {
		uint64_t block = piece->block_end;

		piece->block_end = 0;
		if (block < piece->mapping->end &&
		    read_word(start, piece, block + sizeof(word), &word) &&
		    (word & flags) == is_mmapped && (word & ~flags) % PAGE_BYTES == 0 &&
		    word > PAGE_BYTES && word - is_mmapped <= piece->mapping->end - block)
			piece->block_end = block + (word - is_mmapped);
	}
	return piece->block_end ? piece->block_end - PAGE_BYTES : UINT64_MAX;
}

static int read_segment(const struct rf_start *start, const struct piece *piece,
			const struct rf_image_segment *segment, uint64_t from, uint64_t end)
{
	return read_all(start, from - piece->mapping->start + piece->place->address, end - from,
			segment->offset + (from - segment->address));
}

static int place_data(const struct rf_start *start, struct piece *piece,
		      const struct rf_image_segment *segment)
{
	uint64_t from = segment->address, end = from + count_mapped(piece, segment);
	long error = 0;

	while (from < end && error >= 0) {
		uint64_t stop = next_break(start, piece, from);

		if (stop > end)
			stop = end;
		if (from < stop)
			error = map_over(from, stop - from, piece->place->protection, start->fd,
					 segment->offset + (from - segment->address));
		if (stop < end && error >= 0)
			error = read_segment(start, piece, segment, stop, stop + PAGE_BYTES);
		from = stop < end ? stop + PAGE_BYTES : end;
	}
	if (error < 0)
		return (int)error;
	return read_segment(start, piece, segment, end, segment->address + segment->bytes);
}

static int place_segment(const struct rf_start *start, struct piece *piece,
			 const struct rf_image_segment *segment)
{
	uint64_t address = segment->address - piece->mapping->start + piece->place->address;
	long result = 0;

	switch (segment->kind) {
	case RF_SEGMENT_DATA:
		return place_data(start, piece, segment);
	case RF_SEGMENT_ZERO:
		if (shows_file(piece->mapping))
			result = map_over(address, segment->bytes, piece->place->protection, -1, 0);
		break;
	case RF_SEGMENT_GUARD:
		result = rf_sys_madvise(address, segment->bytes, ADVICE_GUARD_INSTALL);
		break;
	}
	return result < 0 ? (int)result : 0;
}

/* However small: it is one mapping either way, and this one needs neither a read nor the page
 * that it would fill. */
static int map_one_piece(struct rf_start *start, const struct piece *piece)
{
	const struct rf_image_segment *segment = piece->segments;
	long result;

	piece->place->protection = piece->mapping->protection;
	result = rf_restore_map(piece->place->address, segment->bytes, piece->place->protection,
				MAP_PRIVATE, start->fd, segment->offset);
	return result < 0 ? fail(start, piece->mapping, result) : 0;
}

static int map_piece(struct rf_start *start, struct piece *piece)
{
	const struct rf_image_mapping *mapping = piece->mapping;
	long error;

	if (is_read_whole(start, piece))
		piece->mapped_bytes = UINT64_MAX;
	else if (is_one_piece(piece))
		return map_one_piece(start, piece);
	piece->place->protection = mapping->protection |
				   (is_anything_read(piece) ? RF_PROTECTION_WRITE : 0);
	if (shows_file(mapping)) {
		error = mapping->kind == RF_MAPPING_FILE ? map_file(start, piece)
							 : map_content(start, piece);
		if (error < 0)
			return (int)error;
	} else if (rf_mapping_is_shared_memory(mapping)) {
		error = rf_restore_map_shared(&start->file.image, &start->places,
					      (size_t)(mapping - start->file.image.mappings),
					      &start->warnings);
	} else {
		error = map_anonymous(start, piece);
	}
	for (size_t i = 0; i < piece->count && error >= 0; i++)
		error = place_segment(start, piece, &piece->segments[i]);
	return error < 0 ? fail(start, mapping, error) : 0;
}

/* -- the whole --------------------------------------------------------------------------------- */

/* How many mappings there would be, each segment that is mapped between two others. */
static size_t count_maps(const struct rf_statefile *file, uint64_t mapped_bytes)
{
	size_t count = file->image.head.mappings;

	for (size_t i = 0; i < file->index.segment_count; i++)
		if (file->index.segments[i].kind == RF_SEGMENT_DATA &&
		    file->index.segments[i].bytes >= mapped_bytes)
			count += 2;
	return count;
}

static int choose_places(struct rf_start *start)
{
	struct rf_places *places = &start->places;
	const struct rf_image *image = &start->file.image;
	int error;

	places->mappings = calloc(image->head.mappings + 1, sizeof(*places->mappings));
	places->shared = calloc(image->shared_read + 1, sizeof(*places->shared));
	if (!places->mappings || !places->shared)
		return rf_report(&start->report, ENOMEM, "no memory to place the image");
	error = rf_plan_place(places, image, &start->maps, &start->vdso, start->facts.min_address,
			      start->facts.max_address, &start->report);
	return error < 0 ? error : rf_restore_map_region(places, &start->report);
}

int rf_start_map_image(struct rf_start *start)
{
	const struct rf_image *image = &start->file.image;
	const struct rf_reader_index *index = &start->file.index;
	uint64_t mapped_bytes = MAPPED_BYTES;
	size_t segment = 0;
	int error = choose_places(start);

	while (count_maps(&start->file, mapped_bytes) > MAX_MAP_COUNT - MAPS_SPARED &&
	       mapped_bytes < UINT64_MAX / 2)
		mapped_bytes *= 2;
	for (size_t i = 0; i < image->head.mappings && error == 0; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];
		struct piece piece = { .mapping = mapping,
				       .segments = &index->segments[segment],
				       .place = &start->places.mappings[i],
				       .mapped_bytes = mapped_bytes };

		while (segment < index->segment_count &&
		       index->segments[segment].address < mapping->end)
			segment++;
		piece.count = (size_t)(&index->segments[segment] - piece.segments);
		if (is_enlarged(mapping))
			piece.block_end = mapping->start;
		error = map_piece(start, &piece);
	}
	if (start->places.shared)
		rf_restore_shared_done(image, &start->places);
	return error;
}
