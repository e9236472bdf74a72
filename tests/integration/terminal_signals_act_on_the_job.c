/* SPDX-License-Identifier: MIT */
/*
 * Claim: the keys of the caller's terminal act on the whole job: ^C interrupts the caller, the
 * child and the child's own children; ^Z stops caller and child, and SIGCONT continues both.
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
#include "tests/support/signals.h"

#define INTERRUPT_KEY "\003"
#define STOP_KEY "\032"

static volatile sig_atomic_t interrupted;
static struct node node;
static int master, terminal;

static void handle(int signal)
{
	(void)signal;
	interrupted = 1;
}

static void handle_interrupt(void)
{
	struct sigaction action = { .sa_handler = handle }; /* waitpid() is interrupted */

	CHECK_CALL(sigaction(SIGINT, &action, NULL));
}

/* -- the child: each of these has printed its pid and waits for a key ------------------------- */

static _Noreturn void wait_for_ever(void)
{
	dprintf(1, "%d\n", (int)getpid());
	for (;;)
		pause();
}

static _Noreturn void wait_with_a_child(void)
{
	pid_t own;

	handle_interrupt();
	own = CHECK_CALL(fork());
	if (!own) {
		signal(SIGINT, SIG_DFL);
		wait_for_ever();
	}
	test_expect_signal(own, SIGINT); /* takes up its wait again after the handler */
	_exit(interrupted ? 42 : 1);
}

static _Noreturn void wait_for_user_signal(void)
{
	dprintf(1, "%d\n", (int)getpid());
	test_await_signal(SIGUSR1);
	_exit(42);
}

/* -- the caller, in the foreground ---------------------------------------------------------- */

/* Exits with the child's exit status or 100 + its signal, and with 1 if ^C did not come here. */
static _Noreturn void be_the_caller(void (*be_the_child)(void), int result)
{
	bool by_key = be_the_child != wait_for_user_signal;
	int status;
	pid_t ghost;

	close(master);
	close(terminal);
	signal(SIGTTOU, SIG_DFL);
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child();
	if (by_key)
		handle_interrupt();
	dprintf(result, "%d\n", (int)ghost);
	while (waitpid(ghost, &status, 0) < 0)
		CHECK_EQUAL(errno, EINTR);
	if (by_key && !interrupted)
		_exit(1);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status));
}

/* -- the leader of the session, as a shell --------------------------------------------------- */

struct job {
	pid_t caller, ghost, child;
};

static struct job start_job(void (*be_the_child)(void))
{
	int reader = test_pipe_output(), result[2];
	sigset_t user, before;
	struct job job;

	CHECK_CALL(pipe2(result, O_CLOEXEC));
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, &before));
	job.caller = CHECK_CALL(fork());
	if (!job.caller) {
		CHECK_CALL(setpgid(0, 0));
		close(reader);
		close(result[0]);
		be_the_caller(be_the_child, result[1]);
	}
	test_guard_process(job.caller);
	signals_restore(&before);
	CHECK_CALL(setpgid(job.caller, job.caller));
	CHECK_CALL(tcsetpgrp(terminal, job.caller));
	test_release_output();
	close(result[1]);
	job.child = (pid_t)test_read_number(reader);
	job.ghost = (pid_t)test_read_number(result[0]);
	close(reader);
	close(result[0]);
	return job;
}

static void type(const char *key)
{
	test_write(master, key, 1);
}

static void finish_job(struct job job, int code)
{
	test_expect_exit(job.caller, code);
	test_forget_process(job.caller);
}

static void check_stop_key(void)
{
	struct job job = start_job(wait_for_user_signal);

	type(STOP_KEY);
	process_expect_stop_status(job.caller, SIGTSTP);
	process_expect_stopped(job.child);
	process_expect_stopped(job.ghost);
	CHECK_CALL(kill(-job.caller, SIGCONT));
	process_expect_continue_status(job.caller);
	process_expect_going(job.child);
	process_expect_going(job.ghost);
	CHECK_CALL(kill(job.ghost, SIGUSR1));
	finish_job(job, 42);
}

static void take_terminal(void)
{
	master = CHECK_CALL(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
	CHECK_CALL(setsid());
	CHECK_CALL(grantpt(master));
	CHECK_CALL(unlockpt(master));
	terminal = CHECK_CALL(open(ptsname(master), O_RDWR | O_CLOEXEC));
	signal(SIGTTOU, SIG_IGN); /* we choose the foreground from the background */
}

static int lead_session(void)
{
	struct job job;

	test_begin();
	node_start(&node, NULL);
	take_terminal();

	job = start_job(wait_for_ever);
	type(INTERRUPT_KEY);
	finish_job(job, 100 + SIGINT);

	job = start_job(wait_with_a_child);
	type(INTERRUPT_KEY);
	finish_job(job, 42);

	check_stop_key();
	node_stop(&node);
	return test_end();
}

int main(void)
{
	return process_run(lead_session);
}
