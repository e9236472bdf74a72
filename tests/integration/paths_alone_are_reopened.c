/* SPDX-License-Identifier: MIT */
/*
 * Claim: a descriptor of O_PATH goes along whatever it names, for it opens nothing: a symbolic
 * link, which is not followed, a FIFO that nobody writes to, a socket, a device.  In the child it
 * names the same object.  One whose name is gone is refused.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define FIRST 20

enum { LINK, FIFO, SOCKET, DEVICE, KINDS };

static struct node node;
static char paths[KINDS][96];
static struct stat expected[KINDS];

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CHECK_CALL(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
}

static void make_objects(void)
{
	for (int i = 0; i < DEVICE; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/object-%d", node.directory, i);
	snprintf(paths[DEVICE], sizeof(paths[DEVICE]), "/dev/tty");
	CHECK_CALL(symlink("/nowhere/at/all", paths[LINK]));
	CHECK_CALL(mkfifo(paths[FIFO], 0600));
	make_socket(paths[SOCKET]);
}

static void open_paths(void)
{
	for (int i = 0; i < KINDS; i++) {
		int fd = CHECK_CALL(open(paths[i], O_PATH | O_NOFOLLOW | O_CLOEXEC));

		CHECK_CALL(dup2(fd, FIRST + i));
		close(fd);
		CHECK_CALL(fstat(FIRST + i, &expected[i]));
	}
	CHECK(S_ISLNK(expected[LINK].st_mode) && S_ISFIFO(expected[FIFO].st_mode) &&
	      S_ISSOCK(expected[SOCKET].st_mode) && S_ISCHR(expected[DEVICE].st_mode));
}

static void verify(void)
{
	char target[32] = "";

	for (int i = 0; i < KINDS; i++) {
		struct stat status;

		CHECK(CHECK_CALL(fcntl(FIRST + i, F_GETFL)) & O_PATH);
		CHECK_CALL(fstat(FIRST + i, &status));
		CHECK_EQUAL(status.st_dev, expected[i].st_dev);
		CHECK_EQUAL(status.st_ino, expected[i].st_ino);
	}
	CHECK_EQUAL(readlinkat(FIRST + LINK, "", target, sizeof(target)), 15);
	CHECK_TEXT(target, "/nowhere/at/all");
}

int main(void)
{
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	make_objects();
	open_paths();
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		verify();
		_exit(0);
	}
	test_expect_exit(pid, 0);

	CHECK_CALL(unlink(paths[LINK]));
	CHECK_CALL(symlink("/nowhere/else", paths[LINK]));
	footprint_expect_refusal(node.host, NULL, ENOTSUP, "descriptor 20 (");
	for (int i = 0; i < KINDS; i++)
		close(FIRST + i);
	for (int i = 0; i < DEVICE; i++)
		CHECK_CALL(unlink(paths[i]));
	node_stop(&node);
	return test_end();
}
