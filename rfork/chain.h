/* SPDX-License-Identifier: MIT */
/*
 * What a statefile and its parents hold together, as the holder that wrote it knows: a file in
 * memory, which goes by way of the program to the holder of the next checkpoint.  Used by frozen
 * processes: no malloc, no errno.
 */
#ifndef RF_CHAIN_H
#define RF_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/image_format.h"
#include "rfork/snapshot.h"
#include "rfork/statefile_writer.h"

/* A longer chain is not begun: the next image is whole.  Each file of it must be found and
 * opened. */
#define RF_CHAIN_MAX_FILES 64u

struct rf_chain_file {
	uint8_t id[RF_IMAGE_ID_BYTES];
	char path[RF_IMAGE_MAX_PATH_BYTES + 1];
};

/* Ascending, not overlapping, each in one private mapping of the youngest image. */
struct rf_chain_segment {
	uint64_t address, bytes;
	uint64_t offset; /* in the file, of DATA */
	uint32_t file;	 /* index of a rf_chain_file */
	uint32_t kind;	 /* RF_SEGMENT_* */
};

/* The file's beginning; the segments follow at RF_CHAIN_HEAD_BYTES. */
struct rf_chain_head {
	uint32_t file_count; /* at least 1; the youngest last */
	uint32_t reserved;
	uint64_t segment_count;
	struct rf_chain_file files[RF_CHAIN_MAX_FILES];
};

#define RF_CHAIN_HEAD_BYTES ((sizeof(struct rf_chain_head) + 4095) / 4096 * 4096)

/* A chain in memory; all zero = none. */
struct rf_chain {
	const struct rf_chain_head *head;
	const struct rf_chain_segment *segments;
	size_t count;
	size_t mapped_bytes;
};

/* Maps the chain behind a descriptor, which stays the caller's.  0 or a negative errno. */
int rf_chain_map(struct rf_chain *chain, int fd);
void rf_chain_unmap(struct rf_chain *chain);

/* The first segment from number `from` on that ends above address; count if there is none. */
size_t rf_chain_find(const struct rf_chain *chain, size_t from, uint64_t address);

/*
 * Makes the chain of a statefile that has just been written: its segments, over what the parent's
 * chain has in the same mappings.  parent: without a head for an image that is whole.  Returns the
 * descriptor of a file in memory, or a negative errno.
 */
int rf_chain_make(const struct rf_chain *parent, const struct rf_snapshot *snapshot,
		  const struct rf_statefile_writer *writer, const uint8_t id[RF_IMAGE_ID_BYTES],
		  const char *path);

#endif
