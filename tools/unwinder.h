/* SPDX-License-Identifier: MIT */
/*
 * The frames of a thread of an image, by libunwind, which reads registers and memory through us,
 * and the call frame information from the memory of the image, never from files.  Hostile: any
 * stack and any call frame information end in finite time.
 */
#ifndef TOOLS_UNWINDER_H
#define TOOLS_UNWINDER_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/objects.h"

#define RF_UNWINDER_MAX_FRAMES 256u

struct rf_frame {
	uint64_t address; /* where it goes on */
	uint64_t stack;
	bool is_exact;	/* the address is that of an instruction, not of one behind a call */
	bool is_signal; /* a handler returns to it, and it to what a signal has interrupted */
};

struct rf_unwinder;

/* NULL without memory.  objects must outlive it. */
struct rf_unwinder *rf_unwinder_new(struct rf_objects *objects);
void rf_unwinder_free(struct rf_unwinder *unwinder);

/*
 * Finds the frames of a thread, the innermost first; their number, at least 1.  It ends where the
 * outermost function says so, at what cannot be read, or where a frame comes back.
 */
unsigned rf_unwinder_walk(struct rf_unwinder *unwinder, const struct rf_image_thread *thread,
			  struct rf_frame frames[RF_UNWINDER_MAX_FRAMES]);

#endif
