/* SPDX-License-Identifier: MIT */
/*
 * Claim: mappings of a memfd are so of the child's memfd: what is written through one is seen
 * through the others, through the descriptor, and by the child's own fork children; private ones
 * keep their own pages and show the file elsewhere.  One that is sealed is mapped and sealed again;
 * one that has no descriptor any more is memory that they share.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define PAGES 40
#define BYTES (PAGES * TEST_PAGE_BYTES)
#define MEMORY 20
#define SEALED 21

static struct node node;
static unsigned char content[BYTES];
static unsigned char *shared, *again, *private, *sealed;
static unsigned char *orphan, *twin; /* of one that no descriptor leads to any more */

static unsigned char *map(int protection, int flags, int fd, off_t offset)
{
	void *memory = mmap(NULL, BYTES - (size_t)offset, protection, flags, fd, offset);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void place(int fd, int number)
{
	CHECK_CALL(dup2(CHECK_CALL(fd), number));
	close(fd);
}

static void build(void)
{
	test_fill(content, sizeof(content), 3);
	place(memfd_create("shared", 0), MEMORY);
	test_write(MEMORY, content, sizeof(content));
	shared = map(PROT_READ | PROT_WRITE, MAP_SHARED, MEMORY, 0);
	again = map(PROT_READ, MAP_SHARED, MEMORY, 4 * TEST_PAGE_BYTES);
	private = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, MEMORY, 0);
	memset(private + 2 * TEST_PAGE_BYTES, 0, TEST_PAGE_BYTES);
	private[7 * TEST_PAGE_BYTES] = 'p';

	place(memfd_create("orphan", 0), SEALED);
	test_write(SEALED, content, sizeof(content));
	orphan = map(PROT_READ | PROT_WRITE, MAP_SHARED, SEALED, 0);
	twin = map(PROT_READ, MAP_SHARED, SEALED, 4 * TEST_PAGE_BYTES);

	place(memfd_create("sealed", MFD_ALLOW_SEALING), SEALED);
	test_write(SEALED, content, sizeof(content));
	CHECK_CALL(fcntl(SEALED, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	if (fcntl(SEALED, F_ADD_SEALS, F_SEAL_WRITE) == 0)
		sealed = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, SEALED, 0);
	if (sealed == MAP_FAILED) /* before Linux 6.7 */
		sealed = NULL;
}

static void verify_shared(void)
{
	unsigned char byte;
	pid_t pid;

	CHECK(!memcmp(shared, content, BYTES));
	CHECK(!memcmp(again, content + 4 * TEST_PAGE_BYTES, BYTES - 4 * TEST_PAGE_BYTES));
	shared[5 * TEST_PAGE_BYTES] ^= 0xff;
	CHECK_EQUAL(again[TEST_PAGE_BYTES], shared[5 * TEST_PAGE_BYTES]);
	CHECK_EQUAL(pread(MEMORY, &byte, 1, 5 * TEST_PAGE_BYTES), 1);
	CHECK_EQUAL(byte, shared[5 * TEST_PAGE_BYTES]);
	byte ^= 0x0f;
	CHECK_EQUAL(pwrite(MEMORY, &byte, 1, 6 * TEST_PAGE_BYTES), 1);
	CHECK_EQUAL(shared[6 * TEST_PAGE_BYTES], byte);
	pid = CHECK_CALL(fork());
	if (!pid) {
		shared[9] ^= 0xff;
		_exit(0);
	}
	CHECK_EQUAL(waitpid(pid, NULL, 0), pid);
	CHECK_EQUAL(shared[9], content[9] ^ 0xff);
	CHECK_CALL(ftruncate(MEMORY, BYTES + 10));
}

static void verify_private(void)
{
	for (size_t i = 0; i < TEST_PAGE_BYTES; i++)
		CHECK_EQUAL(private[2 * TEST_PAGE_BYTES + i], 0);
	CHECK_EQUAL(private[7 * TEST_PAGE_BYTES], 'p');
	CHECK_EQUAL(private[7 * TEST_PAGE_BYTES + 1], content[7 * TEST_PAGE_BYTES + 1]);
	CHECK(!memcmp(private + 10 * TEST_PAGE_BYTES, content + 10 * TEST_PAGE_BYTES,
		      TEST_PAGE_BYTES));
	private[11 * TEST_PAGE_BYTES] ^= 0xff;
	CHECK_EQUAL(shared[11 * TEST_PAGE_BYTES], content[11 * TEST_PAGE_BYTES]);
}

static void verify_sealed(void)
{
	CHECK(fcntl(SEALED, F_GET_SEALS) & F_SEAL_GROW);
	if (!sealed)
		return;
	CHECK(fcntl(SEALED, F_GET_SEALS) & F_SEAL_WRITE);
	CHECK(!memcmp(sealed, content, BYTES));
	CHECK_EQUAL(mprotect(sealed, BYTES, PROT_READ | PROT_WRITE), -1);
}

static void verify_orphan(void)
{
	pid_t pid;

	CHECK(!memcmp(orphan, content, BYTES));
	CHECK(!memcmp(twin, content + 4 * TEST_PAGE_BYTES, BYTES - 4 * TEST_PAGE_BYTES));
	pid = CHECK_CALL(fork());
	if (!pid) {
		orphan[5 * TEST_PAGE_BYTES] ^= 0xff;
		_exit(0);
	}
	CHECK_EQUAL(waitpid(pid, NULL, 0), pid);
	CHECK_EQUAL(orphan[5 * TEST_PAGE_BYTES], content[5 * TEST_PAGE_BYTES] ^ 0xff);
	CHECK_EQUAL(twin[TEST_PAGE_BYTES], content[5 * TEST_PAGE_BYTES] ^ 0xff);
}

static void verify(enum way way)
{
	(void)way;
	verify_orphan();
	verify_private();
	verify_shared();
	verify_sealed();
}

int main(void)
{
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	ways_check(&node, build, verify);
	build();
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		memset(shared, 0, BYTES);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK(!memcmp(shared, content, BYTES));
	node_stop(&node);
	return test_end();
}
