/* SPDX-License-Identifier: MIT */
/*
 * The parts of rfork-shell: the empty process that reads an image and becomes it.
 */
#ifndef RF_SHELL_H
#define RF_SHELL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "rfork/attributes.h"
#include "rfork/image_reader.h"
#include "rfork/maps.h"
#include "rfork/plan_builder.h"
#include "rfork/protocol.h"
#include "rfork/refusals.h"
#include "rfork/report.h"
#include "rfork/restore_pipes.h"
#include "rfork/restore_vdso.h"
#include "rfork/unpacker.h"
#include "rfork/vdso.h"
#include "rfork/warnings.h"

/* A file of the image on this node.  Zeroed = not looked at yet. */
struct rf_shell_file {
	bool is_open;
	int flags;
	int fd; /* negative errno if it could not be opened */
	struct stat status;
};

/* An image's memory on its way into the shell. */
struct rf_shell_memory {
	const struct rf_image *image;
	struct rf_place *places;     /* one for each mapping */
	struct rf_shell_file *files; /* one for each file */
};

/* What was said of the image before it came, and what was made of that. */
struct rf_shell_forecast {
	struct rf_reader_forecast said;
	struct rf_shell_file files[RF_FORECAST_MAX_FILES];
	struct rf_place places[RF_FORECAST_MAX_MAPPINGS]; /* address 0 = not mapped */
	/* by the layout's mappings: what is in place already */
	const struct rf_place *confirmed[RF_FORECAST_MAX_MAPPINGS];
};

/* A file whose bytes travel, on this node. */
struct rf_shell_content {
	int fd; /* -1 = the node has the file, or it is no such object */
	bool is_lacking;
};

struct rf_shell {
	struct rf_machine_facts facts; /* of this node */
	struct rf_vdso vdso;
	struct rf_restore_vdso foreign_vdso; /* of an image from another kernel */
	bool has_terminal;		     /* descriptor RF_SHELL_TERMINAL_FD is the child's */
	bool is_check;			     /* nothing is executed: see rf_shell_object() */
	bool has_mm_map;		     /* prctl(PR_SET_MM_MAP) works here */
	bool huge_pages_are_always;	     /* any memory may get transparent huge pages here */
	bool huge_pages_are_off;	     /* none does for now */
	uint64_t time_namespace;
	struct rf_attributes own;	  /* before it becomes anything */
	struct rf_warnings warnings;	  /* of what the image was not given */
	struct rf_thread_script *scripts; /* of its threads, if there are several */
	void *maps_buffer;
	size_t maps_bytes;
	struct rf_maps maps; /* of this shell, when it was ready */
	int connection;
	int family; /* of the connection's addresses */
	int report_fd;
	struct rf_reader reader;
	struct rf_unpacker *unpacker;
	struct rf_shell_forecast forecast;
	struct rf_image image;
	struct rf_shell_content *contents; /* by object; NULL if the image has none */
	struct rf_content_sink sink;
	struct rlimit limit; /* of open files, as it was */
	bool is_limit_raised;
	struct rf_restore_pipe pipes[RF_IMAGE_MAX_PIPES];
	int64_t layout_ns; /* when that was read, CLOCK_MONOTONIC as it is now */
	struct rf_places places;
	struct rf_refusals refusals; /* what it has objected to */
	char lines[RF_REFUSALS_BYTES];
	struct rf_report report;
};

/* shell.c */

/*
 * What shell->report says stands against the image: the shell goes on nevertheless, with an empty
 * report, to find whatever else does, and 0 is returned.  One that is only to look has told the
 * caller.  For errors that are no refusals, the report's negative errno.
 */
int rf_shell_object(struct rf_shell *shell);

/* 0 as long as nothing stands against the image of a shell that is to become it; else a negative
 * errno with a report that names all that does.  After a few objections at most, before more is
 * done. */
int rf_shell_insist(struct rf_shell *shell);

/* shell_files.c */

