/* SPDX-License-Identifier: MIT */
/*
 * Claim: system calls that a thread has the kernel dispatch to itself, PR_SET_SYSCALL_USER_DISPATCH of
 * prctl(2), are ordinary ones in a child, as after fork(2), and in a process that has moved.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/mover.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#define SYSCALL_DISPATCH_FILTER_ALLOW 0
#define SYSCALL_DISPATCH_FILTER_BLOCK 1
#endif

#define DISPATCHED 5

static volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;

static bool dispatch(void)
{
	return prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) == 0;
}

/* Where calls are still dispatched, this is SIGSYS, which nobody handles. */
static void call(void)
{
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	CHECK(syscall(SYS_getppid) >= 0);
}

static void on_dispatch(int signal)
{
	(void)signal;
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	_exit(DISPATCHED);
}

static int stay(const struct node *unused)
{
	(void)unused;
	if (!dispatch())
		return 77;
	CHECK(signal(SIGSYS, on_dispatch) != SIG_ERR);
	call();
	return 0;
}

static int move(const struct node *node)
{
	CHECK(dispatch());
	mover_go(node);
	call();
	return 0;
}

int main(void)
{
	struct node node;
	pid_t pid;
	int status;

	test_begin();
	node_start(&node, NULL);
	status = test_wait(mover_start(&node, stay));
	if (status == 77 << 8)
		test_skip("this kernel does not dispatch system calls");
	CHECK_EQUAL(status, DISPATCHED << 8);
	mover_run(&node, move);
	CHECK(dispatch());
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		call();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	pid = node_move_returns_twice(&node, 0);
	if (pid == 0) {
		call();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	node_stop(&node);
	return test_end();
}
