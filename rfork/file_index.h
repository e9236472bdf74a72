/* SPDX-License-Identifier: MIT */
/*
 * Finds a file of an image by what it is and its path, in a table that does not become slow with
 * tens of thousands of them.  No malloc: memory is the caller's.
 */
#ifndef RF_FILE_INDEX_H
#define RF_FILE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_format.h"

struct rf_file_index {
	uint32_t mask;
	uint32_t *slots; /* a hash table of numbers plus 1; 0 = free */
};

/* Bytes for at most so many files. */
size_t rf_file_index_bytes(size_t files);

/* Begins in zeroed memory of so many bytes. */
void rf_file_index_init(struct rf_file_index *index, void *memory, size_t files);

/* Whether the file of that number is this one. */
typedef bool (*rf_file_index_is)(const void *context, uint32_t number,
				 const struct rf_image_file *file, const char *path);

/* The slot of a file: of its number plus 1; or a free one, for its number plus 1. */
uint32_t *rf_file_index_find(const struct rf_file_index *index, const struct rf_image_file *file,
			     const char *path, rf_file_index_is is, const void *context);

#endif
