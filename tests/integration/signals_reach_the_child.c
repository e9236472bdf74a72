/* SPDX-License-Identifier: MIT */
/*
 * Claim: every signal that can be caught and is sent to the ghost reaches the child, in a handler
 * or taken from its queue, as sent by the child's parent.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/signals.h"

struct received {
	int signal;
	int code;
	bool from_parent;
};

static void report(int signal, siginfo_t *info, void *context)
{
	struct received received = { signal, info->si_code, info->si_pid == getppid() };

	(void)context;
	test_write(1, &received, sizeof(received));
}

static _Noreturn void handle_all(void)
{
	struct sigaction action = { .sa_sigaction = report, .sa_flags = SA_SIGINFO };
	struct received ready = { 0 };

	sigfillset(&action.sa_mask);
	for (int signal = 1; signal < SIGNALS_END; signal++)
		if (signals_can_be_caught(signal))
			CHECK_CALL(sigaction(signal, &action, NULL));
	test_write(1, &ready, sizeof(ready));
	for (;;)
		pause();
}

/* All have been blocked since before the move. */
static _Noreturn void take_all(void)
{
	struct received ready = { 0 };
	sigset_t all;

	sigfillset(&all);
	test_write(1, &ready, sizeof(ready));
	for (;;) {
		siginfo_t info;

		if (sigwaitinfo(&all, &info) > 0)
			report(info.si_signo, &info, NULL);
		else
			CHECK_EQUAL(errno, EINTR);
	}
}

static struct received next_report(int reader)
{
	struct received received;

	CHECK_EQUAL(test_read(reader, &received, sizeof(received)), sizeof(received));
	return received;
}

static void check(pid_t ghost, int reader, int signal)
{
	struct received received;

	CHECK_CALL(kill(ghost, signal));
	/* a slow ghost may be taken for a stopped one, and then the child is continued */
	do
		received = next_report(reader);
	while (received.signal == SIGCONT && signal != SIGCONT);
	CHECK_EQUAL(received.signal, signal);
	CHECK_EQUAL(received.code, SI_USER);
	CHECK(received.from_parent);
}

static void check_all(const struct node *node, void (*be_the_child)(void))
{
	int reader = test_pipe_output();
	sigset_t before;
	pid_t ghost;

	if (be_the_child == take_all)
		signals_block_all(&before);
	ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child();
	if (be_the_child == take_all)
		signals_restore(&before);
	test_release_output();
	CHECK_EQUAL(next_report(reader).signal, 0);
	for (int signal = 1; signal < SIGNALS_END; signal++)
		if (signals_can_be_caught(signal))
			check(ghost, reader, signal);
	CHECK_CALL(kill(ghost, SIGKILL));
	test_expect_signal(ghost, SIGKILL);
	close(reader);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	check_all(&node, handle_all);
	check_all(&node, take_all);
	node_stop(&node);
	return test_end();
}
