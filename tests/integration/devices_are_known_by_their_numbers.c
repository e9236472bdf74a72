/* SPDX-License-Identifier: MIT */
/*
 * Claim: /dev/null and its like are known by their device numbers: one that was opened by another
 * name, which is gone by now, is the node's own in the child.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/support/node.h"

static struct node node;

/* Opens a device by a name of its own, and removes that. */
static int open_unnamed(unsigned minor_number)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/device", node.directory);
	if (mknod(path, S_IFCHR | 0600, makedev(1, minor_number)) < 0) {
		int error = errno;

		node_stop(&node);
		test_skip("devices cannot be made: %s", strerror(error));
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK_CALL(unlink(path));
	if (fd < 0) {
		node_stop(&node);
		test_skip("devices cannot be opened in %s", node.directory);
	}
	return fd;
}

int main(void)
{
	char bytes[16] = "some bytes here";
	int null, zero;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	null = open_unnamed(3);
	zero = open_unnamed(5);
	pid = node_move_returns_twice(&node, 0);
	if (pid == 0) {
		CHECK_EQUAL(read(null, bytes, sizeof(bytes)), 0);
		CHECK_EQUAL(write(null, bytes, sizeof(bytes)), sizeof(bytes));
		CHECK_EQUAL(read(zero, bytes, sizeof(bytes)), sizeof(bytes));
		for (unsigned i = 0; i < sizeof(bytes); i++)
			CHECK_EQUAL(bytes[i], 0);
		_exit(12);
	}
	test_expect_exit(pid, 12);
	close(null);
	close(zero);
	node_stop(&node);
	return test_end();
}
