/* SPDX-License-Identifier: MIT */
/*
 * Claim: the child has the caller's umask and working directory.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/node.h"

static char was[PATH_MAX];

static void build(void)
{
	umask(0137);
	CHECK_CALL(chdir("/usr/lib"));
	CHECK(getcwd(was, sizeof(was)));
}

static void verify(void)
{
	char now[PATH_MAX];

	CHECK(getcwd(now, sizeof(now)));
	CHECK_TEXT(now, was);
	CHECK_EQUAL(umask(0), 0137);
}

int main(void)
{
	return node_three_beats(build, verify);
}
