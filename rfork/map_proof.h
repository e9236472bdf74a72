/* SPDX-License-Identifier: MIT */
/*
 * Whether a file that lies at a mapping's path is the one that is mapped, on file systems too whose
 * files have another device, or number, for stat(2) than in the list of mappings: overlayfs and
 * btrfs.  For the caller, the frozen ghost and undump: no malloc, no errno.
 */
#ifndef RF_MAP_PROOF_H
#define RF_MAP_PROOF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "rfork/maps.h"

/* The last answer, zeroed before the first: neighbouring mappings share their file. */
struct rf_map_proof {
	bool is_known;
	bool is_same;
	uint64_t device, inode;		  /* as mapped */
	uint64_t file_device, file_inode; /* as stat(2) has them */
};

/* status: of the mapping's path.  Maps a page of the file for a moment, if it must. */
bool rf_map_proof(struct rf_map_proof *last, const struct rf_map *map, const struct stat *status);

/* How the list of mappings shows a file that is open for reading: device and inode.  Maps a page of
 * it for a moment; false where that cannot be, or there is no list. */
bool rf_map_probe(int fd, struct rf_map *shown);

#endif
