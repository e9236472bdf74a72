/* SPDX-License-Identifier: MIT */
/*
 * Claim: the pages of a large process go by RDMA to rdma://HOST, and to auto://HOST, as the
 * device's counters show, and arrive as they were; those of a small one go by TCP.  The caller has
 * no library of RDMA's in its memory, and has nothing left of it but its child.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/rdma_device.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define BYTES ((size_t)256 << 20)
/* Those of a page each, as the largest that a Soft-RoCE device makes. */
#define PACKETS (BYTES / TEST_PAGE_BYTES)
#define SENT "/sys/class/infiniband/rxe0/ports/1/hw_counters/sent_pkts"

static struct node node;
static unsigned char *memory;
static uint64_t digest;

static uint64_t count_packets(void)
{
	FILE *file = fopen(SENT, "re");
	unsigned long long count = 0;

	CHECK(file);
	CHECK_EQUAL(fscanf(file, "%llu", &count), 1);
	fclose(file);
	return count;
}

static void expect_no_library(const struct footprint *footprint)
{
	for (unsigned i = 0; i < footprint->map_count; i++)
		if (strstr(footprint->maps[i].name, "ibverbs") ||
		    strstr(footprint->maps[i].name, "rdmacm"))
			test_fail(__FILE__, __LINE__, "%s is in the caller's memory",
				  footprint->maps[i].name);
}

/* Moves; how many packets of RDMA that took. */
static uint64_t move(const char *scheme)
{
	static struct footprint before;
	/* no time is asserted under emulation */
	const struct rfork_options options = { .size = sizeof(options), .timeout_ms = -1 };
	uint64_t sent = count_packets();
	char host[96];
	pid_t pid;

	snprintf(host, sizeof(host), "%s%s", scheme, node.host);
	footprint_take(&before);
	pid = rfork_with(host, &options);
	if (!pid)
		_exit(memory && test_digest(memory, BYTES) != digest ? 1 : 42);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork(%s): %s", host, rfork_error());
	test_expect_exit(pid, 42);
	footprint_expect(&before);
	expect_no_library(&before);
	return count_packets() - sent;
}

int main(void)
{
	test_begin();
	if (!rf_rdma_has_device())
		test_skip("this machine has no RDMA device");
	node_start(&node, NULL);
	CHECK_EQUAL(move("rdma://"), 0);
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, BYTES, 1);
	digest = test_digest(memory, BYTES);
	CHECK(move("rdma://") >= PACKETS);
	CHECK(move("auto://") >= PACKETS);
	CHECK_EQUAL(move("tcp://"), 0);
	node_stop(&node);
	return test_end();
}
