/* SPDX-License-Identifier: MIT */
/*
 * Claim: memory under protection keys, pkeys(7), is under the same keys wherever the process goes, and
 * its thread may do with it what it might before; also where that is nothing, as with memory that
 * can only be executed.  A process that could not move has lost none of that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rfork.h>

#include "tests/support/ways.h"

static int denied_key, read_only_key, next_key;
static char *denied, *read_only, *executable;

static char *map(const char *text)
{
	char *memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	strcpy(memory, text);
	return memory;
}

static void put_under(char *memory, int key, unsigned rights)
{
	CHECK_CALL(pkey_mprotect(memory, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, key));
	CHECK_CALL(pkey_set(key, rights));
}

/* The kernel takes the key that was given back for the memory that can only be executed. */
static void build(void)
{
	int first_key = CHECK_CALL(pkey_alloc(0, 0));

	denied_key = CHECK_CALL(pkey_alloc(0, 0));
	read_only_key = CHECK_CALL(pkey_alloc(0, 0));
	next_key = CHECK_CALL(pkey_alloc(0, 0));
	CHECK_CALL(pkey_free(next_key));
	CHECK_CALL(pkey_free(first_key));
	denied = map("denied");
	read_only = map("read only");
	executable = map("executable");
	CHECK_CALL(mprotect(executable, TEST_PAGE_BYTES, PROT_EXEC));
	put_under(denied, denied_key, PKEY_DISABLE_ACCESS);
	put_under(read_only, read_only_key, PKEY_DISABLE_WRITE);
}

/* As a system call says, for which the same holds as for instructions. */
static bool can_read(const char *memory)
{
	return syscall(SYS_access, memory, F_OK) != -1 || errno != EFAULT;
}

static bool can_write(char *memory)
{
	return syscall(SYS_getcwd, memory, TEST_PAGE_BYTES) != -1 || errno != EFAULT;
}

static void expect_rights(void)
{
	CHECK_EQUAL(pkey_get(denied_key), PKEY_DISABLE_ACCESS);
	CHECK_EQUAL(pkey_get(read_only_key), PKEY_DISABLE_WRITE);
	CHECK(!can_read(denied) && !can_write(denied));
	CHECK(can_read(read_only) && !can_write(read_only));
	CHECK(!can_read(executable) && !can_write(executable));
	CHECK_TEXT(read_only, "read only");
}

static void verify(enum way way)
{
	(void)way;
	expect_rights();
	CHECK_CALL(pkey_set(denied_key, 0));
	CHECK_TEXT(denied, "denied");
	CHECK_CALL(mprotect(executable, TEST_PAGE_BYTES, PROT_READ));
	CHECK_TEXT(executable, "executable");
	CHECK_EQUAL(pkey_alloc(0, 0), next_key);
}

/* What is in the way is met when the process has been made ready already. */
static void stay(const struct node *node)
{
	char directory[] = "/tmp/rfork-test-XXXXXX";

	build();
	CHECK(mkdtemp(directory) != NULL);
	CHECK_CALL(chdir(directory));
	CHECK_CALL(rmdir(directory));
	CHECK_EQUAL(rfork_move(node->host), -1);
	CHECK(strstr(rfork_error(), "directory"));
	CHECK_CALL(chdir("/"));
	expect_rights();
}

int main(void)
{
	struct node node;
	int key = pkey_alloc(0, 0);

	test_begin();
	if (key < 0)
		test_skip("no protection keys here: %s", strerror(errno));
	CHECK_CALL(pkey_free(key));
	node_start(&node, NULL);
	ways_check(&node, build, verify);
	stay(&node);
	node_stop(&node);
	return test_end();
}
