/* SPDX-License-Identifier: MIT */
/*
 * Gives a thread what the image says that it has chosen or inherited.  Most of it a thread can only
 * set for itself: where an image has several, a process that is like them tries for each what can
 * be had, and what it could do, each thread does again when it exists.  No errno.
 */
#ifndef RF_RESTORE_THREAD_H
#define RF_RESTORE_THREAD_H

#include "rfork/attributes.h"
#include "rfork/image_reader.h"
#include "rfork/restore_plan.h"
#include "rfork/warnings.h"

#define RF_THREAD_SCRIPT_STEPS 15u
#define RF_THREAD_SCRIPT_NO_POINTER UINT8_MAX
#define RF_THREAD_SCRIPT_BYTES (RF_IMAGE_MAX_CPU_BYTES + RF_IMAGE_MAX_NODE_BYTES + 256u)

/* System calls that have succeeded, with what they point to. */
struct rf_thread_script {
	uint32_t count, bytes;
	struct rf_step steps[RF_THREAD_SCRIPT_STEPS]; /* pointers are offsets in memory */
	uint8_t pointers[RF_THREAD_SCRIPT_STEPS];     /* which argument is one */
	unsigned char memory[RF_THREAD_SCRIPT_BYTES];
};

/* Gives it to the calling thread, which has `own`.  script: where to note how; or NULL. */
void rf_restore_thread(const struct rf_thread_attributes *image,
		       const struct rf_thread_attributes *own, struct rf_thread_script *script,
		       struct rf_warnings *warnings);

/* Adds what may be done by any thread, but not before it is the image's: its name, and whether it
 * may read the time-stamp counter. */
void rf_restore_script_others(struct rf_thread_script *script,
			      const struct rf_thread_attributes *image,
			      const struct rf_thread_attributes *own);

/*
 * Finds out for each thread of an image how it gets its own, from what the calling thread has, in
 * which nothing changes.  *scripts: an array of malloc's, one for each thread; NULL if the image
 * has one only, which is to be given them at once.  0, or a negative errno with a report.
 */
int rf_restore_try_threads(struct rf_thread_script **scripts, const struct rf_image *image,
			   const struct rf_thread_attributes *own, struct rf_warnings *warnings,
			   struct rf_report *report);

/* Writes a script's steps, and what they point to, RF_THREAD_SCRIPT_BYTES, where both are executed;
 * returns the number of steps. */
size_t rf_restore_write_script(struct rf_step *steps, unsigned char *memory,
			       const struct rf_thread_script *script);

#endif
