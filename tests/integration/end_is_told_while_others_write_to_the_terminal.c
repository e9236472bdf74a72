/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child's end comes home while processes that it has left go on writing to its terminal,
 * however much they write, and in whatever pieces it is read.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

#define ROUNDS 12
#define WRITERS 2
#define LINE_BYTES 80
#define QUIET_MS 100

static struct node node;
static struct terminal terminal;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static _Noreturn void write_for_ever(void)
{
	static char lines[50 * LINE_BYTES];

	for (size_t i = 0; i < sizeof(lines); i++)
		lines[i] = i % LINE_BYTES ? 'x' : '\n';
	while (write(1, lines, sizeof(lines)) > 0)
		;
	_exit(0);
}

/* Ends when the terminal is full, and tells those who are to read it. */
static void leave_writers(void)
{
	pid_t pid = node_move_returns_twice(&node, 0);
	int home;

	if (pid) {
		test_expect_exit(pid, 42);
		return;
	}
	for (int i = 0; i < WRITERS; i++)
		if (!CHECK_CALL(fork()))
			write_for_ever();
	while (test_poll(1, POLLOUT, 0) || test_poll(1, POLLOUT, QUIET_MS))
		poll(NULL, 0, 1); /* no event tells that there is no room */
	home = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK_CALL(connect(home, (struct sockaddr *)&address, sizeof(address)));
	_exit(42);
}

/* Shows all that is written, from the child's end until that is told. */
static void show(int listener, pid_t leader)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	char shown[4096];
	int child;

	CHECK(test_poll(listener, POLLIN, TEST_DEADLINE_MS));
	child = CHECK_CALL(accept(listener, NULL, NULL));
	CHECK_EQUAL(CHECK_CALL(read(child, shown, 1)), 0);
	close(child);
	while (!test_has_ended(leader, 0)) {
		if (test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__, "the end is not told");
		if (test_poll(terminal.master, POLLIN, 10))
			(void)!read(terminal.master, shown, sizeof(shown));
	}
}

int main(void)
{
	int listener;
	pid_t leader;

	test_begin();
	node_start(&node, NULL);
	listener = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/home", node.directory);
	CHECK_CALL(bind(listener, (struct sockaddr *)&address, sizeof(address)));
	CHECK_CALL(listen(listener, 1));
	for (int i = 0; i < ROUNDS; i++) {
		terminal_open(&terminal);
		leader = terminal_start(&terminal, leave_writers);
		show(listener, leader);
		terminal_finish(&terminal, leader, 0);
		terminal_close(&terminal);
	}
	close(listener);
	CHECK_CALL(unlink(address.sun_path));
	node_stop(&node);
	return test_end();
}
