/* SPDX-License-Identifier: MIT */
/*
 * Claim: a restarted program has its directories by their paths, also where another has taken one's
 * place: names are looked up in that.  Reading goes on in the same one; in another there is nothing
 * to go on with, and one that had been read in part is refused by name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/entries.h"
#include "tests/support/restart.h"

#define FILES 100
#define UNREAD 20
#define PART 21

static char unread[64], part[64]; /* directories, outside of what the tests' own has */
static unsigned seen[FILES];

static void make_file(const char *directory, int number)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%d", directory, number);
	close(CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
}

static void remove_files(const char *directory, int count)
{
	char path[96];

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%d", directory, i);
		CHECK_CALL(unlink(path));
	}
}

static void open_at(int number, const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_DIRECTORY));

	CHECK_CALL(dup2(fd, number));
	close(fd);
}

static int body(void)
{
	open_at(UNREAD, unread);
	open_at(PART, part);
	CHECK(test_read_entries(PART, seen, FILES));
	restart_point();
	while (test_read_entries(PART, seen, FILES))
		;
	for (int i = 0; i < FILES; i++)
		if (seen[i] != 1)
			return 1;
	return faccessat(UNREAD, "0", F_OK, 0) == 0 ? RESTART_RIGHT : 2;
}

/* What stands at the path is another object then. */
static void replace(const char *directory)
{
	char old[80];

	snprintf(old, sizeof(old), "%s.old", directory);
	CHECK_CALL(rename(directory, old));
	CHECK_CALL(mkdir(directory, 0700));
}

int main(void)
{
	static const char *const names[] = { "app" };
	char path[256], old[80];
	char root[] = "/tmp/rfork-test-XXXXXX";

	test_begin();
	CHECK(mkdtemp(root));
	snprintf(unread, sizeof(unread), "%s/unread", root);
	snprintf(part, sizeof(part), "%s/part", root);
	CHECK_CALL(mkdir(unread, 0700));
	CHECK_CALL(mkdir(part, 0700));
	make_file(unread, 0);
	for (int i = 0; i < FILES; i++)
		make_file(part, i);
	snprintf(path, sizeof(path), "%s", checkpoint_path("app"));
	restart_write(path, body);
	restart_expect(path);

	replace(unread);
	make_file(unread, 0);
	restart_expect(path);
	replace(part);
	restart_expect_refusal(path,
			       "part): what has that path is not provably the same directory");

	remove_files(unread, 1);
	CHECK_CALL(rmdir(unread));
	CHECK_CALL(rmdir(part));
	snprintf(old, sizeof(old), "%s.old", unread);
	remove_files(old, 1);
	CHECK_CALL(rmdir(old));
	snprintf(old, sizeof(old), "%s.old", part);
	remove_files(old, FILES);
	CHECK_CALL(rmdir(old));
	CHECK_CALL(rmdir(root));
	checkpoint_clean(names, 1);
	return test_end();
}
