/* SPDX-License-Identifier: MIT */
/*
 * The list of mappings of the calling process, from /proc/self/maps, in a fixed
 * buffer of the caller's: reading never changes what is read.
 */
#ifndef RF_MAPS_H
#define RF_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rf_map_kind {
	RF_MAP_ANONYMOUS, /* no name, [heap], [anon:...] */
	RF_MAP_STACK,	  /* [stack] */
	RF_MAP_FILE,	  /* a path, also a deleted one */
	RF_MAP_VDSO,
	RF_MAP_VVAR,   /* every data area of the vdso */
	RF_MAP_KERNEL, /* [vsyscall], [uprobes]: not ours to carry */
};

struct rf_map {
	uint64_t start, end;
	uint32_t protection; /* RF_PROTECTION_* */
	bool shared;
	bool deleted;
	enum rf_map_kind kind;
	uint64_t file_offset;
	uint64_t device; /* as st_dev */
	uint64_t inode;
	const char *path; /* zero-terminated, unescaped, without " (deleted)"; "" if none */
};

struct rf_maps {
	struct rf_map *entries;
	size_t count;
};

/*
 * Reads the list of mappings.  The entries grow up from the start of `buffer` and the paths
 * stand in it too; the result stays valid as long as the buffer.
 *
 * Returns 0, -ENOBUFS if the buffer is too small, -EPROTO if the kernel's text cannot be
 * understood, or the negative errno of opening or reading the file.
 * Uses neither malloc nor errno.
 */
int rf_maps_read(struct rf_maps *maps, void *buffer, size_t bytes);

/* The kernel's text alone; its length, -ENOBUFS or another negative errno. */
long rf_maps_read_text(char *text, size_t bytes);

/* The list from a text in memory of `text_bytes`, which is modified. */
int rf_maps_parse(struct rf_maps *maps, char *text, size_t text_bytes, struct rf_map *entries,
		  size_t capacity);

#endif
