/* SPDX-License-Identifier: MIT */
/*
 * Claim: a thread that has been joined is none any more, also while the kernel has not removed it
 * yet: neither a checkpoint nor a move is refused for it.  A tracer that does not ask how the
 * thread has ended keeps it there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/mover.h"
#include "tests/support/stream.h"

static struct {
	pid_t pid;
	int tids[2], answers[2];
} tracer;

static int moved[2]; /* a pipe */

/* Seizes each thread that it hears of, and never waits for one. */
static _Noreturn void trace(void)
{
	for (;;) {
		pid_t tid;
		int error;

		CHECK_EQUAL(test_read(tracer.tids[0], &tid, sizeof(tid)), sizeof(tid));
		error = ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0 ? errno : 0;
		test_write(tracer.answers[1], &error, sizeof(error));
	}
}

static void start_tracer(void)
{
	CHECK_CALL(pipe2(tracer.tids, O_CLOEXEC));
	CHECK_CALL(pipe2(tracer.answers, O_CLOEXEC));
	tracer.pid = CHECK_CALL(fork());
	if (!tracer.pid)
		trace();
	test_guard_process(tracer.pid);
	close(tracer.tids[0]);
	close(tracer.answers[1]);
}

static void *be_traced(void *error)
{
	pid_t tid = gettid();

	test_write(tracer.tids[1], &tid, sizeof(tid));
	CHECK_EQUAL(test_read(tracer.answers[0], error, sizeof(int)), sizeof(int));
	return NULL;
}

static void have_joined_thread(void)
{
	pthread_t thread;
	struct stat status;
	int error;

	prctl(PR_SET_PTRACER, tracer.pid, 0, 0, 0); /* where that is asked for */
	CHECK_EQUAL(pthread_create(&thread, NULL, be_traced, &error), 0);
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	CHECK_EQUAL(error, 0);
	CHECK_CALL(stat("/proc/self/task", &status));
	CHECK_EQUAL(status.st_nlink, 2 + 2); /* it is still there */
}

static int go(const struct node *node)
{
	have_joined_thread();
	mover_go_with(node, RFORK_CLOSE_OTHERS);
	stream_tell(moved[1]);
	return 0;
}

int main(void)
{
	struct node node;
	pid_t mover;

	test_begin();
	node_start(&node, NULL);
	start_tracer();
	have_joined_thread();
	CHECK_CALL(rfork_discard(checkpoint_hold(RFORK_CLOSE_OTHERS)));
	CHECK_CALL(pipe2(moved, O_CLOEXEC));
	mover = mover_start(&node, go);
	stream_hear(moved[0]);
	/* nobody can wait for a process of which a thread is kept */
	CHECK_CALL(kill(tracer.pid, SIGKILL));
	test_forget_process(tracer.pid);
	CHECK(WIFSIGNALED(test_wait(tracer.pid)));
	test_expect_exit(mover, 0);
	node_stop(&node);
	return test_end();
}
