/* SPDX-License-Identifier: MIT */
/*
 * Claim: a server in the foreground does not share its terminal: no child can open it, and type
 * into the shell of whoever started the server.  A child whose caller has no terminal has none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"

/* Makes a new pseudo-terminal the controlling one; its master stays open. */
static void take_terminal(void)
{
	int master = CHECK_CALL(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
	int terminal;

	CHECK_CALL(setsid());
	CHECK_CALL(grantpt(master));
	CHECK_CALL(unlockpt(master));
	terminal = CHECK_CALL(open(ptsname(master), O_RDWR | O_CLOEXEC));
	close(terminal);
	close(CHECK_CALL(open("/dev/tty", O_RDWR))); /* so a server could have handed it on */
}

/* In a session of its own, without a terminal. */
static void move(const struct node *node)
{
	int null = CHECK_CALL(open("/dev/null", O_RDWR | O_CLOEXEC));
	pid_t pid;

	CHECK_CALL(setsid());
	for (int fd = 0; fd < 3; fd++)
		CHECK_CALL(dup2(null, fd)); /* whatever it is that the test runs under */
	pid = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!pid)
		_exit(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO ? 7 : 1);
	test_expect_exit(pid, 7);
	_exit(0);
}

static int serve_and_move(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	take_terminal();
	node_start(&node, NULL);
	pid = CHECK_CALL(fork());
	if (!pid)
		move(&node);
	test_expect_exit(pid, 0);
	node_stop(&node);
	return test_end();
}

int main(void)
{
	pid_t pid;

	test_begin();
	pid = CHECK_CALL(fork()); /* setsid(2) is not for the leader of a group */
	if (!pid)
		_exit(serve_and_move());
	test_expect_exit(pid, 0);
	return test_end();
}
