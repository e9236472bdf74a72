/* SPDX-License-Identifier: MIT */
/*
 * Claim: under RFORK_ASYNC the call returns while the node has not even read the image; the child gets
 * the memory of that moment, whatever the caller does to it afterwards, and its status comes home.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"

#define BYTES (64ul << 20) /* more than all buffers on the way */

int main(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_ASYNC };
	unsigned char *memory;
	uint64_t digest;
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	node_settle(&node);
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, BYTES, 1);
	digest = test_digest(memory, BYTES);
	process_signal_shells(&node, SIGSTOP);
	pid = rfork_with(node.host, &options);
	if (!pid)
		_exit(test_digest(memory, BYTES) == digest ? 42 : 1);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_fill(memory, BYTES, 2);
	process_signal_shells(&node, SIGCONT);
	test_expect_exit(pid, 42);
	node_stop(&node);
	return test_end();
}
