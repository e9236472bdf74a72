/* SPDX-License-Identifier: MIT */
/*
 * Signals taken out of the queue with all that the kernel says of them.
 */
#ifndef TEST_SUPPORT_SIGNALS_H
#define TEST_SUPPORT_SIGNALS_H

#include <signal.h>

#include "tests/support/test.h"

#define SIGNALS_END 65 /* one past the last */

/* Neither SIGKILL nor SIGSTOP, nor one of the two that belong to the C library. */
bool signals_can_be_caught(int signal);

/* Blocks all; `before` takes the mask that was, or is NULL. */
void signals_block_all(sigset_t *before);
void signals_restore(const sigset_t *before);

/* Takes one `signal`, which is blocked, out of the queue; fails the test at the deadline. */
siginfo_t signals_take(int signal);

/* Whether `signal` is pending for the calling thread itself, rather than for the process. */
bool signals_is_directed(int signal);

/* Lets a handler run that sets *flag, for a signal that is blocked; fails at the deadline. */
void signals_await_flag(int signal, const volatile sig_atomic_t *flag);

/* sigqueue(); waits where the queue of the receiver is full. */
void signals_queue(pid_t pid, int signal, union sigval value);

#endif
