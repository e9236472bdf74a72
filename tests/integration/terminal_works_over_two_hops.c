/* SPDX-License-Identifier: MIT */
/*
 * Claim: a remote child that forks on takes its terminal along: the child of the second hop reads
 * lines and their end, sets the mode at home, learns the size of the window, and gets the keys of
 * signals; and the one in between has its terminal back afterwards.
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
static volatile sig_atomic_t is_interrupted;

static void handle(int signal)
{
	(void)signal;
	is_interrupted = 1;
}

static void read_line(const char *text)
{
	char line[64];
	ssize_t got = CHECK_CALL(read(0, line, sizeof(line) - 1));

	line[got] = '\0';
	CHECK_TEXT(line, text);
}

static void read_key(void)
{
	struct termios before = terminal_mode(0), raw = before;
	char key;

	cfmakeraw(&raw);
	CHECK_CALL(tcsetattr(0, TCSAFLUSH, &raw));
	dprintf(1, "key?");
	CHECK_EQUAL(CHECK_CALL(read(0, &key, 1)), 1);
	CHECK_EQUAL(key, 3);
	CHECK_CALL(tcsetattr(0, TCSADRAIN, &before));
}

static void hear_of_size(void)
{
	struct winsize size;

	dprintf(1, "size?\n");
	test_await_signal(SIGWINCH);
	CHECK_CALL(ioctl(0, TIOCGWINSZ, &size));
	dprintf(1, "%ux%u\n", size.ws_row, size.ws_col);
}

static void be_interrupted(void)
{
	sigset_t none;

	signal(SIGINT, handle);
	dprintf(1, "interrupt?\n");
	sigemptyset(&none);
	while (!is_interrupted)
		sigsuspend(&none);
}

static void be_the_last(void)
{
	dprintf(1, "line?\n");
	read_line("a line\n");
	dprintf(1, "end?\n");
	read_line("");
	read_key();
	hear_of_size();
	be_interrupted();
	_exit(42);
}

static void be_between(void)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid)
		be_the_last();
	signal(SIGINT, SIG_IGN);
	test_expect_exit(pid, 42);
	dprintf(1, "back\n");
	read_line("between\n");
	_exit(43);
}

static void lead(void)
{
	sigset_t blocked;
	pid_t pid;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGWINCH);
	sigaddset(&blocked, SIGINT);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &blocked, NULL));
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		be_between();
	test_expect_exit(pid, 43);
	dprintf(1, "home\n");
	read_line("leader\n");
}

int main(void)
{
	struct terminal terminal;
	pid_t leader;

	test_begin();
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, lead);
	terminal_expect(&terminal, "line?");
	terminal_type(&terminal, "a line\n");
	terminal_expect(&terminal, "end?");
	terminal_type(&terminal, KEY_END_OF_FILE);
	terminal_expect(&terminal, "key?");
	terminal_expect_local(&terminal, ICANON | ISIG, 0);
	terminal_type(&terminal, KEY_INTERRUPT);
	terminal_expect(&terminal, "size?");
	terminal_expect_local(&terminal, ICANON | ISIG, ICANON | ISIG);
	terminal_set_size(&terminal, 40, 100);
	terminal_expect(&terminal, "40x100");
	terminal_expect(&terminal, "interrupt?");
	terminal_type(&terminal, KEY_INTERRUPT);
	terminal_expect(&terminal, "back");
	terminal_type(&terminal, "between\n");
	terminal_expect(&terminal, "home");
	terminal_type(&terminal, "leader\n");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
