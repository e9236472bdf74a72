/* SPDX-License-Identifier: MIT */
/*
 * Claim: on a node of another boot, whose files are provably equal by their digests alone, the
 * child's libraries and other mapped files are taken by reference: its list of mappings with a
 * name is the caller's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"

#define FILE_PAGES 20

static struct footprint before, now;

static unsigned count_named(const struct footprint *footprint, const char *name)
{
	unsigned count = 0;

	for (unsigned i = 0; i < footprint->map_count; i++)
		count += strstr(footprint->maps[i].name, name) != NULL;
	return count;
}

/* The library's cache of digests, which stays with the caller, has no name. */
static void read_named_maps(struct footprint *footprint)
{
	unsigned count = 0;

	footprint_read_maps(footprint);
	for (unsigned i = 0; i < footprint->map_count; i++)
		if (footprint->maps[i].name[0])
			footprint->maps[count++] = footprint->maps[i];
	footprint->map_count = count;
}

/* A file whose end is within a page, mapped from its second page on. */
static unsigned char *map_file(const struct node *node)
{
	static unsigned char content[FILE_PAGES * TEST_PAGE_BYTES - 1000];
	unsigned char *memory;
	char path[96];
	int fd;

	test_fill(content, sizeof(content), 5);
	snprintf(path, sizeof(path), "%s/data-file", node->directory);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	test_write(fd, content, sizeof(content));
	memory = mmap(NULL, sizeof(content) - TEST_PAGE_BYTES, PROT_READ, MAP_SHARED, fd,
		      TEST_PAGE_BYTES);
	CHECK(memory != MAP_FAILED);
	close(fd);
	return memory;
}

int main(void)
{
	const size_t bytes = (FILE_PAGES - 1) * TEST_PAGE_BYTES;
	struct node node;
	unsigned char *memory;
	uint64_t digest;
	char path[96];
	pid_t pid;

	test_begin();
	foreign_node_start(&node, (struct foreign_change){ 0 });
	memory = map_file(&node);
	digest = test_digest(memory, bytes);
	node_expect_service(&node); /* what the first call keeps, it has now */
	read_named_maps(&before);
	pid = node_move_returns_twice(&node, 0);
	read_named_maps(&now);
	footprint_expect_maps(&now, &before);
	if (!pid) {
		foreign_node_expect_here();
		CHECK(count_named(&now, "/libc.so.6") > 3);
		CHECK_EQUAL(count_named(&now, "/data-file"), 1);
		CHECK(test_digest(memory, bytes) == digest);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	snprintf(path, sizeof(path), "%s/data-file", node.directory);
	CHECK_CALL(unlink(path));
	node_stop(&node);
	return test_end();
}
