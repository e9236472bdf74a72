/* SPDX-License-Identifier: MIT */
/*
 * Claim: what another machine has under a descriptor's path and is not provably the same is refused with the
 * number and the path: a file of other bytes, of another size, or that is not there; one that can be
 * written to; a descriptor of O_PATH; a file of /proc, whose size says nothing; a directory that has
 * been read in part.  RFORK_CLOSE_OTHERS closes it in the child.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"

#define NUMBER 17
#define DUPLICATE 30

static struct node node;

static void check(int fd, const char *path, const char *why)
{
	pid_t pid;

	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, NUMBER));
	CHECK_CALL(dup2(fd, DUPLICATE));
	close(fd);
	footprint_expect_refusal(node.host, &foreign_node_options, ENOTSUP, "descriptor 17 (");
	CHECK(strstr(rfork_error(), path));
	if (!strstr(rfork_error(), why))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say: %s", rfork_error(), why);
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		foreign_node_expect_here();
		CHECK_EQUAL(fcntl(NUMBER, F_GETFD), -1);
		CHECK_EQUAL(fcntl(DUPLICATE, F_GETFD), -1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	close(NUMBER);
	close(DUPLICATE);
}

/* A file that the server's view of the world must not have been told of before it started. */
static void make_file(char path[96], const char *directory, const char *name)
{
	int fd;

	snprintf(path, 96, "%s/%s", directory, name);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	test_write(fd, "some bytes of a file\n", 21);
	close(fd);
}

static int open_in_part(const char *path)
{
	char room[32] __attribute__((aligned(8))); /* for one entry */
	int fd = CHECK_CALL(open(path, O_RDONLY | O_DIRECTORY));

	CHECK(syscall(SYS_getdents64, fd, room, sizeof(room)) > 0);
	return fd;
}

int main(void)
{
	char changed[96], hidden[96], equal[96];
	char directory[] = "/tmp/rfork-test-XXXXXX", nested[64];

	test_begin();
	CHECK(mkdtemp(directory));
	snprintf(nested, sizeof(nested), "%s/nested", directory);
	CHECK_CALL(mkdir(nested, 0700));
	make_file(changed, directory, "changed");
	make_file(hidden, nested, "hidden");
	foreign_node_start(
		&node, (struct foreign_change){ .path = changed, .offset = 5, .hidden = nested });
	make_file(equal, node.directory, "equal");
	node_expect_service(&node); /* what the first call keeps, it has now */

	check(open(changed, O_RDONLY), changed, "another file has that path");
	check(open(hidden, O_RDONLY), hidden, "no such file");
	check(open(changed, O_WRONLY), changed, "not provably the same");
	check(open(changed, O_RDWR | O_APPEND), changed, "not provably the same");
	check(open(equal, O_PATH), equal, "not provably the same");
	check(open_in_part(nested), nested, "read in part, and what has that path is not provably");
	CHECK_CALL(truncate(changed, 20)); /* the node's own copy keeps its size */
	check(open(changed, O_RDONLY), changed, "another file has that path");

	CHECK_CALL(unlink(changed));
	CHECK_CALL(unlink(hidden));
	CHECK_CALL(unlink(equal));
	CHECK_CALL(rmdir(nested));
	CHECK_CALL(rmdir(directory));
	node_stop(&node);
	return test_end();
}
