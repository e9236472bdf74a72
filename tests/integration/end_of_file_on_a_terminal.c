/* SPDX-License-Identifier: MIT */
/*
 * Claim: ^D is an end of file for the child that reads, once: what is typed later can be read;
 * behind the beginning of a line it sends that; and an end of file of the terminal itself, which
 * is hung up, is one for ever, with SIGHUP.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

static struct node node;

static void expect(const char *text)
{
	char line[64];
	ssize_t got = CHECK_CALL(read(0, line, sizeof(line) - 1));

	line[got] = '\0';
	CHECK_TEXT(line, text);
}

static void read_ends(void)
{
	expect("line\n");
	expect("");
	dprintf(1, "first\n");
	expect("");
	dprintf(1, "second\n");
	expect("begun");
	dprintf(1, "third\n");
	expect("after\n");
}

static void meet_ends(void)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		read_ends();
		_exit(42);
	}
	test_expect_exit(pid, 42);
}

/* -- hanging up ------------------------------------------------------------------------------- */

/* Is told of the hang-up, finds the end, and cannot write any more. */
static void outlive_terminal(void)
{
	ssize_t got;
	char byte;

	test_write(1, "here\n", 5);
	test_await_signal(SIGHUP);
	/* who waits at that moment gets EIO, as of any pseudo-terminal */
	while ((got = read(0, &byte, 1)) != 0)
		CHECK(got == -1 && errno == EIO);
	while (write(1, "gone\n", 5) > 0)
		;
	CHECK_EQUAL(errno, EIO);
}

static void lose_terminal(void)
{
	sigset_t hangup;
	pid_t pid;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &hangup, NULL));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		outlive_terminal();
		_exit(42);
	}
	test_await_signal(SIGHUP);
	CHECK_CALL(kill(pid, SIGHUP)); /* the shell does that: the kernel tells only its leader */
	test_expect_exit(pid, 42);
}

int main(void)
{
	struct terminal terminal;
	pid_t leader;

	test_begin();
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, meet_ends);
	terminal_type(&terminal, "line\n" KEY_END_OF_FILE);
	terminal_expect(&terminal, "first");
	terminal_type(&terminal, KEY_END_OF_FILE);
	terminal_expect(&terminal, "second");
	terminal_type(&terminal, "begun" KEY_END_OF_FILE);
	terminal_expect(&terminal, "third");
	terminal_type(&terminal, "after\n");
	terminal_finish(&terminal, leader, 0);

	leader = terminal_start(&terminal, lose_terminal);
	terminal_expect(&terminal, "here");
	terminal_close(&terminal);
	CHECK_EQUAL(test_wait(leader), 0);
	test_forget_process(leader);
	node_stop(&node);
	return test_end();
}