/* Whether an image, or a forecast, is of this very boot of this machine. */
bool rf_shell_is_same_boot(const struct rf_shell *shell, const struct rf_image *image);

/* Opens the mapping's file as the mapping needs it, once; its descriptor or a negative errno. */
int rf_shell_open_file(const struct rf_shell_memory *memory,
		       const struct rf_image_mapping *mapping);
void rf_shell_close_file(struct rf_shell_file *file);

/* Whether the node has the mapping's file: provably the same object, or of the same digest. */
bool rf_shell_has_file(const struct rf_shell *shell, const struct rf_shell_memory *memory,
		       const struct rf_image_mapping *mapping);

/* Opens a descriptor's file if it is the same here, by identity, digest or witness; the descriptor,
 * -ESTALE if another file stands at its path, or another negative errno. */
int rf_shell_reopen(const struct rf_shell *shell, const struct rf_image_descriptor *descriptor,
		    int flags);

/* shell_contents.c */

/* Decides which files the node has whose bytes would travel otherwise, makes the others, and adds
 * to *lacking what is to be asked for; NULL-safe for images without any.  0 or a negative errno
 * with a report. */
int rf_shell_make_contents(struct rf_shell *shell, const struct rf_shell_memory *memory,
			   uint32_t *lacking, size_t *count);

/* Opens the file of a mapping of such a content; the descriptor or a negative errno. */
int rf_shell_open_content(const struct rf_shell *shell, const struct rf_image_mapping *mapping);

/* Closes them, once they are complete, open and mapped.  0 or a negative errno with a report. */
int rf_shell_finish_contents(struct rf_shell *shell);

/* shell_forecast.c */

/* Maps what the forecast names, as far as it can be, and finds memory for its pages. */
void rf_shell_follow_forecast(struct rf_shell *shell);

/* Compares with the layout: unmaps what that does not confirm. */
void rf_shell_confirm_forecast(struct rf_shell *shell);

/* Where the index-th mapping of the layout lies already; NULL if it must be mapped. */
const struct rf_place *rf_shell_confirmed(const struct rf_shell *shell, size_t index);

/* Whether the image's tables have their place in the memory that the shell had when it was
 * ready. */
bool rf_shell_is_small(const struct rf_image *image);

/* shell_memory.c */

/* Maps one mapping at its place and notes the protection that it has there.  0 or a negative errno
 * with a report. */
int rf_shell_map(struct rf_shell *shell, const struct rf_shell_memory *memory, size_t index);

/* Decides which mapped files are taken by reference, chooses places, maps everything and sends
 * NEED.  0 or a negative errno with a report. */
int rf_shell_map_image(struct rf_shell *shell);

/* Receives all pages into place. */
int rf_shell_receive_pages(struct rf_shell *shell);

/* Receives how they are marked, which is the rest of the image, and marks them.  0 or a negative
 * errno with a report. */
int rf_shell_receive_marks(struct rf_shell *shell);

/* Protects what is at home and complete as the image has it; what fails is left to the restorer,
 * which tells why. */
void rf_shell_protect_at_home(struct rf_shell *shell);

/* shell_descriptors.c */

/* Replaces the shell's descriptors by the image's; shell->report_fd and the connection move to
 * numbers above them. */
int rf_shell_make_descriptors(struct rf_shell *shell);

/* The flags with which a file is opened again. */
int rf_shell_open_flags(const struct rf_image_descriptor *descriptor);

/* The lowest number above all of the image's and of the shell's own at its start. */
unsigned rf_shell_first_free_fd(const struct rf_image *image);

/* Raises the limit of open files, if it can be, so that there are `more` numbers above those of
 * the image, and some. */
void rf_shell_raise_limit(struct rf_shell *shell, uint32_t more);

/* shell_overlay.c */

/* Builds the plan and leaves the shell for good.  Returns only a negative errno with a report; or
 * 0, where the shell is only to look. */
int rf_shell_become_image(struct rf_shell *shell);

#endif
