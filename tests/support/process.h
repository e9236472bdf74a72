/* SPDX-License-Identifier: MIT */
/*
 * What the system says of a process: whether it is stopped, what it costs, and what waitpid()
 * tells its parent.  For tests of job control, where the child on a loopback node can be looked
 * up by the pid that it has printed.
 */
#ifndef TEST_SUPPORT_PROCESS_H
#define TEST_SUPPORT_PROCESS_H

#include "tests/support/node.h"

struct process_cost {
	uint64_t resident_bytes;
	uint64_t cpu_ns; /* since its start */
};

/*
 * Runs `body` in a process of its own, which may leave this one's group or session without an end
 * of those; `body` begins with test_begin().  Returns main()'s exit status.
 */
int process_run(int (*body)(void));

/* The letter in /proc/PID/stat; 0 if there is no such process, not even one to be waited for. */
char process_state(pid_t pid);

/* Whether a process has given itself that name, of which the kernel keeps 15 characters. */
bool process_is_named(pid_t pid, const char *name);

/* Waits until a process, child or not, is stopped (state T), or is there and not stopped. */
void process_expect_stopped(pid_t pid);
void process_expect_going(pid_t pid);

/* What waitpid() tells next of our child: that it was stopped by `signal`, that it goes on. */
void process_expect_stop_status(pid_t pid, int signal);
void process_expect_continue_status(pid_t pid);

struct process_cost process_cost(pid_t pid);

/* The processes named as ghosts are whose parent we are, born or adopted; returns how many. */
unsigned process_find_ghosts(pid_t *ghosts, unsigned capacity);

/* A ghost and its session have at most 2 MiB of memory each, and take 20 ms of 2 s. */
void process_expect_idle(pid_t ghost, pid_t session);

/* Whether it runs with the address sanitizer, whose memory is not its own. */
bool process_is_sanitized(pid_t pid);

/* Sends a signal to the shells that wait on a node: one that is stopped reads no image, and who waits for
 * it, waits. */
void process_signal_shells(const struct node *node, int number);

#endif
