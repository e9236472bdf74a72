/* SPDX-License-Identifier: MIT */
/*
 * Claim: the end of a child comes home also when it has filled a pipe or a socket of which a daemon that
 * it leaves has both ends, so that nobody else can read it; and what goes on for the daemon ends with it, or
 * with its session.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define PIECE_BYTES 4096
#define PIECES 54

static struct node node;

/* More than the original takes, but not more than is under way to it. */
static void fill(int fd)
{
	static const char block[PIECE_BYTES];

	for (int i = 0; i < PIECES; i++)
		test_write(fd, block, sizeof(block));
}

static _Noreturn void be_the_child(int out, int up)
{
	pid_t daemon = CHECK_CALL(fork());

	if (daemon) {
		fill(out);
		dprintf(up, "%d\n", (int)daemon);
	}
	for (;;)
		pause();
}

static void check(const int ends[2], bool kills_session)
{
	pid_t pid, daemon, stand_in;
	int up[2];

	CHECK_CALL(pipe(up));
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		be_the_child(ends[1], up[1]);
	close(ends[0]);
	close(ends[1]);
	close(up[1]);
	daemon = (pid_t)test_read_number(up[0]);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
	CHECK_EQUAL(process_find_ghosts(&stand_in, 1), 1);
	CHECK_CALL(kill(kills_session ? node_parent_of(daemon) : daemon, SIGKILL));
	test_expect_exit(stand_in, 0);
	stream_expect_end(up[0]);
	close(up[0]);
}

static void check_pair(int type)
{
	int ends[2];

	for (int kills_session = 0; kills_session < 2; kills_session++) {
		CHECK_CALL(type ? socketpair(AF_UNIX, type, 0, ends) : pipe(ends));
		check(ends, kills_session);
	}
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	check_pair(0);
	check_pair(SOCK_STREAM);
	check_pair(SOCK_SEQPACKET);
	node_stop(&node);
	return test_end();
}
