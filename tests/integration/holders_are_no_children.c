/* SPDX-License-Identifier: MIT */
/*
 * Claim: the process that holds a checkpoint is named after it, and no concern of the program's:
 * neither wait() nor waitid() meet it while it lives or after it was killed, no SIGCHLD tells of
 * its end, and nothing of it is left after it was discarded.  A fork child has it not, and a pipe
 * that the program closes has ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/footprint.h"

static volatile sig_atomic_t told;

static void tell(int number)
{
	(void)number;
	told++;
}

static void expect_no_child(void)
{
	siginfo_t info;

	CHECK_EQUAL(wait(NULL), -1);
	CHECK_EQUAL(errno, ECHILD);
	CHECK_EQUAL(waitpid(-1, NULL, WNOHANG | WUNTRACED), -1);
	CHECK_EQUAL(errno, ECHILD);
	CHECK_EQUAL(waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG), -1);
	CHECK_EQUAL(errno, ECHILD);
	CHECK_EQUAL(told, 0);
}

static void check_killed(void)
{
	rfork_crid_t crid = checkpoint_hold(0);
	pid_t holder = checkpoint_holder(crid);
	int fd = CHECK_CALL(open("/dev/null", O_WRONLY | O_CLOEXEC));

	CHECK(holder > 0);
	CHECK_CALL(kill(holder, SIGKILL));
	checkpoint_expect_failure(rfork_commit(crid, fd), ECONNRESET, "killed");
	expect_no_child();
	CHECK_CALL(rfork_discard(crid));
	CHECK_EQUAL(kill(holder, 0), -1);
	close(fd);
}

static void check_fork_child(rfork_crid_t crid)
{
	pid_t pid;

	signal(SIGCHLD, SIG_DFL);
	pid = CHECK_CALL(fork());
	if (!pid) {
		checkpoint_expect_failure(rfork_commit(crid, 1), ECHILD, "child");
		checkpoint_expect_failure(rfork_discard(crid), ECHILD, "child");
		_exit(0);
	}
	test_expect_exit(pid, 0);
	signal(SIGCHLD, tell);
	CHECK(checkpoint_holder(crid) > 0);
}

/* A copy of its write end in the holder would keep it open. */
static void check_pipe(void)
{
	rfork_crid_t crid;
	int pipe_ends[2];
	char byte;

	CHECK_CALL(pipe(pipe_ends));
	crid = checkpoint_hold(0);
	close(pipe_ends[1]);
	CHECK_EQUAL(test_read(pipe_ends[0], &byte, 1), 0);
	close(pipe_ends[0]);
	CHECK_CALL(rfork_discard(crid));
}

int main(void)
{
	static struct footprint before;
	rfork_crid_t first, second;
	pid_t holder;

	test_begin();
	signal(SIGCHLD, tell);
	CHECK_CALL(rfork_discard(checkpoint_hold(0)));
	footprint_take(&before);
	first = checkpoint_hold(0);
	second = checkpoint_hold(0);
	holder = checkpoint_holder(first);
	CHECK(holder > 0 && checkpoint_holder(second) > 0 && first != second);
	expect_no_child();
	check_fork_child(second);
	CHECK_CALL(rfork_discard(first));
	CHECK_EQUAL(kill(holder, 0), -1);
	expect_no_child();
	check_killed();
	check_pipe();
	CHECK_CALL(rfork_discard(second));
	expect_no_child();
	footprint_expect(&before);
	return test_end();
}
