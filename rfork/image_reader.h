/* SPDX-License-Identifier: MIT */
/*
 * The one reader of images (doc/image-format.txt), and the boundary to hostile bytes:
 * what it has let through is consistent, within its limits, and safe to plan with.
 * Runs in the shell, as the target user.
 */
#ifndef RF_IMAGE_READER_H
#define RF_IMAGE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/attributes.h"
#include "rfork/image_format.h"
#include "rfork/object.h"
#include "rfork/page_road.h"
#include "rfork/protocol.h"
#include "rfork/report.h"

struct rf_reader_file {
	struct rf_image_file image;
	char *path; /* zero-terminated */
};

struct rf_reader_pipe {
	struct rf_image_pipe image;
	uint32_t *lengths; /* of the packets, then the contents, in one piece of memory */
	const unsigned char *contents;
	uint32_t used_ends; /* RF_STREAM_READ, RF_STREAM_WRITE: a descriptor has it */
};

struct rf_reader_object {
	struct rf_object_state object; /* what has no fixed size is malloc's */
	bool is_used;		       /* a descriptor has it */
};

/* Memory that a process shares with its children, as far as it has it mapped. */
struct rf_reader_shared {
	uint64_t bytes; /* to the end of the last page that a mapping has */
};

struct rf_reader_thread {
	struct rf_image_thread image;
	unsigned char *xsave;			 /* image.xsave_bytes, NULL if 0 */
	struct rf_thread_attributes *attributes; /* NULL = nothing is known of them */
};

/* A process, as far as the layout describes it.  Whatever has no fixed size is malloc's, and freed
 * by rf_image_release(). */
struct rf_image {
	struct rf_image_head head;
	struct rf_image_process process;
	unsigned char auxv[RF_IMAGE_MAX_AUXV_BYTES];
	char cwd[RF_IMAGE_MAX_PATH_BYTES + 1];
	struct rf_image_sigaction sigactions[RF_IMAGE_SIGNALS];
	struct rf_image_state state;	  /* all zero = nothing is known of it */
	struct rf_reader_thread *threads; /* head.threads; the first is the main thread */
	struct rf_image_vdso vdso;
	struct rf_image_vdso_area vdso_areas[RF_IMAGE_MAX_VDSO_AREAS];
	unsigned char *vdso_code; /* the pages of the area of kind CODE; NULL = not known */
	struct rf_reader_file *files;
	struct rf_image_descriptor *descriptors;
	struct rf_image_mapping *mappings;
	struct rf_reader_shared *shared; /* by number; NULL if there is none */
	struct rf_image_mark *marks;	 /* ascending; known at END */
	uint32_t mark_count, seal_count, key_count;
	struct rf_image_timer *timers;
	struct rf_image_pending *pending;
	struct rf_reader_pipe *pipes;
	struct rf_reader_object *objects;
	uint32_t timer_count, pending_count, pipe_count, watch_count;
	struct rf_image_origin origin; /* id 0: it says nothing of its origin */
	char *parent_path;	       /* NULL = the image is whole */
	struct rf_machine_facts facts; /* names end in it */
	bool has_facts;
	struct rf_image_clocks clocks;
	bool has_clocks;
	struct rf_image_identity identity; /* names end in it */
	char connection[RF_IMAGE_MAX_CONNECTION_BYTES + 1];
	bool has_identity;
	struct rf_image_rights rights;
	bool has_rights;
	struct rf_image_lock *locks;
	uint32_t lock_count;
	char *lost;				       /* lines of text; NULL = nothing */
	uint64_t channels[RF_IMAGE_MAX_CHANNELS / 64]; /* a bit for each that a descriptor has */
	/* how many have been read; equal to head's counts after the layout */
	uint32_t threads_read, files_read, objects_read, descriptors_read, mappings_read,
		shared_read;
};

/* What an image will probably say.  Of `image` only head.boot_id, files and mappings are in use. */
struct rf_reader_forecast {
	struct rf_image image;
	struct rf_image_run runs[RF_FORECAST_MAX_RUNS];
	uint32_t run_count;
};

/* Holds the layout of a small image at once. */
#define RF_READER_BUFFER_BYTES 16384u

/* Where bytes of files go that travel: returns 0, or a negative errno with a report. */
struct rf_content_sink {
	int (*put)(void *context, uint32_t object, uint64_t offset, const void *data, size_t bytes);
	void *context;
};

/*
 * Unpacks the data of PAGES records into where they belong, whose sizes are right if all is well.
 * 0, -EBADMSG, or -EFAULT where is_of_file and a place lies behind the end of its file: there would
 * be a signal else.  Packed bytes are hostile, whatever their digest.  The reader itself knows no
 * codec: many programs read images, and few of them streams of others.
 */
