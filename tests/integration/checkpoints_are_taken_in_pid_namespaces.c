/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process of a PID namespace whose /proc is not mounted anew, where its threads have other
 * numbers, is not taken for one that has more threads than it has; and one that has is.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/stream.h"

static int ends[2];

static void *wait_for_word(void *unused)
{
	stream_hear(ends[0]);
	return unused;
}

static int hold(void)
{
	pthread_t thread;

	CHECK_EQUAL(getpid(), 1);
	CHECK_CALL(rfork_discard(checkpoint_hold(RFORK_CLOSE_OTHERS)));
	CHECK_EQUAL(pthread_create(&thread, NULL, wait_for_word, NULL), 0);
	checkpoint_expect_failure(rfork_checkpoint(RFORK_CLOSE_OTHERS), ENOTSUP, "thread");
	stream_tell(ends[1]);
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	return 0;
}

int main(void)
{
	pid_t pid;

	test_begin();
	CHECK_CALL(pipe(ends));
	if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
		test_skip("PID namespaces are not allowed here: %s", strerror(errno));
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(hold());
	test_expect_exit(pid, 0);
	return test_end();
}
