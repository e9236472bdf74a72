/* SPDX-License-Identifier: MIT */
/*
 * Claim: 64 GiB of reserve and 1 GiB of zeros put no page on the wire: the move costs as many
 * bytes as that of the process without them, but for a few mapping entries.  Counted by bytes,
 * not by time.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/proxy.h"

#define RESERVE_BYTES (64ul << 30)
#define ZERO_BYTES (1ul << 30)
#define ALLOWANCE_BYTES (64l << 10)

static int64_t move_and_count(const struct node *node)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	struct proxy_plan plan = PROXY_PLAIN;
	struct proxy proxy;
	pid_t pid;

	proxy_start(&proxy, node->port, &plan);
	pid = rfork_with(proxy.host, &options);
	if (!pid)
		_exit(0);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_expect_exit(pid, 0);
	return proxy_finish(&proxy).up_bytes;
}

static char *map(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

int main(void)
{
	int64_t small, large;
	struct node node;
	char *zeros;

	test_begin();
	node_start(&node, NULL);
	move_and_count(&node);
	small = move_and_count(&node);
	map(RESERVE_BYTES);
	zeros = map(ZERO_BYTES);
	memset(zeros, 0, ZERO_BYTES);
	zeros[0] = 1;
	zeros[0] = 0;
	large = move_and_count(&node);
	dprintf(2, "bytes to the node: %lld without, %lld with\n", (long long)small,
		(long long)large);
	CHECK_AT_MOST(large, small + ALLOWANCE_BYTES);
	CHECK_AT_MOST(small, 1l << 20);
	node_stop(&node);
	return test_end();
}
