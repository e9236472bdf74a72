/* SPDX-License-Identifier: MIT */
/*
 * Claim: a network that falls silent while a ghost has been stopped for a minute (RFORK_TEST_STOPPED_S) under
 * full load is noticed by the node soon after --dead-after.  TCP asks a peer that takes nothing less and less
 * often whether it would take something, and only by such a question can the silence be noticed.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define DEAD_AFTER "3"
#define CHILD_LIMIT_MS 8000 /* dead-after, the time between two questions, and patience */
#define GHOST_LIMIT_MS 40000
#define FLOW_BYTES (64ul << 20)
#define PIPES 64 /* what is under way on all of them is more than a connection holds */

static int pipes[PIPES][2];
static char piece[65536];

static _Noreturn void be_the_child(int told)
{
	dprintf(told, "%d\n", (int)getpid());
	for (unsigned i = 1; i < PIPES; i++)
		if (!CHECK_CALL(fork()))
			for (;;)
				test_write(pipes[i][1], piece, sizeof(piece));
	for (;;)
		test_write(pipes[0][1], piece, sizeof(piece));
}

/* All of them at once, so that all are busy when the ghost stops. */
static void read_flow(void)
{
	struct pollfd fds[PIPES];
	size_t done = 0;

	for (unsigned i = 0; i < PIPES; i++)
		fds[i] = (struct pollfd){ .fd = pipes[i][0], .events = POLLIN };
	while (done < FLOW_BYTES) {
		CHECK(poll(fds, PIPES, TEST_DEADLINE_MS) > 0);
		for (unsigned i = 0; i < PIPES; i++)
			if (fds[i].revents)
				done += (size_t)CHECK_CALL(read(fds[i].fd, piece, sizeof(piece)));
	}
}

static void pass_time(void)
{
	const char *text = getenv("RFORK_TEST_STOPPED_S");
	struct itimerspec span = { .it_value.tv_sec = text ? atoi(text) : 60 };
	int timer = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));

	alarm((unsigned)span.it_value.tv_sec + 150);
	CHECK_CALL(timerfd_settime(timer, 0, &span, NULL));
	CHECK(test_poll(timer, POLLIN, (int)span.it_value.tv_sec * 1000 + TEST_DEADLINE_MS));
	close(timer);
}

int main(void)
{
	const char *arguments[] = { "--dead-after", DEAD_AFTER, NULL };
	struct network network;
	pid_t ghost, child;
	int64_t silent_ms;
	int reader;

	test_begin();
	network_start(&network, 1, arguments);
	reader = test_pipe_output();
	for (unsigned i = 0; i < PIPES; i++)
		CHECK_CALL(pipe(pipes[i]));
	ghost = network_move_returns_twice(&network, 0, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child(1);
	test_guard_process(ghost);
	child = (pid_t)test_read_number(reader);
	read_flow();
	CHECK_CALL(kill(ghost, SIGSTOP));
	process_expect_stop_status(ghost, SIGSTOP);
	process_expect_stopped(child);
	pass_time();
	CHECK_EQUAL(process_state(child), 'T'); /* a stopped ghost is not a lost one */
	silent_ms = test_now_ms();
	network_drop(&network, 0);
	CHECK(test_has_ended(child, 150000));
	dprintf(2, "noticed after %lld ms\n", (long long)(test_now_ms() - silent_ms));
	CHECK_AT_MOST(test_now_ms() - silent_ms, CHILD_LIMIT_MS);
	CHECK_CALL(kill(ghost, SIGCONT));
	CHECK(test_has_ended(ghost, GHOST_LIMIT_MS));
	test_expect_signal(ghost, SIGKILL);
	test_forget_process(ghost);
	network_stop(&network);
	return test_end();
}
