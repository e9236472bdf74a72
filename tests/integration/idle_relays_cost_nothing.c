/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child with a dozen idle relays costs its ghost and its session at most 2 MiB of memory
 * each, and next to no time: 20 ms of 2 s, also while bytes lie unread.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define PIPES 4
#define MEASURED_S 2
#define LIMIT_BYTES (2u << 20)
#define LIMIT_NS 20000000u

static void measure(pid_t ghost, pid_t session)
{
	struct itimerspec span = { .it_value.tv_sec = MEASURED_S };
	struct process_cost ghost_before, session_before, ghost_after, session_after;
	int timer = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));

	CHECK_CALL(timerfd_settime(timer, 0, &span, NULL));
	ghost_before = process_cost(ghost);
	session_before = process_cost(session);
	CHECK(test_poll(timer, POLLIN, TEST_DEADLINE_MS));
	ghost_after = process_cost(ghost);
	session_after = process_cost(session);
	close(timer);
	dprintf(2, "ghost: %llu KiB, %llu us; session: %llu KiB, %llu us\n",
		(unsigned long long)ghost_after.resident_bytes >> 10,
		(unsigned long long)(ghost_after.cpu_ns - ghost_before.cpu_ns) / 1000,
		(unsigned long long)session_after.resident_bytes >> 10,
		(unsigned long long)(session_after.cpu_ns - session_before.cpu_ns) / 1000);
	CHECK_AT_MOST(ghost_after.resident_bytes, LIMIT_BYTES);
	if (!process_is_sanitized(session))
		CHECK_AT_MOST(session_after.resident_bytes, LIMIT_BYTES);
	CHECK_AT_MOST(ghost_after.cpu_ns - ghost_before.cpu_ns, LIMIT_NS);
	CHECK_AT_MOST(session_after.cpu_ns - session_before.cpu_ns, LIMIT_NS);
}

int main(void)
{
	int pipes[PIPES][2], sockets[2], reader;
	pid_t ghost, child, session;
	static char block[32768];
	struct node node;

	test_begin();
	node_start(&node, NULL);
	reader = test_pipe_output();
	for (int i = 0; i < PIPES; i++)
		CHECK_CALL(pipe(pipes[i]));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ghost = node_move_returns_twice(&node, 0);
	if (!ghost) {
		dprintf(1, "%d\n", (int)getpid());
		for (;;)
			pause();
	}
	child = (pid_t)test_read_number(reader);
	session = node_parent_of(child);
	CHECK(session > 0);
	measure(ghost, session);
	test_write(pipes[0][1], block, sizeof(block));
	test_write(sockets[1], block, sizeof(block));
	measure(ghost, session);
	CHECK_CALL(kill(ghost, SIGTERM));
	test_expect_signal(ghost, SIGTERM);
	node_stop(&node);
	return test_end();
}
