/* SPDX-License-Identifier: MIT */
/*
 * Claim: a restarted program goes on with its files where it was, if they are the same; one that
 * is another or missing is refused by name, and nothing has run.  undump makes executables that
 * open what has the path, write at its end, or open another file in its place.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/restart.h"

#define READ_FD 20
#define WRITE_FD 21

static void put_file(const char *path, const char *text)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	test_write(fd, text, strlen(text));
	close(fd);
}

static void expect_text(const char *path, const char *expected)
{
	char text[256];
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));

	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	close(fd);
	CHECK_TEXT(text, expected);
}

static void open_at(int number, const char *path, int flags, off_t offset)
{
	int fd = CHECK_CALL(open(path, flags));

	CHECK_CALL(dup3(fd, number, flags & O_CLOEXEC));
	close(fd);
	CHECK_CALL(lseek(number, offset, SEEK_SET));
}

static int body(void)
{
	char text[8] = "";

	open_at(READ_FD, checkpoint_path("read"), O_RDONLY, 3);
	open_at(WRITE_FD, checkpoint_path("written"), O_WRONLY | O_CLOEXEC, 4);
	CHECK_CALL(flock(WRITE_FD, LOCK_EX));
	restart_point();
	if (read(READ_FD, text, 4) != 4 || strcmp(text, "3456") != 0)
		return 1;
	if (fcntl(READ_FD, F_GETFD) != 0 || fcntl(WRITE_FD, F_GETFD) != FD_CLOEXEC)
		return 2;
	return write(WRITE_FD, "new", 3) == 3 ? RESTART_RIGHT : 3;
}

static void put_files(void)
{
	put_file(checkpoint_path("read"), "0123456789");
	put_file(checkpoint_path("written"), "old text");
}

/* -- executables of undump --------------------------------------------------------------------- */

static void undump(const char *from, const char *to, const char *option)
{
	const char *program = test_build_path("tools/undump");
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		execl(program, program, from, "-o", to, option, NULL);
		_exit(99);
	}
	test_expect_exit(pid, 0);
	CHECK_CALL(unlink(checkpoint_path("other.core")));
}

/* The same path, another file. */
static void replace(const char *name, const char *text)
{
	put_file(checkpoint_path("new"), text);
	CHECK_CALL(rename(checkpoint_path("new"), checkpoint_path(name)));
}

static void check_policies(const char *path)
{
	char other[256], option[512];

	snprintf(other, sizeof(other), "%s", checkpoint_path("other"));
	undump(path, other, "--files=reopen");
	replace("read", "012345678");
	replace("written", "another text");
	restart_expect(other);
	expect_text(checkpoint_path("written"), "anotnew text");
	undump(path, other, "--files=append");
	restart_expect(other);
	expect_text(checkpoint_path("written"), "anotnew textnew");
	put_file(checkpoint_path("third"), "________");
	snprintf(option, sizeof(option), "--substitute=%s=%s", checkpoint_path("written"),
		 checkpoint_path("third"));
	undump(path, other, option);
	restart_expect_refusal(other, "read");
	replace("read", "0123456789");
}

/* What another has locked meanwhile. */
static void check_lock(const char *path)
{
	int fd = CHECK_CALL(open(checkpoint_path("written"), O_RDONLY | O_CLOEXEC));

	CHECK_CALL(flock(fd, LOCK_SH));
	restart_expect_refusal(path, "lock");
	close(fd);
	expect_text(checkpoint_path("written"), "old newt");
}

int main(void)
{
	static const char *const names[] = { "app", "other", "read", "written", "third" };
	char path[256];

	test_begin();
	snprintf(path, sizeof(path), "%s", checkpoint_path("app"));
	put_files();
	restart_write(path, body);
	restart_expect(path);
	expect_text(checkpoint_path("written"), "old newt");
	restart_expect(path);
	check_lock(path);
	/* equal bytes do for what is only read */
	replace("read", "0123456789");
	restart_expect(path);
	replace("read", "012345678_");
	restart_expect_refusal(path, "read");
	replace("read", "0123456789");
	replace("written", "old newt");
	restart_expect_refusal(path, "written");
	CHECK_CALL(unlink(checkpoint_path("written")));
	restart_expect_refusal(path, "written");
	check_policies(path);
	checkpoint_clean(names, 5);
	return test_end();
}
