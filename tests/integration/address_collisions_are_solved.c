/* SPDX-License-Identifier: MIT */
/*
 * Claim: a caller whose stack, vdso and mappings lie exactly where those of the shell on the node
 * lie moves as any other: memory and list of mappings are equal.  Without address space
 * randomization the kernel puts much of both at the same addresses; the rest is mapped on purpose.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define MAX_PARTS 64
#define USER_END UINT64_C(0x7ffffffff000)
#define FILLED_BYTES (256 * TEST_PAGE_BYTES)

static struct footprint before, now;

/* What lies where the shell has something. */
static struct part {
	unsigned char *memory;
	size_t bytes;
	uint64_t digest;
} parts[MAX_PARTS];
static unsigned part_count;

static void stop_randomization(char **argv)
{
	int now_set = personality(0xffffffff);

	if (now_set >= 0 && now_set & ADDR_NO_RANDOMIZE)
		return;
	if (now_set < 0 || personality((unsigned)now_set | ADDR_NO_RANDOMIZE) < 0 ||
	    !(personality(0xffffffff) & ADDR_NO_RANDOMIZE))
		test_skip("address space randomization cannot be turned off here");
	execv("/proc/self/exe", argv);
	test_fail(__FILE__, __LINE__, "/proc/self/exe: %s", strerror(errno));
}

/* The list of mappings of a shell that waits for its order. */
static FILE *open_shell_maps(const struct node *node)
{
	pid_t pids[64];
	unsigned count;

	node_settle(node);
	count = node_descendants(node->pid, pids, 64);
	for (unsigned i = 0; i < count; i++) {
		char path[64], name[32] = "";
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/comm", (int)pids[i]);
		fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
		test_read(fd, name, sizeof(name) - 1);
		close(fd);
		snprintf(path, sizeof(path), "/proc/%d/maps", (int)pids[i]);
		if (strcmp(name, "rfork-shell\n") == 0)
			return fopen(path, "re");
	}
	test_fail(__FILE__, __LINE__, "the server holds no shell in reserve");
}

static bool overlaps(const struct footprint *mine, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < mine->map_count; i++)
		if (mine->maps[i].start < end && start < mine->maps[i].end)
			return true;
	return false;
}

static void occupy(uint64_t start, uint64_t end)
{
	struct part *part = &parts[part_count++];

	CHECK(part_count < MAX_PARTS);
	part->memory = mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(part->memory == (void *)start);
	part->bytes = end - start < FILLED_BYTES ? end - start : FILLED_BYTES;
	test_fill(part->memory, part->bytes, start);
	part->digest = test_digest(part->memory, part->bytes);
}

/* Maps something wherever the shell has something and the caller has nothing. */
static void collide(const struct node *node)
{
	uint64_t starts[MAX_PARTS], ends[MAX_PARTS];
	unsigned count = 0, natural = 0;
	FILE *maps = open_shell_maps(node);
	char line[512];

	CHECK(maps);
	while (fgets(line, sizeof(line), maps) && count < MAX_PARTS) {
		CHECK_EQUAL(sscanf(line, "%lx-%lx", &starts[count], &ends[count]), 2);
		count += ends[count] <= USER_END;
	}
	fclose(maps);
	footprint_read_maps(&now);
	for (unsigned i = 0; i < count; i++)
		natural += overlaps(&now, starts[i], ends[i]);
	dprintf(2, "%u of %u mappings of the shell collide by themselves\n", natural, count);
	CHECK(natural >= 2); /* the stack and something of the mmap area */
	for (unsigned i = 0; i < count; i++)
		if (!overlaps(&now, starts[i], ends[i]))
			occupy(starts[i], ends[i]);
}

int main(int argc, char **argv)
{
	struct node node;
	pid_t pid;

	(void)argc;
	stop_randomization(argv);
	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node); /* what the first call keeps, it has now */
	collide(&node);
	footprint_read_maps(&before);
	footprint_read_maps(&before);
	for (int round = 0; round < 3; round++) {
		pid = node_move_returns_twice(&node, 0);
		footprint_read_maps(&now);
		footprint_expect_maps(&now, &before);
		for (unsigned i = 0; i < part_count; i++)
			CHECK(test_digest(parts[i].memory, parts[i].bytes) == parts[i].digest);
		if (!pid)
			_exit(0);
		test_expect_exit(pid, 0);
	}
	node_stop(&node);
	return test_end();
}
