/* SPDX-License-Identifier: MIT */
/*
 * Claim: a thousand queued signals in each direction at once all arrive, with their values and in
 * their order, while output flows as well.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

#define SIGNALS 1000
#define LINE "a line of output\n"

static void send_number(pid_t pid, int number)
{
	signals_queue(pid, SIGRTMIN + 1, (union sigval){ .sival_int = number });
}

static void take_number(int number)
{
	CHECK_EQUAL(signals_take(SIGRTMIN + 1).si_value.sival_int, number);
}

static _Noreturn void be_the_child(void)
{
	for (int i = 0; i < SIGNALS; i++) {
		stream_write_text(1, LINE);
		send_number(getppid(), i);
	}
	for (int i = 0; i < SIGNALS; i++)
		take_number(i);
	_exit(42);
}

int main(void)
{
	struct node node;
	sigset_t before;
	pid_t ghost;
	int reader;

	test_begin();
	node_start(&node, NULL);
	reader = test_pipe_output();
	signals_block_all(&before);
	ghost = node_move_returns_twice(&node, 0);
	if (!ghost)
		be_the_child();
	test_release_output();
	for (int i = 0; i < SIGNALS; i++)
		send_number(ghost, i);
	for (int i = 0; i < SIGNALS; i++)
		take_number(i);
	for (int i = 0; i < SIGNALS; i++)
		stream_expect_text(reader, LINE);
	stream_expect_end(reader);
	test_expect_exit(ghost, 42);
	signals_restore(&before);
	close(reader);
	node_stop(&node);
	return test_end();
}
