/* SPDX-License-Identifier: MIT */
/*
 * Claim: heap, anonymous mappings, .data, .bss, stack and memory of odd protections are the
 * same bytes in the child.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define PART_BYTES (3ul << 20)

struct part {
	const char *name;
	unsigned char *memory;
	size_t bytes;
	int protection;
	uint64_t digest;
};

static unsigned char data[70000] = { 1, 2, 3 };
static unsigned char bss[300000];
static struct part parts[16];
static unsigned count;

static void add(const char *name, void *memory, size_t bytes, int protection)
{
	struct part *part = &parts[count++];

	*part = (struct part){ name, memory, bytes, protection, 0 };
	test_fill(memory, bytes, count);
	part->digest = test_digest(memory, bytes);
}

static void add_mapping(const char *name, size_t bytes, int protection)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	add(name, memory, bytes, protection);
	CHECK_CALL(mprotect(memory, bytes, protection));
}

static void check_parts(void)
{
	for (unsigned i = 0; i < count; i++) {
		struct part *part = &parts[i];

		/* Only to read it: what it was is the business of another test. */
		if (!(part->protection & PROT_READ))
			CHECK_CALL(mprotect(part->memory, part->bytes, PROT_READ));
		if (test_digest(part->memory, part->bytes) != part->digest)
			test_fail(__FILE__, __LINE__, "%s differs", part->name);
	}
}

int main(void)
{
	unsigned char stack[200000];
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	add("stack", stack, sizeof(stack), PROT_READ | PROT_WRITE);
	add("small heap block", malloc(1000), 1000, PROT_READ | PROT_WRITE);
	add("large heap block", malloc(PART_BYTES), PART_BYTES, PROT_READ | PROT_WRITE);
	add(".data", data, sizeof(data), PROT_READ | PROT_WRITE);
	add(".bss", bss, sizeof(bss), PROT_READ | PROT_WRITE);
	add_mapping("private mapping", PART_BYTES, PROT_READ | PROT_WRITE);
	add_mapping("one page", TEST_PAGE_BYTES, PROT_READ | PROT_WRITE);
	add_mapping("read-only mapping", PART_BYTES, PROT_READ);
	add_mapping("executable mapping", PART_BYTES, PROT_READ | PROT_EXEC);
	add_mapping("execute-only mapping", PART_BYTES, PROT_EXEC);
	add_mapping("inaccessible mapping", PART_BYTES, PROT_NONE);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		check_parts();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	check_parts();
	node_stop(&node);
	return test_end();
}
