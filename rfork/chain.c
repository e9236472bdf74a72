/* SPDX-License-Identifier: MIT */
/*
 * The memory of chains of statefiles.  As the reader of statefiles does it (statefile_layers.c):
 * what an image names lies over what its parent has, and what lies in none of its private mappings
 * is gone.
 */
#define _GNU_SOURCE
#include "rfork/chain.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/io.h"
#include "rfork/sys.h"

static uint64_t end_of(const struct rf_chain_segment *segment)
{
	return segment->address + segment->bytes;
}

/* -- in memory ------------------------------------------------------------------------------ */

static void *map_file(int fd, size_t bytes, int protection)
{
	long address = rf_sys_mmap(0, bytes, protection, MAP_SHARED, fd, 0);

	return address < 0 && address > -4096 ? NULL : (void *)address;
}

int rf_chain_map(struct rf_chain *chain, int fd)
{
	struct stat status;
	int error = rf_sys_fstat(fd, &status);
	void *memory;
	size_t room;

	*chain = (struct rf_chain){ 0 };
	if (error < 0)
		return error;
	if (status.st_size < (off_t)RF_CHAIN_HEAD_BYTES)
		return -EBADMSG;
	memory = map_file(fd, (size_t)status.st_size, PROT_READ);
	if (!memory)
		return -ENOMEM;
	chain->mapped_bytes = (size_t)status.st_size;
	chain->head = memory;
	chain->segments = (const void *)((char *)memory + RF_CHAIN_HEAD_BYTES);
	chain->count = chain->head->segment_count;
	room = (chain->mapped_bytes - RF_CHAIN_HEAD_BYTES) / sizeof(struct rf_chain_segment);
	if (chain->count <= room && chain->head->file_count &&
	    chain->head->file_count <= RF_CHAIN_MAX_FILES)
		return 0;
	rf_chain_unmap(chain);
	return -EBADMSG;
}

void rf_chain_unmap(struct rf_chain *chain)
{
	if (chain->head)
		rf_sys_munmap((uintptr_t)chain->head, chain->mapped_bytes);
	*chain = (struct rf_chain){ 0 };
}

size_t rf_chain_find(const struct rf_chain *chain, size_t from, uint64_t address)
{
	while (from < chain->count && end_of(&chain->segments[from]) <= address)
		from++;
	return from;
}

/* -- making one ----------------------------------------------------------------------------- */

struct maker {
	const struct rf_chain *under;
	size_t next_under;
	const struct rf_statefile_segment *over;
	size_t next_over, over_count;
	uint32_t file; /* of what lies over */
	struct rf_chain_segment *segments;
	size_t count, capacity;
};

static int append(struct maker *maker, const struct rf_chain_segment *segment)
{
	if (maker->count == maker->capacity)
		return -ENOBUFS;
	maker->segments[maker->count++] = *segment;
	return 0;
}

/* What the parent has between two addresses. */
static int append_under(struct maker *maker, uint64_t start, uint64_t end)
{
	int error = 0;

	maker->next_under = rf_chain_find(maker->under, maker->next_under, start);
	for (size_t i = maker->next_under;
	     i < maker->under->count && maker->under->segments[i].address < end && error == 0;
	     i++) {
		struct rf_chain_segment part = maker->under->segments[i];
		uint64_t part_end = end_of(&part) < end ? end_of(&part) : end;

		if (part.address < start) {
			part.offset += part.kind == RF_SEGMENT_DATA ? start - part.address : 0;
			part.address = start;
		}
		part.bytes = part_end - part.address;
		error = append(maker, &part);
	}
	return error;
}

static int append_over(struct maker *maker, const struct rf_image_segment *image)
{
	const struct rf_chain_segment segment = { .address = image->address,
						  .bytes = image->bytes,
						  .offset = image->offset,
						  .file = maker->file,
						  .kind = image->kind };

	return append(maker, &segment);
}

static int append_mapping(struct maker *maker, const struct rf_image_mapping *mapping)
{
	uint64_t done = mapping->start;
	int error = 0;

	for (; error == 0 && maker->next_over < maker->over_count; maker->next_over++) {
		const struct rf_image_segment *image = &maker->over[maker->next_over].image;

		if (image->address >= mapping->end)
			break;
		error = append_under(maker, done, image->address);
		if (error == 0)
			error = append_over(maker, image);
		done = image->address + image->bytes;
	}
	return error < 0 ? error : append_under(maker, done, mapping->end);
}

static void describe(struct rf_chain_head *head, const struct rf_chain *parent, const uint8_t *id,
		     const char *path)
{
	struct rf_chain_file *file;

	if (parent->head) {
		head->file_count = parent->head->file_count;
		memcpy(head->files, parent->head->files, head->file_count * sizeof(head->files[0]));
	}
	file = &head->files[head->file_count++];
	memcpy(file->id, id, sizeof(file->id));
	rf_format(file->path, sizeof(file->path), "%s", path);
}

static int fill(void *memory, size_t capacity, const struct rf_chain *parent,
		const struct rf_snapshot *snapshot, const struct rf_statefile_writer *writer)
{
	struct rf_chain_head *head = memory;
	struct maker maker = { .under = parent,
			       .over = writer->tables.segments,
			       .over_count = writer->segment_count,
			       .file = head->file_count - 1,
			       .segments = (void *)((char *)memory + RF_CHAIN_HEAD_BYTES),
			       .capacity = capacity };
	int error = 0;

	for (size_t i = 0; i < snapshot->mapping_count && error == 0; i++)
		if (!rf_mapping_is_shared_file(&snapshot->mappings[i].image))
			error = append_mapping(&maker, &snapshot->mappings[i].image);
	head->segment_count = maker.count;
	return error;
}

int rf_chain_make(const struct rf_chain *parent, const struct rf_snapshot *snapshot,
		  const struct rf_statefile_writer *writer, const uint8_t id[RF_IMAGE_ID_BYTES],
		  const char *path)
{
	/* each new segment, and each mapping, may cut one of the parent's in two */
	size_t capacity = parent->count + 2 * writer->segment_count + snapshot->mapping_count;
	size_t bytes = RF_CHAIN_HEAD_BYTES + capacity * sizeof(struct rf_chain_segment);
	int fd = (int)rf_syscall(SYS_memfd_create, "rfork:chain", MFD_CLOEXEC);
	struct rf_chain_head *head;
	int error;

	if (fd < 0)
		return fd;
	error = (int)rf_syscall(SYS_ftruncate, fd, bytes);
	head = error < 0 ? NULL : map_file(fd, bytes, PROT_READ | PROT_WRITE);
	if (error == 0 && !head)
		error = -ENOMEM;
	if (head) {
		describe(head, parent, id, path);
		error = fill(head, capacity, parent, snapshot, writer);
		bytes = RF_CHAIN_HEAD_BYTES + head->segment_count * sizeof(struct rf_chain_segment);
		rf_sys_munmap((uintptr_t)head,
			      RF_CHAIN_HEAD_BYTES + capacity * sizeof(struct rf_chain_segment));
	}
	if (error == 0)
		error = (int)rf_syscall(SYS_ftruncate, fd, bytes);
	if (error == 0)
		return fd;
	rf_sys_close(fd);
	return error;
}
