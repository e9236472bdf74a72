/* SPDX-License-Identifier: MIT */
/*
 * Claim: the child's stack grows beyond its size at the move, as the limit allows, and the page
 * fault below the limit still ends the child by SIGSEGV.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

static struct footprint maps;

static struct footprint_map *stack(void)
{
	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++)
		if (!strcmp(maps.maps[i].name, "[stack]"))
			return &maps.maps[i];
	test_fail(__FILE__, __LINE__, "there is no [stack]");
}

__attribute__((noinline)) static unsigned use_stack(unsigned levels)
{
	volatile char space[16384];

	space[0] = (char)levels;
	space[sizeof(space) - 1] = 1;
	return levels ? use_stack(levels - 1) + (unsigned)space[sizeof(space) - 1] : 0;
}

static void grow(void)
{
	uint64_t start = stack()->start;

	CHECK_EQUAL(use_stack(256), 256); /* 4 MiB */
	CHECK(stack()->start <= start - (3ul << 20));
}

int main(void)
{
	struct rlimit limit;
	struct node node;
	pid_t pid;

	test_begin();
	CHECK_CALL(getrlimit(RLIMIT_STACK, &limit));
	node_start(&node, NULL);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		grow();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		struct rlimit low = { .rlim_cur = 8ul << 20, .rlim_max = limit.rlim_max };

		CHECK_CALL(setrlimit(RLIMIT_STACK, &low));
		use_stack(1000000);
		_exit(0);
	}
	test_expect_signal(pid, SIGSEGV);
	node_stop(&node);
	return test_end();
}
