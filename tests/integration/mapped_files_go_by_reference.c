/* SPDX-License-Identifier: MIT */
/*
 * Claim: a mapped file is named in the child's list of mappings and its clean pages are the file's;
 * written private pages are carried, those that were overwritten with zeros and those that may not
 * be read too; RFORK_SELF_CONTAINED carries all and names none; a deleted file's bytes are carried
 * too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define FILE_BYTES (40 * TEST_PAGE_BYTES + 123)
/* Offsets of pages that the process has overwritten with zeros. */
#define ZEROED (8 * TEST_PAGE_BYTES)
#define HIDDEN (12 * TEST_PAGE_BYTES)

static struct node node;
static struct footprint maps;
static char path[96];
static unsigned char *clean, *dirty;

static bool is_named(const void *address)
{
	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++)
		if (maps.maps[i].start <= (uint64_t)address && (uint64_t)address < maps.maps[i].end)
			return !strcmp(maps.maps[i].name, path);
	test_fail(__FILE__, __LINE__, "%p is not mapped", address);
}

static void make_file(void)
{
	static unsigned char content[FILE_BYTES];
	int fd;

	test_fill(content, sizeof(content), 3);
	snprintf(path, sizeof(path), "%s/mapped", node.directory);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	test_write(fd, content, sizeof(content));
	clean = mmap(NULL, FILE_BYTES - 4 * TEST_PAGE_BYTES, PROT_READ, MAP_PRIVATE, fd,
		     4 * TEST_PAGE_BYTES);
	dirty = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(clean != MAP_FAILED && dirty != MAP_FAILED);
	close(fd);
	dirty[5 * TEST_PAGE_BYTES + 1] = 0xee;
	dirty[FILE_BYTES - 1] = 0xdd;
	memset(dirty + ZEROED, 0, TEST_PAGE_BYTES);
	memset(dirty + HIDDEN, 0, TEST_PAGE_BYTES);
	CHECK_CALL(mprotect(dirty + HIDDEN, TEST_PAGE_BYTES, PROT_NONE));
}

static void check_content(void)
{
	static unsigned char expected[FILE_BYTES];

	test_fill(expected, sizeof(expected), 3);
	CHECK(!memcmp(clean, expected + 4 * TEST_PAGE_BYTES, FILE_BYTES - 4 * TEST_PAGE_BYTES));
	expected[5 * TEST_PAGE_BYTES + 1] = 0xee;
	expected[FILE_BYTES - 1] = 0xdd;
	memset(expected + ZEROED, 0, TEST_PAGE_BYTES);
	memset(expected + HIDDEN, 0, TEST_PAGE_BYTES);
	CHECK_CALL(mprotect(dirty + HIDDEN, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE));
	CHECK(!memcmp(dirty, expected, FILE_BYTES));
}

static void move(uint64_t flags, bool named)
{
	pid_t pid = node_move_returns_twice(&node, flags);

	if (!pid) {
		CHECK_EQUAL(is_named(clean), named);
		CHECK_EQUAL(is_named(dirty), named);
		check_content();
		if (flags & RFORK_SELF_CONTAINED) {
			footprint_read_maps(&maps);
			for (unsigned i = 0; i < maps.map_count; i++)
				CHECK(maps.maps[i].name[0] != '/');
		}
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	make_file();
	move(0, true);
	move(RFORK_SELF_CONTAINED, false);
	CHECK_CALL(unlink(path));
	move(0, false);
	node_stop(&node);
	return test_end();
}
