/* SPDX-License-Identifier: MIT */
/*
 * Claim: a descriptor that cannot travel is ENOTSUP with its number and kind in the sentence;
 * under RFORK_CLOSE_OTHERS it is closed in the child and stays open in the caller.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define NUMBER 17

static struct node node;

static void check(int fd, const char *names)
{
	pid_t pid;

	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, NUMBER));
	close_range(3, NUMBER - 1, 0);
	footprint_expect_refusal(node.host, NULL, ENOTSUP, "17");
	CHECK(strstr(rfork_error(), names));
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		CHECK_EQUAL(fcntl(NUMBER, F_GETFD), -1);
		CHECK_EQUAL(errno, EBADF);
		_exit(0);
	}
	CHECK_CALL(fcntl(NUMBER, F_GETFD));
	test_expect_exit(pid, 0);
	close(NUMBER);
}

int main(void)
{
	char path[96];
	int fd;

	test_begin();
	node_start(&node, NULL);
	check(socket(AF_INET, SOCK_STREAM, 0), "a socket"); /* not yet connected */
	check(socket(AF_UNIX, SOCK_SEQPACKET, 0), "a socket");
	check(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE), "a netlink socket");
	check(posix_openpt(O_RDWR | O_NOCTTY), "ptmx");
	snprintf(path, sizeof(path), "%s/deleted", node.directory);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT, 0600));
	CHECK_CALL(unlink(path));
	check(fd, path);
	node_stop(&node);
	return test_end();
}
