/* SPDX-License-Identifier: MIT */
/*
 * Claim: with RFORK_THIS_THREAD a thread other than the main one takes a checkpoint, while others
 * run; undump makes an executable of the statefile, in which that thread goes on alone, as the
 * main thread, with its own thread-local data, and the libc knows its new id.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/restart.h"

static __thread int local = 3;

/* To ask for one's own affinity takes the id that libc has. */
static bool knows_its_id(void)
{
	cpu_set_t set;

	return pthread_getaffinity_np(pthread_self(), sizeof(set), &set) == 0;
}

static void *take_checkpoint(void *path)
{
	rfork_crid_t crid;

	local = 9;
	crid = checkpoint_hold(RFORK_THIS_THREAD);
	if (crid == 0)
		_exit(local == 9 && syscall(SYS_gettid) == getpid() && knows_its_id()
			      ? RESTART_RIGHT
			      : 1);
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	return NULL;
}

static void be_program(char *path)
{
	pthread_t thread;

	CHECK_EQUAL(pthread_create(&thread, NULL, take_checkpoint, path), 0);
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

static void make_executable(const char *state, const char *app)
{
	const char *undump = test_build_path("tools/undump");
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		execl(undump, undump, "-o", app, state, NULL);
		_exit(127);
	}
	test_expect_exit(pid, 0);
}

int main(void)
{
	static const char *const names[] = { "app", "app.core", "state" };
	char state[128], app[128];
	pid_t pid;

	test_begin();
	snprintf(state, sizeof(state), "%s", checkpoint_path("state"));
	snprintf(app, sizeof(app), "%s", checkpoint_path("app"));
	pid = CHECK_CALL(fork());
	if (!pid) {
		be_program(state);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	make_executable(state, app);
	restart_expect(app);
	checkpoint_clean(names, 3);
	return test_end();
}
