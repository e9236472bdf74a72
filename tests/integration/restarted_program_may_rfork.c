/* SPDX-License-Identifier: MIT */
/*
 * Claim: a program that was restarted from an executable forks to a node and moves there like any
 * other, with memory that was never read from its file; and its child on the node can write an
 * executable.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/restart.h"

#define MEMORY_BYTES ((size_t)5 << 20)

static unsigned char *memory;
static uint64_t digest;

static int judge(void)
{
	return test_digest(memory, MEMORY_BYTES) == digest && malloc(MEMORY_BYTES) ? RESTART_RIGHT
										   : 1;
}

static int await(pid_t pid)
{
	int status;

	if (pid < 0) {
		dprintf(2, "rfork: %s\n", rfork_error());
		return 2;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 3;
	return WEXITSTATUS(status);
}

static int fork_to(const char *host)
{
	pid_t pid = rfork(host);

	if (pid == 0)
		_exit(judge());
	return await(pid);
}

static int move_to(const char *host)
{
	if (rfork_move(host) == 0)
		return judge();
	dprintf(2, "rfork_move: %s\n", rfork_error());
	return 4;
}

/* The executable goes on in the child's call. */
static int undump_on(const char *host, const char *path)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	pid_t pid = rfork_with(host, &options);
	int result;

	if (pid != 0)
		return await(pid);
	result = rfork_undump(path);
	if (result < 0)
		dprintf(2, "rfork_undump: %s\n", rfork_error());
	_exit(result == 1 ? RESTART_RIGHT : result == 0 ? judge() : 5);
}

static int body(void)
{
	char **argv;
	int argc;

	memory = malloc(MEMORY_BYTES);
	CHECK(memory);
	test_fill(memory, MEMORY_BYTES, 11);
	digest = test_digest(memory, MEMORY_BYTES);
	restart_point();
	if (rfork_restart_args(&argc, &argv, NULL) < 0 || argc < 3)
		return 6;
	if (strcmp(argv[1], "fork") == 0)
		return fork_to(argv[2]);
	if (strcmp(argv[1], "move") == 0)
		return move_to(argv[2]);
	return undump_on(argv[2], argv[1]);
}

int main(void)
{
	static const char *const names[] = { "app", "app-of-the-node" };
	char path[256], other[256];
	struct node node;

	test_begin();
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s", checkpoint_path(names[0]));
	snprintf(other, sizeof(other), "%s", checkpoint_path(names[1]));
	restart_write(path, body);
	test_expect_exit(restart_start(path, "fork", node.host, NULL), RESTART_RIGHT);
	test_expect_exit(restart_start(path, "move", node.host, NULL), RESTART_RIGHT);
	test_expect_exit(restart_start(path, other, node.host, NULL), RESTART_RIGHT);
	restart_expect(other);
	checkpoint_clean(names, 2);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
