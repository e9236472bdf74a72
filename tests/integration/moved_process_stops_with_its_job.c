/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that has moved with rfork_move() stops and goes on with its job at home, whose
 * leader it still is there, by the keys of its terminal; what is typed meanwhile is the shell's.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/terminal.h"

static struct node node;

static void read_line(const char *text)
{
	char line[64];
	ssize_t got = CHECK_CALL(read(0, line, sizeof(line) - 1));

	line[got] = '\0';
	CHECK_TEXT(line, text);
}

static _Noreturn void move(void)
{
	struct termios before, raw;
	char key;

	CHECK_CALL(setpgid(0, 0));
	signal(SIGTTOU, SIG_IGN);
	CHECK_CALL(tcsetpgrp(0, getpgrp()));
	signal(SIGTTOU, SIG_DFL);
	CHECK_CALL(rfork_move(node.host));
	dprintf(1, "moved\n");
	read_line("a line\n");
	before = raw = terminal_mode(0);
	cfmakeraw(&raw);
	CHECK_CALL(tcsetattr(0, TCSANOW, &raw));
	dprintf(1, "key?");
	CHECK_EQUAL(CHECK_CALL(read(0, &key, 1)), 1);
	CHECK_CALL(tcsetattr(0, TCSANOW, &before));
	dprintf(1, "stop?\n");
	read_line("after\n");
	_exit(42);
}

static void lead(void)
{
	pid_t job = CHECK_CALL(fork());
	char line[64];

	if (!job)
		move();
	signal(SIGTTOU, SIG_IGN);
	process_expect_stop_status(job, SIGTSTP);
	CHECK_CALL(tcsetpgrp(0, getpgrp()));
	dprintf(1, "fg?\n");
	CHECK_EQUAL(CHECK_CALL(read(0, line, sizeof(line))), 3);
	CHECK_CALL(tcsetpgrp(0, job));
	CHECK_CALL(kill(-job, SIGCONT));
	dprintf(1, "gone on\n");
	test_expect_exit(job, 42);
	CHECK_CALL(tcsetpgrp(0, getpgrp()));
}

int main(void)
{
	struct terminal terminal;
	pid_t leader;

	test_begin();
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, lead);
	terminal_expect(&terminal, "moved");
	terminal_type(&terminal, "a line\n");
	terminal_expect(&terminal, "key?");
	terminal_expect_local(&terminal, ICANON, 0);
	terminal_type(&terminal, "k");
	terminal_expect(&terminal, "stop?");
	terminal_expect_local(&terminal, ICANON, ICANON);
	terminal_type(&terminal, KEY_STOP);
	terminal_expect(&terminal, "fg?");
	terminal_type(&terminal, "fg\n");
	terminal_expect(&terminal, "gone on");
	terminal_type(&terminal, "after\n");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
