/* SPDX-License-Identifier: MIT */
/*
 * Claim: the alternate signal stack is in place in the child, and handlers run on it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>

#include "tests/support/node.h"

#define STACK_BYTES 65536

static stack_t stack;
static volatile sig_atomic_t on_stack;

static void note(int signal)
{
	char here;

	(void)signal;
	on_stack = &here >= (char *)stack.ss_sp && &here < (char *)stack.ss_sp + STACK_BYTES;
}

static void build(void)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_ONSTACK };

	stack.ss_sp = malloc(STACK_BYTES);
	stack.ss_size = STACK_BYTES;
	CHECK_CALL(sigaltstack(&stack, NULL));
	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
}

static void verify(void)
{
	stack_t now;

	CHECK_CALL(sigaltstack(NULL, &now));
	CHECK(now.ss_sp == stack.ss_sp);
	CHECK_EQUAL(now.ss_size, STACK_BYTES);
	CHECK_EQUAL(now.ss_flags, 0);
	raise(SIGUSR1);
	CHECK_EQUAL(on_stack, 1);
}

int main(void)
{
	return node_three_beats(build, verify);
}
