/* SPDX-License-Identifier: MIT */
/*
 * Claim: /proc/self/cmdline, environ and comm of the child are the caller's, which needs the mm
 * ranges to be set, and getenv() goes on.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/node.h"

static char command_line[2][65536], environment[2][65536], auxv[2][4096], comm[2][17];
static size_t command_line_bytes, environment_bytes, auxv_bytes;

static size_t load(const char *path, char *to, size_t bytes)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	size_t have = test_read(fd, to, bytes);

	close(fd);
	return have;
}

static void build(void)
{
	CHECK_CALL(prctl(PR_SET_NAME, "a new name", 0, 0, 0));
	command_line_bytes = load("/proc/self/cmdline", command_line[0], sizeof(command_line[0]));
	environment_bytes = load("/proc/self/environ", environment[0], sizeof(environment[0]));
	auxv_bytes = load("/proc/self/auxv", auxv[0], sizeof(auxv[0]));
	load("/proc/self/comm", comm[0], 16);
	CHECK(command_line_bytes > 0);
	CHECK(environment_bytes > 0);
	CHECK_CALL(setenv("RFORK_TEST_NEW", "value", 1));
}

static void verify(void)
{
	CHECK_EQUAL(load("/proc/self/cmdline", command_line[1], sizeof(command_line[1])),
		    command_line_bytes);
	CHECK(!memcmp(command_line[0], command_line[1], command_line_bytes));
	CHECK_EQUAL(load("/proc/self/environ", environment[1], sizeof(environment[1])),
		    environment_bytes);
	CHECK(!memcmp(environment[0], environment[1], environment_bytes));
	CHECK_EQUAL(load("/proc/self/auxv", auxv[1], sizeof(auxv[1])), auxv_bytes);
	CHECK(!memcmp(auxv[0], auxv[1], auxv_bytes));
	load("/proc/self/comm", comm[1], 16);
	CHECK_TEXT(comm[1], comm[0]);
	CHECK_TEXT(getenv("RFORK_TEST_NEW"), "value");
	CHECK_EQUAL(getauxval(AT_PAGESZ), TEST_PAGE_BYTES);
}

int main(void)
{
	return node_three_beats(build, verify);
}
