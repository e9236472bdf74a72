/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that moves keeps its terminal: it reads the lines that are typed and shows its output,
 * Ctrl-C ends it, and its mode is that of the terminal at home; one that has to stay finds terminal and
 * mode as they were.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/terminal.h"

static struct node node;

static void answer_line(const char *name)
{
	char line[64];
	ssize_t got = CHECK_CALL(read(0, line, sizeof(line) - 1));

	line[got > 0 ? got - 1 : 0] = '\0';
	dprintf(1, "%s heard [%s]\n", name, line);
}

static void move_and_answer(void)
{
	answer_line("home");
	mover_go(&node);
	CHECK(isatty(0) && isatty(1) && isatty(2));
	CHECK_EQUAL(tcgetpgrp(0), getpgrp());
	answer_line("node");
	for (;;)
		pause();
}

static void leave_line_mode(void)
{
	struct termios mode;

	mover_go(&node);
	CHECK_CALL(tcgetattr(0, &mode));
	cfmakeraw(&mode);
	CHECK_CALL(tcsetattr(0, TCSAFLUSH, &mode));
	dprintf(1, "raw");
	for (char key = 0; key != 'q';)
		if (CHECK_CALL(read(0, &key, 1)) == 1)
			dprintf(1, "<%c>", key);
}

static void stay(void)
{
	struct termios before = terminal_mode(0), after;

	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "break", 1));
	CHECK_EQUAL(rfork_move(node.host), -1);
	CHECK_EQUAL(errno, EIO);
	after = terminal_mode(0);
	CHECK(terminal_modes_are_equal(&before, &after));
	CHECK_EQUAL(tcgetpgrp(0), getpgrp());
	answer_line("stayed and");
}

static void check_lines(void)
{
	struct terminal terminal;
	pid_t leader;

	terminal_open(&terminal);
	leader = terminal_start(&terminal, move_and_answer);
	terminal_type(&terminal, "one\n");
	terminal_expect(&terminal, "home heard [one]");
	terminal_type(&terminal, "two\n");
	terminal_expect(&terminal, "node heard [two]");
	terminal_type(&terminal, KEY_INTERRUPT);
	test_expect_signal(leader, SIGINT);
	terminal_close(&terminal);
}

static void check_raw(void)
{
	struct terminal terminal;
	pid_t leader;

	terminal_open(&terminal);
	leader = terminal_start(&terminal, leave_line_mode);
	terminal_expect(&terminal, "raw");
	terminal_expect_local(&terminal, ICANON | ECHO, 0);
	terminal_type(&terminal, "xq");
	terminal_expect(&terminal, "<x><q>");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
}

static void check_stay(void)
{
	struct terminal terminal;
	pid_t leader;

	terminal_open(&terminal);
	leader = terminal_start(&terminal, stay);
	terminal_type(&terminal, "three\n");
	terminal_expect(&terminal, "stayed and heard [three]");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	check_lines();
	check_raw();
	check_stay();
	node_stop(&node);
	return test_end();
}
