/* SPDX-License-Identifier: MIT */
/*
 * The executable that restarted this process, if one did: memory that is mapped from it is the
 * program's own, and its records tell whose bytes that was before.  For frozen code: no malloc,
 * no errno.
 */
#ifndef RF_OWN_IMAGE_H
#define RF_OWN_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/arena.h"
#include "rfork/image_format.h"
#include "rfork/maps.h"

struct rf_own_file {
	struct rf_image_file image;
	char *path;
};

struct rf_own_image {
	uint64_t device,
		inode; /* of the executable; 0, 0 = this process was not restarted from one */
	struct rf_own_file *files;
	struct rf_image_mapping
		*mappings; /* of kind CONTENTS, ascending; file is an index of files */
	size_t file_count, mapping_count;
};

/* Looks at /proc/self/exe.  Without an arena, and if they do not fit into it or cannot be
 * read, names are not known. */
void rf_own_image_find(struct rf_own_image *own, struct rf_arena *arena);

/* The same of another process, whose /proc files we may read. */
void rf_own_image_find_of(struct rf_own_image *own, pid_t pid, struct rf_arena *arena);

/* Whether memory is mapped from the executable. */
bool rf_own_image_has(const struct rf_own_image *own, const struct rf_map *map);

/* The mapping that holds address, else the first one above it; NULL if there is none. */
const struct rf_image_mapping *rf_own_image_named(const struct rf_own_image *own, uint64_t address);

#endif
