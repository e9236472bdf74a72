/* SPDX-License-Identifier: MIT */
/*
 * Claim: who gets a signal from the child finds at home what the child had written before it sent
 * the signal, and the originals without what the child had read before; nothing is lost.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

#define ROUNDS 200

static int from_child[2], to_child[2];

static void send_number(pid_t pid, int number)
{
	signals_queue(pid, SIGRTMIN, (union sigval){ .sival_int = number });
}

static void take_number(int number)
{
	CHECK_EQUAL(signals_take(SIGRTMIN).si_value.sival_int, number);
}

/* In odd rounds it does not wait for an answer: more than one is under way. */
static _Noreturn void be_the_child(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		int number;

		CHECK_EQUAL(test_read(to_child[0], &number, sizeof(number)), sizeof(number));
		CHECK_EQUAL(number, round);
		test_write(from_child[1], &round, sizeof(round));
		send_number(getppid(), round);
		if (round % 2 == 0)
			take_number(round);
	}
	take_number(ROUNDS);
	_exit(42);
}

static int left_in(int fd)
{
	int bytes;

	CHECK_CALL(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

static void check_round(pid_t ghost, int round)
{
	int number, left = (ROUNDS - 1 - round) * (int)sizeof(number);

	take_number(round);
	if (!test_poll(from_child[0], POLLIN, 0))
		test_fail(__FILE__, __LINE__, "signal %d has overtaken the output", round);
	CHECK_EQUAL(test_read(from_child[0], &number, sizeof(number)), sizeof(number));
	CHECK_EQUAL(number, round);
	if (round % 2 == 0) {
		CHECK_EQUAL(left_in(to_child[0]), left); /* the child waits for us */
		send_number(ghost, round);
	} else {
		CHECK_AT_MOST(left_in(to_child[0]), left);
	}
}

int main(void)
{
	struct node node;
	sigset_t before;
	pid_t ghost;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(from_child));
	CHECK_CALL(pipe(to_child));
	for (int round = 0; round < ROUNDS; round++)
		test_write(to_child[1], &round, sizeof(round));
	signals_block_all(&before);
	ghost = node_move_returns_twice(&node, 0);
	if (!ghost)
		be_the_child();
	close(from_child[1]);
	for (int round = 0; round < ROUNDS; round++)
		check_round(ghost, round);
	send_number(ghost, ROUNDS);
	test_expect_exit(ghost, 42);
	stream_expect_end(from_child[0]);
	signals_restore(&before);
	node_stop(&node);
	return test_end();
}
