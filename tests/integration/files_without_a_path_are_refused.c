/* SPDX-License-Identifier: MIT */
/*
 * Claim: a file that was renamed travels under its new name; one that was deleted, replaced by another
 * of its name, or never had a name is refused with its number and what it was called, and the other
 * file is not opened in its place.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define NUMBER 17

static struct node node;
static char path[128], other[96];

static int make_file(const char *name, const char *text)
{
	int fd = CHECK_CALL(open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	test_write(fd, text, strlen(text));
	return fd;
}

static void place(int fd)
{
	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, NUMBER));
	close(fd);
}

static void expect_refusal(int fd, const char *name)
{
	place(fd);
	footprint_expect_refusal(node.host, NULL, ENOTSUP, "descriptor 17 (");
	if (!strstr(rfork_error(), name) || !strstr(rfork_error(), "cannot travel"))
		test_fail(__FILE__, __LINE__, "\"%s\" does not name %s", rfork_error(), name);
	close(NUMBER);
}

static void expect_text(int fd, const char *text)
{
	pid_t pid;

	place(fd);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		char got[16] = "";

		CHECK_EQUAL(pread(NUMBER, got, sizeof(got), 0), strlen(text));
		CHECK_TEXT(got, text);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	close(NUMBER);
}

int main(void)
{
	int fd;

	test_begin();
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/a name", node.directory);
	snprintf(other, sizeof(other), "%s/another", node.directory);

	fd = make_file(path, "mine");
	CHECK_CALL(rename(path, other));
	expect_text(fd, "mine");

	fd = CHECK_CALL(open(other, O_RDONLY | O_CLOEXEC));
	close(make_file(path, "theirs"));
	CHECK_CALL(rename(path, other));
	expect_refusal(fd, other);

	fd = CHECK_CALL(open(other, O_RDONLY | O_CLOEXEC));
	CHECK_CALL(unlink(other));
	snprintf(path, sizeof(path), "%s (deleted)", other); /* as the kernel calls it now */
	close(make_file(path, "theirs"));
	expect_refusal(fd, other);
	CHECK_CALL(unlink(path));

	fd = open(node.directory, O_TMPFILE | O_RDWR, 0600);
	if (fd >= 0) /* not on every file system */
		expect_refusal(fd, node.directory);
	node_stop(&node);
	return test_end();
}
