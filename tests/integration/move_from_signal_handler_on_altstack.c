/* SPDX-License-Identifier: MIT */
/*
 * Claim: a handler that runs on the alternate signal stack may call rfork() when the signal came
 * at a safe place: the child returns through the handler to the interrupted code, with its
 * registers, mask and alternate stack as they were, and handlers go on working.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define STACK_BYTES (256ul << 10)

static struct node node;
static unsigned char *stack;
static volatile pid_t ghost = -1;
static volatile sig_atomic_t on_stack, again;

static void move(int signal)
{
	stack_t now;

	(void)signal;
	CHECK_CALL(sigaltstack(NULL, &now));
	CHECK_EQUAL(now.ss_flags, SS_ONSTACK);
	ghost = node_move_returns_twice(&node, 0);
	CHECK_CALL(sigaltstack(NULL, &now));
	CHECK_EQUAL(now.ss_flags, SS_ONSTACK);
	CHECK(now.ss_sp == stack && now.ss_size == STACK_BYTES);
}

static void note(int signal)
{
	const unsigned char *here = __builtin_frame_address(0);

	(void)signal;
	on_stack = here > stack && here < stack + STACK_BYTES;
	again++;
}

static void set_handler(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

	CHECK_CALL(sigaction(number, &action, NULL));
}

static void verify(double fraction)
{
	stack_t now;
	sigset_t mask;

	CHECK(fraction == 0.375);
	CHECK_CALL(sigaltstack(NULL, &now));
	CHECK(now.ss_sp == stack && now.ss_flags == 0 && now.ss_size == STACK_BYTES);
	CHECK_CALL(sigprocmask(SIG_SETMASK, NULL, &mask));
	CHECK(!sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGUSR2));
	set_handler(SIGUSR1, note);
	raise(SIGUSR1);
	CHECK(on_stack && again == 1);
}

int main(void)
{
	volatile double third = 3;
	double fraction = third / 8;
	stack_t alternate;
	sigset_t mask;

	test_begin();
	node_start(&node, NULL);
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(stack != MAP_FAILED);
	alternate = (stack_t){ .ss_sp = stack, .ss_size = STACK_BYTES };
	CHECK_CALL(sigaltstack(&alternate, NULL));
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &mask, NULL));
	set_handler(SIGUSR1, move);
	raise(SIGUSR1);
	verify(fraction);
	if (!ghost)
		_exit(5);
	test_expect_exit(ghost, 5);
	node_stop(&node);
	return test_end();
}
