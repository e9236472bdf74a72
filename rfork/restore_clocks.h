/* SPDX-License-Identifier: MIT */
/*
 * Lets the clocks of an image go on in the calling process.
 */
#ifndef RF_RESTORE_CLOCKS_H
#define RF_RESTORE_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/image_reader.h"

/*
 * Whether CLOCK_MONOTONIC and CLOCK_BOOTTIME are the same here as where the image's process was, or
 * the image does not say what they showed.  is_same_boot: the image is of this boot of this
 * machine; time_namespace: the caller's, rfork/clocks.h; since_ns as below.
 */
bool rf_restore_clocks_are_same(const struct rf_image *image, bool is_same_boot,
				uint64_t time_namespace, int64_t since_ns);

/*
 * Enters a time namespace of its own, in which both clocks showed at since_ns, a moment of
 * CLOCK_MONOTONIC, what they showed when the image was captured.  Returns that moment on the clock
 * that there is now: since_ns itself if the clocks stay the machine's own, because the kernel has
 * no such namespaces, the process may not make one (it takes CAP_SYS_ADMIN and CAP_SYS_TIME), or
 * /proc is missing; then neither has changed.  The calling process has one thread.
 */
int64_t rf_restore_clocks(const struct rf_image *image, int64_t since_ns);

#endif
