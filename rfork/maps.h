/* SPDX-License-Identifier: MIT */
/*
 * The list of mappings of a process, from /proc/PID/maps, in a fixed buffer of the
 * caller's: reading never changes what is read.  And what an image does with each.
 */
#ifndef RF_MAPS_H
#define RF_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

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

/* The same of another process, which does not change it meanwhile. */
long rf_maps_read_text_of(pid_t pid, char *text, size_t bytes);

/* The list from a text in memory of `text_bytes`, which is modified. */
int rf_maps_parse(struct rf_maps *maps, char *text, size_t text_bytes, struct rf_map *entries,
		  size_t capacity);

/* How the pages of a mapping get into an image. */
enum rf_page_source {
	RF_SOURCE_PRIVATE,  /* own pages, by the page table */
	RF_SOURCE_SHARED,   /* pages of shared anonymous memory */
	RF_SOURCE_CONTENTS, /* every page: a file that does not travel by reference */
	RF_SOURCE_NONE,	    /* shared file mapping: the file is the content */
	RF_SOURCE_OWN,	    /* every page: memory of the executable that restarted the process */
};

/* What an image does with the mapping of a file, or of what the kernel lists as one. */
struct rf_map_plan {
	enum rf_page_source source;
	bool is_reference;   /* the file goes by name */
	const char *refusal; /* why it cannot go at all; NULL = it can */
};

/*
 * Decides that.  status: of what lies at its path now, NULL where that is nothing or another file
 * (rf_map_proof()).  by_reference: files may go by name where they can.
 */
struct rf_map_plan rf_map_plan(const struct rf_map *map, const struct stat *status,
			       bool by_reference);

/* Whether a file that was found at the mapping's path is the mapped one, as far as the numbers tell
 * (map_proof.h). */
bool rf_map_is_at(const struct rf_map *map, const struct stat *status);

/* Whether it is memory that is shared by its mapping alone: no path leads to it. */
bool rf_map_is_shared_memory(const struct rf_map *map);

/* Whether the image has it as memory that the process shares with its children: of
 * mmap(MAP_SHARED | MAP_ANONYMOUS), /dev/zero or shmget(2). */
bool rf_map_stays_shared(const struct rf_map *map);

/* The same for memory that stays shared: how its pages get into an image. */
enum rf_page_source rf_map_shared_source(const struct rf_map *map);

#endif
