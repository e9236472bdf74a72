/* SPDX-License-Identifier: MIT */
/*
 * Claim: a signalfd(2) arrives with its mask and flags, and reads the signals of the process that
 * has arrived: those of its mask, and no others.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/support/ways.h"

static int mine;

static void build(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMAX);
	mine = CHECK_CALL(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	sigaddset(&set, SIGUSR2);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void expect(int signal)
{
	struct signalfd_siginfo info;

	CHECK_EQUAL(read(mine, &info, sizeof(info)), sizeof(info));
	CHECK_EQUAL(info.ssi_signo, signal);
	CHECK_EQUAL(info.ssi_pid, getpid());
}

static void verify(enum way way)
{
	struct signalfd_siginfo info;

	(void)way;
	CHECK_EQUAL(CHECK_CALL(fcntl(mine, F_GETFL)) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQUAL(CHECK_CALL(fcntl(mine, F_GETFD)), FD_CLOEXEC);
	CHECK_CALL(kill(getpid(), SIGUSR2));
	CHECK_EQUAL(read(mine, &info, sizeof(info)), -1);
	CHECK_EQUAL(errno, EAGAIN);
	CHECK_CALL(kill(getpid(), SIGRTMAX));
	CHECK_CALL(kill(getpid(), SIGUSR1));
	expect(SIGUSR1);
	expect(SIGRTMAX);
}

int main(void)
{
	return ways_three_beats(build, verify);
}
