/* SPDX-License-Identifier: MIT */
/*
 * Runs a function aside.  Called in the caller, by those who look at it.
 */
#define _GNU_SOURCE
#include "rfork/aside.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "rfork/arena.h"
#include "rfork/sys.h"

struct errand {
	void (*body)(void *argument);
	void *argument;
};

static int run(void *argument)
{
	const struct errand *errand = argument;

	errand->body(errand->argument);
	rf_sys_exit(0);
}

int rf_aside(void (*body)(void *argument), void *argument)
{
	struct errand errand = { body, argument };
	struct rf_arena stack;
	sigset_t all, original;
	int error = rf_arena_map(&stack, RF_ARENA_STACK_BYTES);
	pid_t pid;

	if (error < 0)
		return error;
	/* a handler must not run twice in one memory */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &original);
	/* no exit signal: nobody hears of its end */
	pid = clone(run, stack.base + stack.bytes, CLONE_VM | CLONE_VFORK, &errand);
	error = pid < 0 ? -errno : 0;
	if (pid > 0)
		while (rf_syscall(SYS_waitid, P_PID, pid, NULL, WEXITED | __WALL, NULL) == -EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &original, NULL);
	rf_arena_unmap(&stack);
	return error;
}
