/* SPDX-License-Identifier: MIT */
/*
 * Claim: the registers that a call preserves hold the caller's values after the move.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/node.h"

#if !defined(__x86_64__)
#error "the registers of this architecture are not known to the test"
#endif

static struct node node;
static uint64_t after[6];
static pid_t moved;

static const uint64_t values[6] = { 0x1111111122222222, 0x3333333344444444, 0x5555555566666666,
				    0x7777777788888888, 0x99999999aaaaaaaa, 0xbbbbbbbbcccccccc };

__attribute__((used)) static void move(void)
{
	moved = node_move_returns_twice(&node, 0);
}

/* Fills every callee-saved register, calls, and stores what came back. */
__attribute__((naked, noinline)) static void call_with(const uint64_t *in __attribute__((unused)),
						       uint64_t *out __attribute__((unused)))
{
	__asm__("push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
		"push %rsi\n"
		"mov 0(%rdi), %rbx\n mov 8(%rdi), %rbp\n mov 16(%rdi), %r12\n"
		"mov 24(%rdi), %r13\n mov 32(%rdi), %r14\n mov 40(%rdi), %r15\n"
		"call move\n"
		"pop %rsi\n"
		"mov %rbx, 0(%rsi)\n mov %rbp, 8(%rsi)\n mov %r12, 16(%rsi)\n"
		"mov %r13, 24(%rsi)\n mov %r14, 32(%rsi)\n mov %r15, 40(%rsi)\n"
		"pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
		"ret\n");
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	call_with(values, after);
	for (int i = 0; i < 6; i++)
		CHECK_EQUAL(after[i], values[i]);
	if (!moved)
		_exit(0);
	test_expect_exit(moved, 0);
	node_stop(&node);
	return test_end();
}
