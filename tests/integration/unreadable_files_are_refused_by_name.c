/* SPDX-License-Identifier: MIT */
/*
 * Claim: a file, or a directory on the way to it, that the node's user may not open is refused, with the
 * descriptor, the path and the reason in the sentence; for the working directory too.  O_NOATIME, which is
 * for owners, is dropped where the node's user may open the file but is not its owner.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define USER "nobody"
#define NUMBER 17

static struct node node;
static bool has_user;

static void start(void)
{
	const char *arguments[] = { "--user", USER, NULL };

	has_user = geteuid() == 0;
	if (has_user && !getpwnam(USER))
		test_skip("there is no user " USER);
	CHECK_CALL(chdir("/"));
	node_start(&node, has_user ? arguments : NULL);
	CHECK_CALL(chmod(node.directory, 0755));
}

static void expect_denied(const char *path, const char *why)
{
	footprint_expect_refusal(node.host, NULL, ENOTSUP, path);
	if (!strstr(rfork_error(), why))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say why", rfork_error());
}

static void expect_without_noatime(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_NOATIME));
	pid_t pid;

	CHECK_CALL(fchmod(fd, 0444));
	CHECK_CALL(dup2(fd, NUMBER));
	close(fd);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		char text[8];

		CHECK_EQUAL(read(NUMBER, text, sizeof(text)), 5);
		CHECK_EQUAL(!(fcntl(NUMBER, F_GETFL) & O_NOATIME), has_user);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	close(NUMBER);
}

int main(void)
{
	char folder[96], path[128], inner[128];
	int fd;

	test_begin();
	start();
	snprintf(path, sizeof(path), "%s/file", node.directory);
	snprintf(folder, sizeof(folder), "%s/folder", node.directory);
	snprintf(inner, sizeof(inner), "%s/inner", folder);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
	test_write(fd, "bytes", 5);
	CHECK_CALL(dup2(fd, NUMBER));
	close(fd);
	CHECK_CALL(fchmod(NUMBER, 0000));
	expect_denied(path, "Permission denied");
	CHECK(strstr(rfork_error(), "descriptor 17 ("));

	CHECK_CALL(mkdir(folder, 0700));
	fd = CHECK_CALL(open(inner, O_RDONLY | O_CREAT | O_EXCL, 0644));
	CHECK_CALL(dup2(fd, NUMBER));
	close(fd);
	CHECK_CALL(chmod(folder, 0000));
	/* the caller may not look there any more either, unless it is root */
	expect_denied(folder, has_user ? "Permission denied" : "may not be searched");
	CHECK_CALL(chmod(folder, 0700));
	CHECK_CALL(unlink(inner));
	close(NUMBER);

	CHECK_CALL(chdir(folder));
	CHECK_CALL(chmod(folder, 0000));
	expect_denied(folder, "Permission denied");
	CHECK_CALL(chdir("/"));
	CHECK_CALL(rmdir(folder));

	CHECK_CALL(chmod(path, 0600));
	expect_without_noatime(path);
	CHECK_CALL(unlink(path));
	node_stop(&node);
	return test_end();
}
