/* SPDX-License-Identifier: MIT */
/*
 * A process beside the calling one, with its memory, but with descriptors and rights of its own:
 * for what a process cannot do without harm to itself.  To close a file ends all record locks on
 * it, and some rights cannot be taken back.
 */
#ifndef RF_ASIDE_H
#define RF_ASIDE_H

/*
 * Runs body(argument) in such a process and waits for its end; no signal and no wait() tells of it.
 * The body must not use what libc keeps of a process or thread: no malloc, no stdio, no locks.  The
 * calling thread's signals are blocked meanwhile.  0 or a negative errno.
 */
int rf_aside(void (*body)(void *argument), void *argument);

#endif
