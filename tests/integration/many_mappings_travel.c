/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process with thousands of mappings, of files and of memory, moves: its lists are longer than
 * what the ghost and the shell have ready, and than the list of missing files that may be on its
 * way while pages are.  The child's memory is the caller's, also where the files go by content.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define MAPPINGS 6000
#define PAGE 4096ul

static unsigned char *files[MAPPINGS], *memory[MAPPINGS];

/* One page of a file, and one of memory of its own beside it with another protection. */
static void map_all(void)
{
	unsigned char *reserve = mmap(NULL, 2 * MAPPINGS * PAGE, PROT_NONE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	FILE *file = fopen("/proc/self/exe", "re");

	CHECK(reserve != MAP_FAILED && file);
	for (size_t i = 0; i < MAPPINGS; i++) {
		files[i] = mmap(reserve + 2 * i * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED,
				fileno(file), 0);
		memory[i] = mmap(reserve + (2 * i + 1) * PAGE, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		CHECK(files[i] != MAP_FAILED && memory[i] != MAP_FAILED);
		memset(memory[i], (int)(i % 251) + 1, PAGE);
	}
	fclose(file);
}

static int is_whole(void)
{
	for (size_t i = 0; i < MAPPINGS; i++)
		if (memcmp(files[i], "\177ELF", 4) != 0 || memcmp(files[i], files[0], PAGE) != 0 ||
		    memory[i][0] != i % 251 + 1 || memcmp(memory[i], memory[i] + 1, PAGE - 1) != 0)
			return 0;
	return 1;
}

static void move(const struct node *node, uint64_t flags)
{
	pid_t pid = node_move_returns_twice(node, flags);

	if (!pid)
		_exit(is_whole() ? 7 : 1);
	test_expect_exit(pid, 7);
	CHECK(is_whole());
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	map_all();
	move(&node, RFORK_CLOSE_OTHERS);
	move(&node, RFORK_CLOSE_OTHERS | RFORK_SELF_CONTAINED);
	node_stop(&node);
	return test_end();
}
