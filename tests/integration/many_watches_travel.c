/* SPDX-License-Identifier: MIT */
/*
 * Claim: an inotify that watches 14,000 files arrives with all of them under their numbers.  One whose
 * watches are with their paths more than an image can have is refused by its number, and goes
 * without them under RFORK_CLOSE_OTHERS.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define MANY 14000
#define LONG 6000
#define LONG_NAME_BYTES 200

static char folder[] = "/tmp/rfork-test-XXXXXX";

static void name(char path[256], int number, int bytes)
{
	snprintf(path, 256, "%0*d", bytes, number);
}

static void make_file(const char *path)
{
	CHECK_CALL(close(CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600))));
}

/* Files in the working directory, each watched. */
static int watch_files(int count, int name_bytes)
{
	int notify = CHECK_CALL(inotify_init1(IN_NONBLOCK));
	char path[256];

	for (int i = 0; i < count; i++) {
		name(path, i, name_bytes);
		make_file(path);
		if (inotify_add_watch(notify, path, IN_ATTRIB) < 0)
			test_skip("%d watches are not allowed: %s", count, strerror(errno));
	}
	return notify;
}

static void remove_files(int count, int name_bytes)
{
	char path[256];

	for (int i = 0; i < count; i++) {
		name(path, i, name_bytes);
		CHECK_CALL(unlink(path));
	}
}

/* What happens to the file is told under its number. */
static void expect_watched(int notify, int number)
{
	struct inotify_event event;
	char path[256];

	name(path, number, 1);
	CHECK_CALL(chmod(path, 0640));
	CHECK_EQUAL(read(notify, &event, sizeof(event)), sizeof(event));
	CHECK_EQUAL(event.wd, number + 1);
	CHECK_EQUAL(event.mask, IN_ATTRIB);
}

static void check_many(const struct node *node)
{
	int notify = watch_files(MANY, 1);
	pid_t pid = node_move_returns_twice(node, 0);

	if (!pid) {
		for (int i = 0; i < MANY; i += i < MANY - 1000 ? 997 : 1)
			expect_watched(notify, i);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_CALL(close(notify));
	remove_files(MANY, 1);
}

static void check_too_many(const struct node *node)
{
	int notify = watch_files(LONG, LONG_NAME_BYTES);
	char line[128];
	pid_t pid;

	snprintf(line, sizeof(line), "descriptor %d (anon_inode:inotify): its watches, %d or more",
		 notify, LONG);
	footprint_expect_refusal(node->host, NULL, ENOTSUP, line);
	pid = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		CHECK_CALL(inotify_add_watch(notify, ".", IN_CREATE));
		CHECK_EQUAL(inotify_rm_watch(notify, 2), -1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_CALL(close(notify));
	remove_files(LONG, LONG_NAME_BYTES);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	CHECK(mkdtemp(folder));
	CHECK_CALL(chdir(folder));
	check_many(&node);
	check_too_many(&node);
	CHECK_CALL(chdir("/"));
	CHECK_CALL(rmdir(folder));
	node_stop(&node);
	return test_end();
}
