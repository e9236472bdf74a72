/* SPDX-License-Identifier: MIT */
/*
 * Claim: an interactive shell runs on the node with its job control: the keys for interrupt and
 * stop reach the job that it has put into the foreground, and not the shell.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

#define SHELL "/bin/bash"

static struct node node;

static void run_shell(void)
{
	pid_t pid;

	/* the keys are for those on the node */
	signal(SIGINT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTSTP, SIG_DFL);
		setenv("PS1", "shell> ", 1);
		setenv("TERM", "dumb", 1);
		execl(SHELL, SHELL, "--norc", "--noprofile", "-i", NULL);
		_exit(127);
	}
	test_expect_exit(pid, 3);
}

/* The next prompt: the shell reads. */
static void enter(struct terminal *terminal, const char *line)
{
	terminal_expect(terminal, "shell> ");
	terminal_type(terminal, line);
	terminal_type(terminal, "\n");
}

int main(void)
{
	struct terminal terminal;
	pid_t leader;

	test_begin();
	if (access(SHELL, X_OK) < 0)
		test_skip("there is no %s", SHELL);
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, run_shell);
	enter(&terminal, "unset HISTFILE; echo a$((1+1))b");
	terminal_expect(&terminal, "a2b");
	enter(&terminal, "echo r$((1))dy; cat");
	terminal_expect(&terminal, "r1dy"); /* the shell has left its own mode */
	terminal_type(&terminal, "to cat\n");
	terminal_expect(&terminal, "to cat\r\n"); /* the echo */
	terminal_expect(&terminal, "to cat\r\n");
	terminal_type(&terminal, KEY_INTERRUPT);
	enter(&terminal, "echo code $?");
	terminal_expect(&terminal, "code 130");
	enter(&terminal, "echo r$((1))dy; cat");
	terminal_expect(&terminal, "r1dy"); /* the shell has left its own mode */
	terminal_type(&terminal, "once\n");
	terminal_expect(&terminal, "once\r\n");
	terminal_expect(&terminal, "once\r\n");
	terminal_type(&terminal, KEY_STOP);
	terminal_expect(&terminal, "Stopped");
	enter(&terminal, "fg");
	terminal_expect_local(&terminal, ICANON, ICANON);
	terminal_type(&terminal, "again\n");
	terminal_expect(&terminal, "again\r\n");
	terminal_expect(&terminal, "again\r\n");
	terminal_type(&terminal, KEY_END_OF_FILE);
	enter(&terminal, "exit 3");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
