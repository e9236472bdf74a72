/* SPDX-License-Identifier: MIT */
/*
 * Claim: on a machine without an RDMA device rdma://HOST is ENODEV and names the machine, whatever
 * the size of the process, and leaves nothing behind; auto://HOST goes by TCP.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/rdma_device.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define BYTES ((size_t)96 << 20)

static void expect_refusal(const struct node *node)
{
	char host[96], name[64] = "";

	CHECK_CALL(gethostname(name, sizeof(name) - 1));
	snprintf(host, sizeof(host), "rdma://%s", node->host);
	footprint_expect_refusal(host, NULL, ENODEV, name);
	footprint_expect_refusal(host, NULL, ENODEV, "no RDMA device");
}

static void expect_tcp(const struct node *node, const unsigned char *memory)
{
	uint64_t digest = test_digest(memory, BYTES);
	char host[96];
	pid_t pid;

	snprintf(host, sizeof(host), "auto://%s", node->host);
	pid = rfork(host);
	if (!pid)
		_exit(test_digest(memory, BYTES) == digest ? 42 : 1);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "%s", rfork_error());
	test_expect_exit(pid, 42);
}

int main(void)
{
	struct node node;
	unsigned char *memory;

	test_begin();
	if (rf_rdma_has_device())
		test_skip("this machine has an RDMA device");
	node_start(&node, NULL);
	expect_refusal(&node);
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, BYTES, 1);
	expect_refusal(&node);
	expect_tcp(&node, memory);
	node_stop(&node);
	return test_end();
}
