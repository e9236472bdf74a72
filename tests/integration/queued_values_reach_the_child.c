/* SPDX-License-Identifier: MIT */
/*
 * Claim: what sigqueue(3) sends to the ghost reaches the child with its whole value and as queued;
 * several of the same real-time signal are all delivered, in their order.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/signals.h"

#define KINDS 4u
#define EACH 16u
#define ODD_SIGNAL (SIGRTMIN + (int)KINDS)

/* All 64 bits count; the first two are the extremes of an int. */
static const uint64_t odd_values[] = { 0x7fffffff, 0xffffffff80000000u, 0x123456789abcdef0,
				       UINT64_MAX, 0 };
#define ODD_VALUES (sizeof(odd_values) / sizeof(odd_values[0]))

static uint64_t value_of(unsigned kind, unsigned nth)
{
	return (uint64_t)kind << 40 | nth;
}

static void expect(int signal, uint64_t value)
{
	siginfo_t info = signals_take(signal);

	CHECK_EQUAL(info.si_code, SI_QUEUE);
	CHECK_EQUAL(info.si_pid, getppid());
	CHECK_EQUAL(info.si_uid, getuid());
	CHECK_EQUAL((uintptr_t)info.si_value.sival_ptr, value);
}

/* SIGRTMAX was sent last and is the last that a queue gives out: then all others have come. */
static _Noreturn void be_the_child(void)
{
	CHECK_EQUAL(signals_take(SIGRTMAX).si_code, SI_USER);
	for (unsigned kind = KINDS; kind-- > 0;)
		for (unsigned nth = 0; nth < EACH; nth++)
			expect(SIGRTMIN + (int)kind, value_of(kind, nth));
	for (unsigned i = 0; i < ODD_VALUES; i++)
		expect(ODD_SIGNAL, odd_values[i]);
	_exit(42);
}

static void send(pid_t ghost, int signal, uint64_t value)
{
	union sigval with = { .sival_ptr = (void *)(uintptr_t)value };

	signals_queue(ghost, signal, with);
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
	signals_restore(&before);
	for (unsigned i = 0; i < ODD_VALUES; i++)
		send(ghost, ODD_SIGNAL, odd_values[i]);
	for (unsigned nth = 0; nth < EACH; nth++)
		for (unsigned kind = 0; kind < KINDS; kind++)
			send(ghost, SIGRTMIN + (int)kind, value_of(kind, nth));
	CHECK_CALL(kill(ghost, SIGRTMAX));
	test_expect_exit(ghost, 42);
	node_stop(&node);
	return test_end();
}
