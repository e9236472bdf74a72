/* SPDX-License-Identifier: MIT */
/*
 * Claim: pages that the node reads by RDMA are those of the process, whether they lie close
 * together or far apart, by one connection or by several, after requests that were rejected
 * first, and whatever the limit of locked memory is that an ordinary user has; where it leaves no
 * room, the road is lost by name and the pages come by the stream.  Nothing of the road is left
 * in the child.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/capability.h>

#include "tests/rdma/page_source.h"

#define DENSE_BYTES (20ul << 20)
#define SPARSE_PAGES 3000ul
#define READ_ONLY_BYTES (300ul << 10)
#define SOURCE_BYTES (64ul << 20)
/* A little less than the kernel's default, to be told from it. */
#define USUAL_LIMIT ((8ul << 20) - TEST_PAGE_BYTES)

static unsigned char *dense, *sparse, *read_only;
static uint64_t expected;

static unsigned char *map(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static uint64_t digest(void)
{
	return test_digest(dense, DENSE_BYTES) +
	       test_digest(sparse, SPARSE_PAGES * TEST_PAGE_BYTES) +
	       test_digest(read_only, READ_ONLY_BYTES);
}

static void build(void)
{
	dense = map(DENSE_BYTES);
	test_fill(dense, DENSE_BYTES, 1);
	/* runs of one page, of two, and now and then of many */
	sparse = map(SPARSE_PAGES * TEST_PAGE_BYTES);
	for (size_t page = 0; page < SPARSE_PAGES; page++)
		if (page % 3 != 1 || page % 500 < 100)
			test_fill(sparse + page * TEST_PAGE_BYTES, TEST_PAGE_BYTES,
				  (unsigned)page + 2);
	read_only = map(READ_ONLY_BYTES);
	test_fill(read_only, READ_ONLY_BYTES, 5);
	CHECK_CALL(mprotect(read_only, READ_ONLY_BYTES, PROT_READ));
	expected = digest();
}

/* In the child: the memory is right, and forked as ever; there is neither device nor library
 * that was not at home. */
static void verify(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/smaps", "re");
	struct rlimit limit;

	if (digest() != expected)
		_exit(1);
	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "rfork-shell") || strstr(line, "/dev/infiniband") ||
		    strstr(line, "bounce") ||
		    (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dc")))
			_exit(2);
	/* as record() below has set it, though the shell raises its own */
	if (!maps || getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur || limit.rlim_max)
		_exit(3);
	for (int fd = 3; fd < 64; fd++) {
		char path[64], target[256] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 &&
		    (strstr(target, "infiniband") || strstr(target, "bounce")))
			_exit(4);
	}
}

static rlim_t memlock;

/* As an ordinary user: without the capability that lifts the limit. */
static void limit_memory(const struct node *node)
{
	struct rlimit limit = { memlock / 2, memlock };

	(void)node;
	CHECK_CALL(prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0));
	CHECK_CALL(setrlimit(RLIMIT_MEMLOCK, &limit));
}

static const struct page_faults none = { 0 };

static void expect_all(struct page_source *source, const struct image *image,
		       const struct node *node)
{
	struct page_outcome outcome;

	page_source_offer(source, image, node, &none, &outcome);
	if (outcome.result || outcome.loss.error)
		test_fail(__FILE__, __LINE__, "result %d, road: %s, node: %s", outcome.result,
			  outcome.loss.sentence, outcome.report.sentence);
	CHECK(outcome.remote > 20);
	CHECK_EQUAL(outcome.taken, outcome.remote);
}

static void check_connections(const struct image *image, const struct node *node)
{
	for (unsigned count = 1; count <= 4; count += 3) {
		struct page_source source;

		page_source_open(&source, SOURCE_BYTES, count);
		source.rejections = count; /* which a client may repeat */
		expect_all(&source, image, node);
		page_source_close(&source);
	}
}

/* One server for each limit, and for each the same image. */
static void check_limit(const struct image *image, rlim_t bytes, bool is_enough)
{
	struct page_source source;
	struct page_outcome outcome;
	struct node node;

	memlock = bytes;
	node_before_server = limit_memory;
	node_start(&node, NULL);
	page_source_open(&source, SOURCE_BYTES, 2);
	if (is_enough) {
		expect_all(&source, image, &node);
	} else {
		page_source_offer(&source, image, &node, &none, &outcome);
		CHECK_EQUAL(outcome.result, 0);
		CHECK_EQUAL(outcome.loss.error, ENOMEM);
		CHECK(strstr(outcome.loss.sentence, "RLIMIT_MEMLOCK"));
	}
	page_source_close(&source);
	node_stop(&node);
}

/* The image allows the least, for the node's shell raises its own limit to that. */
static void record(struct image *image, const struct node *node)
{
	const struct rlimit least = { 0, 0 };
	struct rlimit before;

	CHECK_CALL(getrlimit(RLIMIT_MEMLOCK, &before));
	CHECK_CALL(setrlimit(RLIMIT_MEMLOCK, &least));
	image_record_work(image, node, verify);
	CHECK_CALL(setrlimit(RLIMIT_MEMLOCK, &before));
}

int main(void)
{
	struct image image;
	struct node node;

	test_begin();
	if (!getenv("RFORK_VM_ADDRESS"))
		test_skip("no RDMA device: run by tests/rdma/vm");
	node_start(&node, NULL);
	build();
	record(&image, &node);
	check_connections(&image, &node);
	node_stop(&node);
	check_limit(&image, USUAL_LIMIT, true);
	check_limit(&image, 256ul << 10, true);
	check_limit(&image, 16ul << 10, true);
	check_limit(&image, 0, false);
	image_free(&image);
	return test_end();
}
