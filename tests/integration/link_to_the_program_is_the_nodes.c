/* SPDX-License-Identifier: MIT */
/*
 * Claim: /proc/self/exe of a child, and of a process that has moved, names the node's rfork-shell
 * (or rfork-shell-rdma), as rfork(7) says; the program that it runs is mapped nevertheless.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/mover.h"

static void expect_shell(void)
{
	char path[PATH_MAX] = "";
	const char *name;

	CHECK(CHECK_CALL(readlink("/proc/self/exe", path, sizeof(path) - 1)) > 0);
	name = strrchr(path, '/');
	CHECK(name);
	if (strcmp(name + 1, "rfork-shell-rdma"))
		CHECK_TEXT(name + 1, "rfork-shell");
	CHECK_TEXT(program_invocation_short_name, "link_to_the_program_is_the_nodes");
}

static int move(const struct node *node)
{
	mover_go(node);
	expect_shell();
	return 0;
}

int main(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		expect_shell();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	mover_run(&node, move);
	node_stop(&node);
	return test_end();
}
