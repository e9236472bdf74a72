/* SPDX-License-Identifier: MIT */
/*
 * Claim: where memory is to lie, which mbind(2) has said of a mapping, is not kept: a child finds the
 * default there, where a child of fork(2) has the same; what is in it is there.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"

/* <linux/mempolicy.h> */
#define POLICY_DEFAULT 0
#define POLICY_PREFERRED 1
#define OF_ADDRESS 2u
#define NODE_BITS 64ul

static unsigned char *memory;

static int policy(void)
{
	int found = -1;

	CHECK_CALL((int)syscall(SYS_get_mempolicy, &found, NULL, 0ul, memory, OF_ADDRESS));
	return found;
}

static void expect_policy(int expected)
{
	CHECK_EQUAL(policy(), expected);
	CHECK_EQUAL(memory[0], 42);
}

int main(void)
{
	const unsigned long first = 1;
	struct node node;
	pid_t pid;

	test_begin();
	memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(memory != MAP_FAILED);
	if (syscall(SYS_mbind, memory, TEST_PAGE_BYTES, POLICY_PREFERRED, &first, NODE_BITS, 0) < 0)
		test_skip("mbind: %s", strerror(errno));
	memory[0] = 42;
	node_start(&node, NULL);
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		expect_policy(POLICY_PREFERRED);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	pid = node_move_returns_twice(&node, 0);
	if (pid == 0) {
		expect_policy(POLICY_DEFAULT);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	expect_policy(POLICY_PREFERRED);
	node_stop(&node);
	return test_end();
}
