/* SPDX-License-Identifier: MIT */
/*
 * Writes the records of an image to a descriptor (doc/image-format.txt).  Small
 * records gather in a buffer; page data go from where they lie to the descriptor in
 * one vectored write.  No malloc, no errno: runs in the frozen ghost.
 */
#ifndef RF_IMAGE_WRITER_H
#define RF_IMAGE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "rfork/image_format.h"
#include "rfork/report.h"

#define RF_WRITER_BUFFER_BYTES 65536u

/* A record of pages that is about to be written. */
struct rf_image_carried {
	const struct rf_image_run *runs;
	uint32_t run_count;
	const struct iovec *data; /* of the runs of kind DATA, in their order */
	int data_count;
	size_t data_bytes;
};

/*
 * Another road for pages than the stream: where their data are to be had, until the other side has
 * taken them.  `carry` returns 1 when it has filled the head of a REMOTE_PAGES record and the
 * digest of that, the runs and the data; 0 when the pages are to go by the stream after all; or a
 * negative errno.  It may hear the other side, and write records, before it returns 0 or 1.
 */
struct rf_image_carrier {
	int (*carry)(void *context, const struct rf_image_carried *record,
		     struct rf_image_remote_pages *head, uint64_t *digest);
	void *context;
};

struct rf_drop;

/*
 * Makes the data of records smaller that go by the stream.  `pack` returns the codec by which
 * `packed` holds them until the next call, in fewer bytes; or RF_CODEC_NONE: they go as they are.
 */
struct rf_image_packer {
	enum rf_codec (*pack)(void *context, const struct rf_image_carried *record,
			      struct iovec *packed);
	void *context;
};

/* Lives in the ghost's arena: nothing of it is in the image. */
struct rf_image_writer {
	int fd;
	int64_t deadline_ns;
	int memory_fd;	/* /proc/self/mem, for pages that cannot be read in place */
	bool is_placed; /* in a file, at offset, wherever fd stands */
	uint64_t offset;
	uint64_t sequence;
	uint64_t data_pages;
	size_t used; /* bytes of buffer */
	/* the PAGES record that is being gathered */
	struct rf_image_pages pages;
	struct rf_image_run runs[RF_PAGES_MAX_RUNS];
	const struct rf_image_carrier *carrier; /* NULL: all goes by the stream */
	struct rf_drop *drop;			/* of tests, see drop.h; else NULL */
	const struct rf_image_packer *packer;	/* NULL: nothing is packed */
	bool may_join;				/* the next pages may continue the last run */
	bool keeps_zeros; /* pages of zeros are data: beneath them is a file */
	uint32_t gathered_pages;
	uint32_t bounced_pages;
	unsigned char *bounce;			 /* RF_PAGES_MAX_DATA_PAGES pages */
	const void *run_data[RF_PAGES_MAX_RUNS]; /* where the run's data lie */
	unsigned char buffer[RF_WRITER_BUFFER_BYTES];
};

/* Prepares to write records, but for pages, to fd: in the caller, which forecasts. */
void rf_image_writer_init(struct rf_image_writer *writer, int fd, int64_t deadline_ns);

/* Writes to a file from offset on, instead of where the descriptor stands. */
void rf_image_writer_place(struct rf_image_writer *writer, uint64_t offset);

/* Goes on in the ghost: pages may come as well.  bounce: RF_PAGES_MAX_DATA_PAGES pages of scratch
 * memory outside the image. */
void rf_image_writer_continue(struct rf_image_writer *writer, int64_t deadline_ns, int memory_fd,
			      void *bounce);

/* Appends one record; the payload is the concatenation of count (at most 4) pieces and is copied
 * before the return.  0 or a negative errno. */
int rf_image_write(struct rf_image_writer *writer, enum rf_record_type type,
		   const struct iovec *pieces, int count);

/* Appends at most RF_CONTENT_MAX_BYTES bytes of a file whose bytes travel, packed where that makes
 * them smaller.  0 or a negative errno. */
int rf_image_write_content(struct rf_image_writer *writer, uint32_t object, uint64_t offset,
			   const void *data, size_t bytes);

/*
 * What one of the following calls appends must lie within one mapping: runs never reach from one
 * call into the next.  Pages of zeros are left out, unless writer->keeps_zeros, as it must be for
 * those of FILE mappings.
 */

/* Appends pages that belong at `address` and lie at `data`.  They are read until
 * rf_image_writer_flush() and must not change before. */
int rf_image_write_data(struct rf_image_writer *writer, uint64_t address, const void *data,
			uint64_t pages);

/* Appends pages that can be read where they lie, as above. */
int rf_image_write_pages(struct rf_image_writer *writer, uint64_t address, uint64_t pages);

/* What becomes of a page that cannot be read at all. */
enum rf_unreadable {
	RF_UNREADABLE_IS_GUARD,
	RF_UNREADABLE_IS_LEFT_OUT,
	RF_UNREADABLE_FAILS, /* with -EFAULT */
};

/* Appends pages through /proc/self/mem: unreadable protections and swapped-out memory. */
int rf_image_write_pages_careful(struct rf_image_writer *writer, uint64_t address, uint64_t pages,
				 enum rf_unreadable unreadable);

/* Appends guard pages. */
int rf_image_write_guard(struct rf_image_writer *writer, uint64_t address, uint64_t pages);

/* Sends all that was appended. */
int rf_image_writer_flush(struct rf_image_writer *writer);

/* Sends a record of pages that has been written before and did not arrive: END does not count it
 * again.  What was appended to be gathered stays so. */
int rf_image_write_again(struct rf_image_writer *writer, const struct rf_image_carried *record);

/* Appends END and sends it. */
int rf_image_write_end(struct rf_image_writer *writer);

#endif
