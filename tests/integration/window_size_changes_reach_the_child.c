/* SPDX-License-Identifier: MIT */
/*
 * Claim: when the window at home changes its size, the child gets SIGWINCH and finds the new size;
 * one sent by a process is a signal as any other.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

static struct node node;

static void report_sizes(void)
{
	struct winsize size;

	dprintf(1, "ready\n");
	do {
		test_await_signal(SIGWINCH);
		CHECK_CALL(ioctl(0, TIOCGWINSZ, &size));
		dprintf(1, "%ux%u\n", size.ws_row, size.ws_col);
	} while (size.ws_row != 1);
}

static void use_terminal(void)
{
	sigset_t window;
	pid_t pid;
	char key;

	sigemptyset(&window);
	sigaddset(&window, SIGWINCH);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &window, NULL));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		report_sizes();
		_exit(42);
	}
	test_await_signal(SIGWINCH); /* ours */
	CHECK_EQUAL(CHECK_CALL(read(0, &key, 1)), 1);
	CHECK_CALL(kill(pid, SIGWINCH));
	test_expect_exit(pid, 42);
}

int main(void)
{
	struct terminal terminal;
	pid_t leader;

	test_begin();
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, use_terminal);
	terminal_expect(&terminal, "ready");
	terminal_set_size(&terminal, 50, 132);
	terminal_expect(&terminal, "50x132");
	terminal_set_size(&terminal, 51, 133);
	terminal_expect(&terminal, "51x133");
	terminal_type(&terminal, "\n");
	terminal_expect(&terminal, "51x133"); /* of the kill() */
	terminal_set_size(&terminal, 1, 1);
	terminal_expect(&terminal, "1x1");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
