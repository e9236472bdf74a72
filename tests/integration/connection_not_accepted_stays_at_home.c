/* SPDX-License-Identifier: MIT */
/*
 * Claim: a connection that the child sees but does not accept stays at home, where another process accepts
 * it: while the child lives, when it has closed the socket, and after its end.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/stream.h"

enum after { LIVES, CLOSES, ENDS };

static struct node node;

static void check(enum listening_kind kind, enum after after)
{
	struct listening listening;
	int seen[2], client, server;
	pid_t pid;

	if (!listening_start(&listening, kind))
		return;
	CHECK_CALL(pipe(seen));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK(test_poll(listening.fd, POLLIN, TEST_DEADLINE_MS));
		if (after == CLOSES)
			close(listening.fd);
		stream_tell(seen[1]);
		while (after != ENDS)
			pause();
		_exit(0);
	}
	client = listening_connect(&listening);
	stream_write_text(client, "hello");
	stream_hear(seen[0]);
	if (after == ENDS)
		test_expect_exit(pid, 0);
	server = listening_accept(listening.fd);
	stream_expect_text(server, "hello");
	stream_write_text(server, "welcome");
	stream_expect_text(client, "welcome");
	if (after != ENDS) {
		CHECK_CALL(kill(pid, SIGTERM));
		test_expect_signal(pid, SIGTERM);
	}
	close(client);
	close(server);
	close(listening.fd);
	close(seen[0]);
	close(seen[1]);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	for (enum listening_kind kind = LISTENING_TCP; kind < LISTENING_KINDS; kind++)
		for (enum after after = LIVES; after <= ENDS; after++)
			check(kind, after);
	node_stop(&node);
	return test_end();
}
