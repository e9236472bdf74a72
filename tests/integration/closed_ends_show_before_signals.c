/* SPDX-License-Identifier: MIT */
/*
 * Claim: when the caller hears a child's signal, or sees that it has stopped, the ends of pipes that
 * the child had closed before are closed: poll(2) says at once that nobody reads or writes.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"

#define ROUNDS 60

static short look(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	CHECK_CALL(poll(&polled, 1, 0));
	return polled.revents;
}

static void check(const struct node *node, bool stops)
{
	int to[2], from[2];
	pid_t pid;

	CHECK_CALL(pipe(to));
	CHECK_CALL(pipe(from));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		for (int i = 0; i < 2; i++) {
			close(to[i]);
			close(from[i]);
		}
		if (stops)
			raise(SIGSTOP);
		else
			kill(getppid(), SIGUSR1);
		test_await_signal(SIGUSR2);
		_exit(42);
	}
	close(to[0]);
	close(from[1]);
	if (stops)
		process_expect_stop_status(pid, SIGSTOP);
	else
		signals_take(SIGUSR1);
	CHECK(look(to[1]) & POLLERR);
	CHECK(look(from[0]) & POLLHUP);
	CHECK_CALL(kill(pid, SIGUSR2));
	CHECK_CALL(kill(pid, SIGCONT));
	test_expect_exit(pid, 42);
	close(to[1]);
	close(from[0]);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	signals_block_all(NULL);
	for (int round = 0; round < ROUNDS; round++)
		check(&node, round % 2);
	node_stop(&node);
	return test_end();
}
