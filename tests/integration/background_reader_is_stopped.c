/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child whose job is in the background at home stops when it reads its terminal, or sets
 * the mode, as a local one does, and nothing is taken from the terminal meanwhile; in the
 * foreground, continued, it goes on with what it wanted.  One whose job has come to the
 * foreground without being stopped does not stop, and nobody hears of what it asked.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/terminal.h"

static struct node node;

/* -- the child ------------------------------------------------------------------------------ */

static void read_line(const char *text)
{
	char line[64];
	ssize_t got = CHECK_CALL(read(0, line, sizeof(line) - 1));

	line[got] = '\0';
	CHECK_TEXT(line, text);
}

static void read_in_background(void)
{
	dprintf(1, "background may write\n");
	read_line("two\n");
}

static void set_in_background(void)
{
	struct termios mode = terminal_mode(0);

	mode.c_lflag &= ~(tcflag_t)ECHO;
	CHECK_CALL(tcsetattr(0, TCSADRAIN, &mode));
	dprintf(1, "set\n");
	read_line("three\n");
	mode.c_lflag |= ECHO;
	CHECK_CALL(tcsetattr(0, TCSADRAIN, &mode));
}

/* Only in the foreground it is told to read. */
static void read_in_foreground(void)
{
	test_await_signal(SIGUSR1);
	dprintf(1, "reads\n");
	read_line("four\n");
}

/* -- its caller, a job of the leader's -------------------------------------------------------- */

/* Stops as its child does: the leader looks at it alone. */
static _Noreturn void be_a_job(void (*be_the_child)(void))
{
	int status;
	pid_t pid;

	CHECK_CALL(setpgid(0, 0));
	signal(SIGTTOU, SIG_DFL);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		be_the_child();
		_exit(42);
	}
	CHECK_CALL(waitpid(pid, &status, WUNTRACED));
	CHECK(WIFSTOPPED(status));
	CHECK_CALL(kill(getpid(), WSTOPSIG(status)));
	test_expect_exit(pid, 42);
	_exit(42);
}

/* -- the leader, a shell ---------------------------------------------------------------------- */

static void hear_line(const char *text)
{
	struct termios mode = terminal_mode(0);

	CHECK(mode.c_lflag & ECHO);
	read_line(text);
}

static void run_job(void (*be_the_child)(void), int signal, const char *line)
{
	pid_t job = CHECK_CALL(fork());

	if (!job)
		be_a_job(be_the_child);
	process_expect_stop_status(job, signal);
	/* still ours */
	dprintf(1, "is stopped\n");
	hear_line(line);
	CHECK_CALL(tcsetpgrp(0, job));
	CHECK_CALL(kill(-job, SIGCONT));
	test_expect_exit(job, 42);
	CHECK_CALL(tcsetpgrp(0, getpgrp()));
}

/* Nobody continues what was not stopped: the node hears of it only when the child asks. */
static void bring_to_foreground(void)
{
	sigset_t user;
	pid_t job;
	int ready[2], status;
	char byte;

	CHECK_CALL(pipe2(ready, O_CLOEXEC));
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, NULL));
	job = CHECK_CALL(fork());
	if (!job) {
		pid_t pid;

		CHECK_CALL(setpgid(0, 0));
		pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
		if (!pid) {
			read_in_foreground();
			_exit(42);
		}
		test_write(ready[1], "!", 1);
		test_await_signal(SIGUSR1);
		CHECK_CALL(kill(pid, SIGUSR1));
		CHECK_CALL(waitpid(pid, &status, WUNTRACED));
		CHECK_EQUAL(status, 42 << 8);
		_exit(42);
	}
	CHECK_EQUAL(test_read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	CHECK_CALL(tcsetpgrp(0, job));
	CHECK_CALL(kill(job, SIGUSR1));
	test_expect_exit(job, 42);
	CHECK_CALL(tcsetpgrp(0, getpgrp()));
}

static void lead(void)
{
	signal(SIGTTOU, SIG_IGN);
	bring_to_foreground();
	run_job(read_in_background, SIGTTIN, "one\n");
	run_job(set_in_background, SIGTTOU, "and\n");
	dprintf(1, "done\n");
}

int main(void)
{
	struct terminal terminal;
	pid_t leader;

	test_begin();
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, lead);
	terminal_expect(&terminal, "reads");
	terminal_type(&terminal, "four\n");
	terminal_expect(&terminal, "background may write");
	terminal_expect(&terminal, "is stopped");
	terminal_type(&terminal, "one\n");
	terminal_type(&terminal, "two\n");
	terminal_expect(&terminal, "is stopped");
	terminal_type(&terminal, "and\n");
	terminal_expect(&terminal, "set");
	terminal_expect_local(&terminal, ECHO, 0);
	terminal_type(&terminal, "three\n");
	terminal_expect(&terminal, "done");
	terminal_finish(&terminal, leader, 0);
	CHECK(terminal_mode(terminal.slave).c_lflag & ECHO);
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
