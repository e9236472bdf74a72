/* SPDX-License-Identifier: MIT */
/*
 * Claim: when the child closes the last copy of a listening socket, clients at home are refused: one that
 * was waiting is closed, and the next finds nobody.  While the parent holds a copy, that goes on.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/stream.h"

static struct node node;

static void check(enum listening_kind kind, bool keeps_copy)
{
	struct listening listening;
	int closed[2], client, server;
	char byte;
	pid_t pid;

	if (!listening_start(&listening, kind))
		return;
	CHECK_CALL(pipe(closed));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		close(listening.fd);
		stream_tell(closed[1]);
		for (;;)
			pause();
	}
	if (!keeps_copy)
		close(listening.fd);
	stream_hear(closed[0]);
	client = listening_try(&listening);
	if (keeps_copy) {
		CHECK_CALL(client);
		server = listening_accept(listening.fd);
		stream_write_text(server, "mine");
		stream_expect_text(client, "mine");
		close(server);
		close(listening.fd);
	} else if (client >= 0) {
		/* it came before the ghost knew */
		CHECK(test_poll(client, POLLIN, TEST_DEADLINE_MS));
		CHECK_AT_MOST(recv(client, &byte, 1, 0), 0);
		close(client);
		client = listening_try(&listening);
	}
	if (!keeps_copy)
		CHECK_EQUAL(client, -1);
	else
		close(client);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
	close(closed[0]);
	close(closed[1]);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	for (enum listening_kind kind = LISTENING_TCP; kind < LISTENING_KINDS; kind++) {
		check(kind, false);
		check(kind, true);
	}
	node_stop(&node);
	return test_end();
}
