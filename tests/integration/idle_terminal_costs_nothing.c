/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child with a terminal costs its ghost and its session next to nothing while nothing
 * happens: nobody types, what was typed is read by nobody, or the child waits for a key.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/terminal.h"

static struct node node;

static void wait_for_all(void)
{
	struct termios raw;
	char line[8];

	dprintf(1, "child %d\n", (int)getpid());
	test_await_signal(SIGUSR1);
	CHECK_EQUAL(CHECK_CALL(read(0, line, sizeof(line))), 6);
	raw = terminal_mode(0);
	cfmakeraw(&raw);
	CHECK_CALL(tcsetattr(0, TCSANOW, &raw));
	dprintf(1, "key?");
	CHECK_EQUAL(CHECK_CALL(read(0, line, 1)), 1);
}

static void lead(void)
{
	sigset_t user;
	pid_t pid;

	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, NULL));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		wait_for_all();
		_exit(42);
	}
	dprintf(1, "ghost %d\n", (int)pid);
	test_expect_exit(pid, 42);
}

/* The number that is shown behind a name, in whichever order they come. */
static pid_t read_pid(struct terminal *terminal, const char *name)
{
	size_t seen = terminal->seen;
	pid_t pid;

	terminal_expect(terminal, name);
	pid = (pid_t)atoi(terminal->shown + terminal->seen);
	terminal->seen = seen;
	return pid;
}

int main(void)
{
	struct terminal terminal;
	pid_t leader, ghost, child, session;

	test_begin();
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, lead);
	terminal_expect(&terminal, "\n");
	terminal_expect(&terminal, "\n");
	terminal.seen = 0;
	ghost = read_pid(&terminal, "ghost ");
	child = read_pid(&terminal, "child ");
	session = node_parent_of(child);
	CHECK(session > 0);
	process_expect_idle(ghost, session);
	terminal_type(&terminal, "typed\n");
	process_expect_idle(ghost, session);
	CHECK_CALL(kill(child, SIGUSR1));
	terminal_expect(&terminal, "key?");
	process_expect_idle(ghost, session);
	terminal_type(&terminal, "k");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
