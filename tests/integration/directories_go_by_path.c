/* SPDX-License-Identifier: MIT */
/*
 * Claim: to another machine a directory goes by its path, as the working directory does, whatever the node
 * has there: names are looked up and made in the node's.  So goes a descriptor of O_PATH of one.  Reading
 * it begins with the node's first entry; one that has been read in part goes on where the caller was,
 * if inode, size and times are the same.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/entries.h"
#include "tests/support/foreign_node.h"

#define FILES 400
#define OTHER 20	 /* a directory that the node has otherwise */
#define OTHER_BY_PATH 21 /* the same, of O_PATH */
#define DUPLICATE 22	 /* of OTHER */
#define SAME 23		 /* one that the node has, too */

static struct node node;
static char root[] = "/tmp/rfork-test-XXXXXX", other[64], same[64];
static unsigned seen[FILES];

static void place(int fd, int number)
{
	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, number));
	close(fd);
}

static void make_directories(void)
{
	char path[96];

	CHECK(mkdtemp(root));
	snprintf(other, sizeof(other), "%s/other", root);
	snprintf(same, sizeof(same), "%s/same", root);
	CHECK_CALL(mkdir(other, 0700));
	CHECK_CALL(mkdir(same, 0700));
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "%s/%d", same, i);
		close(CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
	}
	snprintf(path, sizeof(path), "%s/home", other);
	close(CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
}

static void remove_directories(void)
{
	char path[96];

	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "%s/%d", same, i);
		CHECK_CALL(unlink(path));
	}
	snprintf(path, sizeof(path), "%s/home", other);
	CHECK_CALL(unlink(path));
	CHECK_CALL(rmdir(same));
	CHECK_CALL(rmdir(other)); /* nothing has been made in it at home */
	CHECK_CALL(rmdir(root));
}

static void verify_position(void)
{
	while (test_read_entries(SAME, seen, FILES))
		;
	for (int i = 0; i < FILES; i++)
		CHECK_EQUAL(seen[i], 1);
}

static void verify_names(void)
{
	char directory[64] = "";
	DIR *stream;

	CHECK_EQUAL(faccessat(OTHER, "home", F_OK, 0), -1);
	CHECK_EQUAL(errno, ENOENT);
	close(CHECK_CALL(openat(OTHER, "away", O_WRONLY | O_CREAT | O_EXCL, 0600)));
	CHECK_CALL(faccessat(OTHER_BY_PATH, "away", F_OK, 0));
	CHECK(CHECK_CALL(fcntl(OTHER_BY_PATH, F_GETFL)) & O_PATH);
	CHECK_CALL(fchdir(OTHER));
	CHECK(getcwd(directory, sizeof(directory)));
	CHECK_TEXT(directory, other);
	stream = fdopendir(OTHER);
	CHECK(stream);
	for (const struct dirent *entry; (entry = readdir(stream));)
		CHECK(entry->d_name[0] == '.' || strcmp(entry->d_name, "away") == 0);
	CHECK(lseek(DUPLICATE, 0, SEEK_CUR) > 0);
	CHECK_CALL(unlinkat(OTHER_BY_PATH, "away", 0));
}

int main(void)
{
	pid_t pid;

	test_begin();
	make_directories();
	foreign_node_start(&node, (struct foreign_change){ .hidden = other });
	place(open(other, O_RDONLY | O_DIRECTORY), OTHER);
	place(open(other, O_PATH | O_DIRECTORY), OTHER_BY_PATH);
	CHECK_CALL(dup2(OTHER, DUPLICATE));
	place(open(same, O_RDONLY | O_DIRECTORY), SAME);
	CHECK(test_read_entries(SAME, seen, FILES));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		foreign_node_expect_here();
		verify_position();
		verify_names();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	remove_directories();
	node_stop(&node);
	return test_end();
}
