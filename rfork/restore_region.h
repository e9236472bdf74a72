/* SPDX-License-Identifier: MIT */
/*
 * The restorer's region: the memory that outlives whoever becomes an image, with everything in it
 * that the restorer needs.  Used by rfork-shell and by executables that restart themselves: no
 * errno, no malloc.
 */
#ifndef RF_RESTORE_REGION_H
#define RF_RESTORE_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/image_reader.h"
#include "rfork/plan_builder.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "rfork/restore_thread.h"
#include "rfork/warnings.h"

struct rf_restore {
	const struct rf_image *image;
	const struct rf_places *places;
	const struct rf_machine_facts *facts; /* of this machine */
	struct rf_plan_shell shell;	      /* without its addresses in the region */
	int report_fd;			      /* where a failure goes, see struct rf_plan */
	/* NULL: a session hears from report_fd, also that the process runs.  Else nobody waits
	 * for a word, and report_fd is closed at the end. */
	const char *failure;
	int64_t since_ns;		 /* see rf_restore_under_way() */
	uint32_t transport;		 /* RFORK_TRANSPORT_* */
	const char *connection;		 /* by which it came; NULL = as the image says */
	const struct rf_attributes *own; /* what is left of these the plan changes */
	const struct rf_warnings *warnings;
	/* Where they are, once they are known: one for each thread, if there are several. */
	struct rf_thread_script *const *scripts;
	/* see struct rf_arrival; region_bytes must have room for them, too */
	const char *arguments;
	uint64_t arguments_bytes;
	uint32_t argc;
};

/* Bytes of the region. */
uint64_t rf_restore_region_bytes(const struct rf_image *image,
				 const struct rf_machine_facts *facts);

/* Maps at this very address; it, or a negative errno: -EEXIST something is there. */
long rf_restore_map(uint64_t address, uint64_t bytes, uint32_t protection, int flags, int fd,
		    uint64_t offset);

/* The same for an anonymous mapping of the image; warns if there are no huge pages for it. */
long rf_restore_map_anonymous(const struct rf_image_mapping *mapping, uint64_t address,
			      uint32_t protection, struct rf_warnings *warnings);

/* Says that memory has other pages than it had. */
void rf_restore_warn_huge(const struct rf_image_mapping *mapping, long error,
			  struct rf_warnings *warnings);

/* The same for the index-th mapping of the image, which is shared memory, at its place
 * (restore_shared.c); in the order of mappings.  And when all are mapped. */
long rf_restore_map_shared(const struct rf_image *image, const struct rf_places *places,
			   size_t index, struct rf_warnings *warnings);
void rf_restore_shared_done(const struct rf_image *image, const struct rf_places *places);

/* Maps the region where `places` has it, before anything else gets there; 0, or -ENOMEM with a
 * report. */
int rf_restore_map_region(const struct rf_places *places, struct rf_report *report);

/* Gives the calling process the image's working directory, umask and name; 0 or a negative
 * errno with a report. */
int rf_restore_process(const struct rf_image *image, struct rf_report *report);

/* Marks memory as it was, but for seals and protection keys, which are only allocated, when all of
 * it is in its place; 0 or a negative errno with a report (restore_marks.c). */
int rf_restore_marks(const struct rf_image *image, const struct rf_places *places,
		     struct rf_report *report);

/* Locks what the image had locked, when all memory is in its place; 0 or a negative errno with
 * a report. */
int rf_restore_locked(const struct rf_image *image, const struct rf_places *places,
		      struct rf_report *report);

/* Fills the region, when all memory of the image is in its place; 0 or a negative errno with a
 * report.  How that is marked need not be known. */
int rf_restore_fill(const struct rf_restore *restore, struct rf_report *report);

/* Adds what seals memory to a filled region, when marks are known; called once. */
void rf_restore_seal(const struct rf_restore *restore);

/* Leaves for the region.  All signals must be blocked: rt_sigreturn sets the image's mask. */
_Noreturn void rf_restore_leave(const struct rf_restore *restore);

#endif