struct rf_page_unpacker {
	uint32_t codecs; /* RF_CODEC_BIT of those that the peers have agreed on */
	int (*unpack)(void *context, enum rf_codec codec, const struct iovec *packed,
		      const struct iovec *data, uint32_t data_count, bool is_of_file);
	void *context;
	unsigned char *room; /* RF_CONTENT_MAX_BYTES, for bytes of a file */
};

struct rf_reader {
	int fd;
	bool is_at_rest; /* read at file_offset, whatever fd's own offset is */
	uint64_t file_offset;
	uint64_t record_offset;		   /* of the last record's header, of a file at rest */
	uint64_t min_address, max_address; /* what can be mapped on this machine */
	uint64_t sequence;
	uint64_t data_pages;
	uint16_t last_place; /* of the last record's type in the order of types */
	bool has_pages;	     /* a record of pages has been read */
	bool has_road;	     /* ROAD has been read */
	bool is_filled;	     /* FILLED has been read */
	bool has_ended;	     /* END has been read */
	bool is_trickling;   /* page data are not waited for in large pieces */
	const struct rf_page_road
		*road; /* for REMOTE_PAGES, if the peers have agreed on it; or NULL */
	const struct rf_content_sink *contents;	 /* NULL: such images are not supported */
	const struct rf_page_unpacker *unpacker; /* for packed pages; or NULL */
	unsigned char *payload;			 /* of the current record, but for page data */
	struct rf_report *report;
	/* Bytes that have been read ahead, never beyond END: what follows it is not ours. */
	size_t next, filled;
	unsigned char buffer[RF_READER_BUFFER_BYTES];
};

/*
 * Where the pages of a mapping are put: `offset` is added to their address.  Called once for each
 * run, so that memory can be prepared.  Returns 0 or a negative errno.
 */
typedef int (*rf_reader_locate)(void *context, size_t mapping, const struct rf_image_run *run,
				uint64_t *offset);

/* Prepares to read from fd; 0 or -ENOMEM. */
int rf_reader_init(struct rf_reader *reader, int fd, uint64_t min_address, uint64_t max_address,
		   struct rf_report *report);
void rf_image_release(struct rf_image *image);
void rf_reader_release(struct rf_reader *reader);
void rf_reader_release_forecast(struct rf_reader_forecast *forecast);

/*
 * Reads and validates the forecast, where the image begins with one; else the forecast is empty.
 * Comes first.  0 or a negative errno with a report, as below.
 */
int rf_reader_forecast(struct rf_reader *reader, struct rf_reader_forecast *forecast);

/*
 * Reads and validates all records up to LAYOUT.
 * 0; -EBADMSG for what is corrupt or not an image, -EPROTONOSUPPORT for another version, -ENOTSUP
 * for a record that is not optional and unknown, -ECONNRESET for an early end, -ENOMEM; each
 * with a report.
 */
int rf_reader_layout(struct rf_reader *reader, struct rf_image *image);

/*
 * Reads PAGES records to FILLED, or to END if there is none, putting data where `locate` says, and
 * has those of REMOTE_PAGES put there by reader->road, which is closed on success.  Guard runs are
 * only announced.  0 or a negative errno with a report, as above.
 */
int rf_reader_fill(struct rf_reader *reader, struct rf_image *image, rf_reader_locate locate,
		   void *context);

/* Reads what is left to END: no pages behind FILLED; without a call of rf_reader_fill() before, all
 * that would read.  Results as above. */
int rf_reader_pages(struct rf_reader *reader, struct rf_image *image, rf_reader_locate locate,
		    void *context);

/* Where bytes of a file are that an image at rest holds. */
struct rf_reader_content {
	uint32_t object;
	uint64_t offset, bytes; /* in that file */
	uint64_t file_offset;	/* in the image's */
};

/* Where the pages of an image at rest are. */
struct rf_reader_index {
	struct rf_image_segment *segments; /* ascending */
	size_t segment_count;
	uint64_t *chunks; /* digests of all segments' data, in order; NULL if there are none */
	size_t chunk_count;
	struct rf_reader_content *contents; /* their digests have been checked */
	size_t content_count, content_capacity;
};

/*
 * Reads CONTENT, SEGMENTS and CHUNKS to END.  first_offset, end_offset: between these the page data
 * lie in the file.  0 or a negative errno with a report, as above; index is to be released in any
 * case.
 */
int rf_reader_index(struct rf_reader *reader, struct rf_image *image, uint64_t first_offset,
		    uint64_t end_offset, struct rf_reader_index *index);
void rf_reader_release_index(struct rf_reader_index *index);

/* Finds the mapping that holds [start, end) whole; SIZE_MAX if there is none. */
size_t rf_image_find_mapping(const struct rf_image *image, uint64_t start, uint64_t end);

/* Whether any of [start, end) is marked so, once the marks are known. */
bool rf_image_is_marked(const struct rf_image *image, uint64_t start, uint64_t end, uint32_t flag);

#endif
