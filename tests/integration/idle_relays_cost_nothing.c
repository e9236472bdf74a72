/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child with a dozen idle relays costs its ghost and its session at most 2 MiB of memory
 * each, and next to no time: 20 ms of 2 s, also while bytes lie unread.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define PIPES 4

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
	process_expect_idle(ghost, session);
	test_write(pipes[0][1], block, sizeof(block));
	test_write(sockets[1], block, sizeof(block));
	process_expect_idle(ghost, session);
	CHECK_CALL(kill(ghost, SIGTERM));
	test_expect_signal(ghost, SIGTERM);
	node_stop(&node);
	return test_end();
}
