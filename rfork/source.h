/* SPDX-License-Identifier: MIT */
/*
 * A process at rest, wherever its bytes lie: a statefile or an executable with its parents, a core
 * file, a process that is stopped.  Made by one of the *_reader.c; read by whatever writes, shows
 * or restarts an image.
 */
#ifndef RF_SOURCE_H
#define RF_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/image_reader.h"
#include "rfork/protocol.h"
#include "rfork/statefile.h"

/* Memory of the image whose bytes are known. */
struct rf_segment {
	uint64_t address;
	uint64_t bytes;
	uint64_t offset;	   /* in the file; need not be page aligned */
	int fd;			   /* of the source; -1 where kind is not DATA */
	enum rf_segment_kind kind; /* ZERO reads as zero; GUARD cannot be read */
};

/* Bytes of a file that the image holds. */
struct rf_source_content {
	uint32_t object;
	int fd;		 /* of the source: where they are, from `at` on */
	uint64_t offset; /* in that file */
	uint64_t bytes, at;
};

/* A statefile or executable that a source is made of. */
struct rf_source_file {
	char *path;
	int fd; /* one of source->fds */
	struct rf_statefile_note note;
	uint64_t note_offset;
	struct rf_image_origin origin;
	struct rf_reader_index index; /* of this file alone */
};

/* Who stands still as long as segments are to be read: a process that was stopped for it. */
struct rf_source_hold {
	int64_t (*let_go)(struct rf_source_hold *hold); /* and frees it; for how long it was held */
};

struct rf_source {
	char *path;	       /* what it was made from, for sentences */
	struct rf_image image; /* threads with their XSAVE area in standard format, as facts say */
	struct rf_image_origin origin; /* id 0: it has none */
	char *parent_path;	       /* NULL = whole; of a chain that was read, too */
	struct rf_machine_facts facts; /* of the machine that the process ran on */
	bool has_facts;
	struct rf_segment *segments; /* ascending, not overlapping, each within one mapping */
	size_t segment_count;
	struct rf_source_content *contents;
	size_t content_count, content_capacity;
	struct rf_image_lock *locks;
	size_t lock_count;
	char *lost; /* what the image does not hold: doc/image-format.txt, 24; NULL = nothing */
	struct rf_source_file
		*chain; /* the image and its parents, the youngest first; of statefiles only */
	size_t chain_count;
	int *fds; /* open files that the segments name; closed by rf_source_close() */
	size_t fd_count;
	struct rf_source_hold *hold; /* NULL = nobody */
	int64_t held_ns;	     /* for how long, once it was let go */
	int *files; /* by mapping: what rf_source_open_file() found; NULL = nothing looked for */
};

/* An empty one: no file, no memory. */
void rf_source_init(struct rf_source *source);
void rf_source_close(struct rf_source *source);

/* Segments will not be read any more, for all was copied: who was held for it goes on.  Part of
 * rf_source_close(), but the sooner the better. */
void rf_source_let_go(struct rf_source *source);

/* Takes from source->image, which was just read, what a source has of its own. */
void rf_source_take_image(struct rf_source *source);

/* Adds a file that belongs to the source from now on, also if it fails; fd or -ENOMEM. */
int rf_source_own(struct rf_source *source, int fd);

/* Adds bytes of a file; 0 or -ENOMEM. */
int rf_source_add_content(struct rf_source *source, const struct rf_source_content *content);

/* Appends a line, without its newline, to what is lost; 0 or -ENOMEM. */
int rf_source_lose(struct rf_source *source, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The segment that holds address, else the first one above it; segment_count if there is none. */
size_t rf_source_find(const struct rf_source *source, uint64_t address);

/*
 * Reads what the process would read at address: of FILE mappings what is in no segment is read from
 * the file itself, if that is provably the same (rf_source_open_file()); of others it is zero.
 * Returns the bytes read, less than `bytes` if what follows cannot be read; -EFAULT if nothing can:
 * it is not mapped, a guard page, or beyond its file; -ESTALE if the file is another; another
 * negative errno of read(2).
 */
ssize_t rf_source_read(struct rf_source *source, uint64_t address, void *buffer, size_t bytes);

/*
 * Opens the file of a FILE mapping for reading if it is provably the one that the process had
 * mapped: the same digest where the mapping has one, else unchanged by device, inode, size and
 * times.  The descriptor, which is the source's and is kept; -ESTALE for another file, or another
 * negative errno.
 */
int rf_source_open_file(struct rf_source *source, size_t mapping);

#endif
