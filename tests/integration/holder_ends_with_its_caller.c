/* SPDX-License-Identifier: MIT */
/*
 * Claim: the holder of a checkpoint ends when the program exits, is killed or executes another
 * one, also while other children of the program live, which have inherited all its descriptors.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"

struct program {
	pid_t pid, holder, child;
};

static int told[2];

static _Noreturn void live(void)
{
	for (;;)
		pause();
}

/* A child that libc does not know of closes nothing; one of fork() closes what is ours. */
static pid_t start_child(bool is_known)
{
	pid_t pid = is_known ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	CHECK_CALL(pid);
	if (!pid)
		live();
	return pid;
}

static _Noreturn void be_program(bool is_known)
{
	rfork_crid_t crid = checkpoint_hold(RFORK_CLOSE_OTHERS);
	struct program program = { .pid = getpid() };

	program.holder = checkpoint_holder(crid);
	program.child = start_child(is_known);
	test_write(told[1], &program, sizeof(program));
	test_await_signal(SIGUSR1);
	_exit(0);
}

static _Noreturn void be_program_that_execs(void)
{
	rfork_crid_t crid = checkpoint_hold(RFORK_CLOSE_OTHERS);
	struct program program = { .pid = getpid(), .holder = checkpoint_holder(crid) };

	program.child = start_child(true);
	test_write(told[1], &program, sizeof(program));
	test_await_signal(SIGUSR1);
	execl("/proc/self/exe", "live", "live", NULL);
	_exit(1);
}

static struct program start(bool is_known, bool executes)
{
	struct program program;
	pid_t pid = CHECK_CALL(fork());

	if (!pid && executes)
		be_program_that_execs();
	if (!pid)
		be_program(is_known);
	CHECK_EQUAL(test_read(told[0], &program, sizeof(program)), sizeof(program));
	CHECK_EQUAL(program.pid, pid);
	CHECK(program.holder > 0);
	return program;
}

static void end_child(pid_t pid)
{
	CHECK_CALL(kill(pid, 0));
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL); /* adopted */
}

/* The holder is adopted too, now that its parent is gone. */
static void expect_end(const struct program *program)
{
	CHECK(test_has_ended(program->holder, TEST_DEADLINE_MS));
	test_wait(program->holder);
	end_child(program->child);
}

static void check_exit(bool is_known)
{
	struct program program = start(is_known, false);

	CHECK_CALL(kill(program.pid, SIGUSR1));
	test_expect_exit(program.pid, 0);
	expect_end(&program);
}

static void check_kill(void)
{
	struct program program = start(false, false);

	CHECK_CALL(kill(program.pid, SIGKILL));
	test_expect_signal(program.pid, SIGKILL);
	expect_end(&program);
}

static void check_exec(void)
{
	struct program program = start(true, true);

	CHECK_CALL(kill(program.pid, SIGUSR1));
	CHECK(test_has_ended(program.holder, TEST_DEADLINE_MS));
	CHECK_CALL(kill(program.pid, SIGKILL));
	test_expect_signal(program.pid, SIGKILL);
	test_wait(program.holder);
	end_child(program.child);
}

int main(int argc, char **argv)
{
	sigset_t set;

	(void)argv;
	if (argc > 1)
		live();
	test_begin();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	CHECK_CALL(pipe2(told, O_CLOEXEC));
	check_exit(true);
	check_exit(false);
	check_kill();
	check_exec();
	close(told[0]);
	close(told[1]);
	return test_end();
}
