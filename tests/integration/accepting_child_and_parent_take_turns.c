/* SPDX-License-Identifier: MIT */
/*
 * Claim: parent and child may accept from one listening socket in turns, a whole pool as well: every client
 * is served once, by whoever took it; and if a connection was taken by another while the child
 * accepted it, the child's is closed, and its next accept() gets the next client.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/stream.h"

#define TURNS 10
#define WORKERS 3
#define CLIENTS 60

static struct node node;

/* Says to the client who serves it; false if there was none any more. */
static bool serve_as(int fd, const char *who)
{
	char byte = 0;
	ssize_t count = CHECK_CALL(recv(fd, &byte, 1, 0));

	if (count) {
		CHECK_EQUAL(byte, '?');
		stream_write_text(fd, who);
	}
	close(fd);
	return count;
}

static void expect_served_by(int client, const char *who)
{
	stream_write_text(client, "?");
	stream_expect_text(client, who);
	stream_expect_end(client);
	close(client);
}

/* A turn begins with a byte for the child, or with the parent's own accept(). */
static void check_turns(enum listening_kind kind)
{
	struct listening listening;
	int turn[2];
	pid_t pid;

	if (!listening_start(&listening, kind))
		return;
	CHECK_CALL(pipe(turn));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		for (int i = 0; i < TURNS; i++) {
			stream_hear(turn[0]);
			while (!serve_as(CHECK_CALL(accept(listening.fd, NULL, NULL)), "child"))
				;
		}
		_exit(0);
	}
	for (int i = 0; i < TURNS; i++) {
		int client = listening_connect(&listening);

		stream_tell(turn[1]);
		expect_served_by(client, "child");
		client = listening_connect(&listening);
		stream_write_text(client, "?");
		CHECK(serve_as(listening_accept(listening.fd), "parent"));
		stream_expect_text(client, "parent");
		stream_expect_end(client);
		close(client);
	}
	test_expect_exit(pid, 0);
	close(listening.fd);
	close(turn[0]);
	close(turn[1]);
}

static _Noreturn void be_a_worker(int listener, const char *who)
{
	for (;;)
		serve_as(CHECK_CALL(accept(listener, NULL, NULL)), who);
}

/* Local and remote workers wait in accept() at once. */
static void check_pool(void)
{
	struct listening listening;
	pid_t workers[2 * WORKERS];
	char who;

	CHECK(listening_start(&listening, LISTENING_TCP));
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = CHECK_CALL(fork());
		if (!workers[i])
			be_a_worker(listening.fd, "l");
	}
	for (int i = WORKERS; i < 2 * WORKERS; i++) {
		workers[i] = node_move_returns_twice(&node, 0);
		if (!workers[i])
			be_a_worker(listening.fd, "r");
	}
	for (int i = 0; i < CLIENTS; i++) {
		int client = listening_connect(&listening);

		stream_write_text(client, "?");
		CHECK(test_poll(client, POLLIN, TEST_DEADLINE_MS));
		CHECK_EQUAL(recv(client, &who, 1, 0), 1);
		CHECK(who == 'l' || who == 'r');
		stream_expect_end(client);
		close(client);
	}
	for (int i = 0; i < 2 * WORKERS; i++) {
		CHECK_CALL(kill(workers[i], SIGTERM));
		test_expect_signal(workers[i], SIGTERM);
	}
	close(listening.fd);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	for (enum listening_kind kind = LISTENING_TCP; kind < LISTENING_SEQPACKET; kind++)
		check_turns(kind);
	check_pool();
	node_stop(&node);
	return test_end();
}
