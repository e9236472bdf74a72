/* SPDX-License-Identifier: MIT */
/*
 * The other threads of the calling process.  Asked before a move and before a checkpoint.
 */
#ifndef RF_OTHER_THREADS_H
#define RF_OTHER_THREADS_H

/*
 * Calls back for each other thread, with its tid in decimal, and its name.  One that has ended for
 * whoever joins it, though the kernel has not removed it yet, is none; but a main thread that has
 * ended stays one as long as the process.  0 or a negative errno.
 */
int rf_other_threads(void (*found)(void *context, const char *tid, const char *name),
		     void *context);

#endif
