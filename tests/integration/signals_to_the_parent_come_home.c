/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the child sends to getppid() the caller gets, from the ghost's pid and with its
 * value: every signal that can be caught, in a handler or from the queue, from a grandchild too.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/signals.h"

#define VALUE ((void *)0x123456789abcdef0ul)

static volatile sig_atomic_t handled;
static volatile pid_t handled_from;

/* Each step waits until the caller has seen the one before it. */
static void await_caller(void)
{
	signals_take(SIGUSR1);
}

static void send_from_grandchild(void)
{
	pid_t parent = getppid();
	pid_t grandchild = CHECK_CALL(fork());

	if (!grandchild)
		_exit(kill(parent, SIGUSR2) ? 1 : 0);
	test_expect_exit(grandchild, 0);
}

static _Noreturn void be_the_child(void)
{
	for (int signal = 1; signal < SIGNALS_END; signal++) {
		if (!signals_can_be_caught(signal))
			continue;
		CHECK_CALL(kill(getppid(), signal));
		await_caller();
	}
	CHECK_CALL(sigqueue(getppid(), SIGRTMIN, (union sigval){ .sival_ptr = VALUE }));
	await_caller();
	CHECK_CALL(kill(getppid(), SIGUSR1));
	await_caller();
	send_from_grandchild();
	await_caller();
	_exit(42);
}

/* A SIGCHLD of another cause may come between. */
static void expect(pid_t ghost, int signal, int code)
{
	siginfo_t info;

	do
		info = signals_take(signal);
	while (signal == SIGCHLD && info.si_code > 0);
	CHECK_EQUAL(info.si_code, code);
	CHECK_EQUAL(info.si_pid, ghost);
	CHECK_EQUAL(info.si_uid, getuid());
	if (code == SI_QUEUE)
		CHECK(info.si_value.sival_ptr == VALUE);
}

static void handle(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	handled_from = info->si_pid;
	handled = 1;
}

static void expect_handler(pid_t ghost)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO };

	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
	signals_await_flag(SIGUSR1, &handled);
	CHECK_EQUAL(handled_from, ghost);
}

int main(void)
{
	struct node node;
	sigset_t before;
	pid_t ghost;

	test_begin();
	node_start(&node, NULL);
	signals_block_all(&before);
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child();
	for (int signal = 1; signal < SIGNALS_END; signal++) {
		if (!signals_can_be_caught(signal))
			continue;
		expect(ghost, signal, SI_USER);
		CHECK_CALL(kill(ghost, SIGUSR1));
	}
	expect(ghost, SIGRTMIN, SI_QUEUE);
	CHECK_CALL(kill(ghost, SIGUSR1));
	expect_handler(ghost);
	CHECK_CALL(kill(ghost, SIGUSR1));
	signals_take(SIGUSR2);
	CHECK_CALL(kill(ghost, SIGUSR1));
	test_expect_exit(ghost, 42);
	signals_restore(&before);
	node_stop(&node);
	return test_end();
}
