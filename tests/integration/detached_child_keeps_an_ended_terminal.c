/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child that has been detached keeps a terminal on which nobody is: each read finds its
 * end, what it writes is dropped, the mode can be set; and the caller has its terminal for
 * itself.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"
#include "tests/support/terminal.h"

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct node node;

/* Reaches the test by a path: nothing that was open leads anywhere. */
static int call_home(void)
{
	int fd = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	CHECK_CALL(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static _Noreturn void live_on(void)
{
	static char block[65536];
	struct termios mode;
	int home = call_home();
	char byte;

	stream_hear(home); /* the ghost is gone */
	CHECK(isatty(0));
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(CHECK_CALL(read(0, &byte, 1)), 0);
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 16; i++)
		test_write(1, block, sizeof(block));
	mode = terminal_mode(0);
	mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	CHECK_CALL(tcsetattr(0, TCSADRAIN, &mode));
	stream_tell(home);
	stream_hear(home);
	_exit(17);
}

static void detach(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_DETACH };
	char line[64];
	pid_t pid;

	pid = rfork_with(node.host, &options);
	if (!pid)
		live_on();
	CHECK(pid > 0);
	test_expect_exit(pid, 0);
	dprintf(1, "detached\n");
	CHECK_EQUAL(CHECK_CALL(read(0, line, sizeof(line))), 6);
	CHECK(memcmp(line, "typed\n", 6) == 0);
}

int main(void)
{
	struct terminal terminal;
	int listener, home;
	pid_t leader;

	test_begin();
	node_start(&node, NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/home", node.directory);
	listener = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK_CALL(bind(listener, (struct sockaddr *)&address, sizeof(address)));
	CHECK_CALL(listen(listener, 1));
	terminal_open(&terminal);
	leader = terminal_start(&terminal, detach);
	terminal_expect(&terminal, "detached");
	home = CHECK_CALL(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	close(listener);
	CHECK_CALL(unlink(address.sun_path));
	stream_tell(home);
	stream_hear(home);
	CHECK(terminal_mode(terminal.slave).c_lflag & ICANON);
	terminal_type(&terminal, "typed\n");
	terminal_finish(&terminal, leader, 0);
	CHECK(!terminal_has_shown(&terminal, "x"));
	terminal_close(&terminal);
	stream_tell(home);
	stream_expect_end(home);
	close(home);
	node_stop(&node);
	return test_end();
}
