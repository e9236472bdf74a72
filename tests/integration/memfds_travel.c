/* SPDX-License-Identifier: MIT */
/*
 * Claim: a memfd goes along: its bytes, also far behind a hole that stays one, its size, name, mode
 * and seals, and each descriptor of it with its offset and flags, duplicates as duplicates, one
 * that was opened anew as another of the same file.  What the child writes is its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define NAME "a name, with (deleted)"
#define FAR ((off_t)1 << 33)
#define MIDDLE (3 * 1048576 + 123)
#define BYTES (2 * 1048576 + 77)

enum { MEMORY = 20, DUPLICATE = 21, READER = 22, APPENDING = 23, SEALED = 24, LOCKED_UP = 25 };

static unsigned char bytes[BYTES], got[BYTES];
static struct node node;

static void reopen(int fd, int flags, int number)
{
	char path[32];
	int opened;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = CHECK_CALL(open(path, flags));
	CHECK_CALL(dup2(opened, number));
	close(opened);
}

static void place(int fd, int number)
{
	CHECK_CALL(dup3(CHECK_CALL(fd), number, O_CLOEXEC));
	close(fd);
}

static void build(void)
{
	test_fill(bytes, sizeof(bytes), 11);
	place(memfd_create(NAME, MFD_CLOEXEC), MEMORY);
	CHECK_EQUAL(pwrite(MEMORY, bytes, sizeof(bytes), MIDDLE), sizeof(bytes));
	CHECK_EQUAL(pwrite(MEMORY, "end", 3, FAR - 3), 3);
	CHECK_CALL(fchmod(MEMORY, 0640));
	CHECK_CALL(dup2(MEMORY, DUPLICATE));
	CHECK_EQUAL(lseek(MEMORY, MIDDLE, SEEK_SET), MIDDLE);
	reopen(MEMORY, O_RDONLY, READER);
	CHECK_EQUAL(lseek(READER, MIDDLE + 5, SEEK_SET), MIDDLE + 5);
	reopen(MEMORY, O_WRONLY | O_APPEND, APPENDING);

	place(memfd_create("sealed", MFD_ALLOW_SEALING), SEALED);
	test_write(SEALED, "kept", 4);
	CHECK_CALL(fcntl(SEALED, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
	place(memfd_create("", 0), LOCKED_UP);
	CHECK_CALL(fchmod(LOCKED_UP, 0));
}

static void expect_name(int fd, const char *name)
{
	char link[32], text[300];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	text[CHECK_CALL(readlink(link, text, sizeof(text) - 1))] = '\0';
	CHECK_TEXT(text, name);
}

static void verify_bytes(void)
{
	struct stat status;

	CHECK_CALL(fstat(MEMORY, &status));
	CHECK_EQUAL(status.st_size, FAR);
	CHECK_EQUAL(status.st_mode, S_IFREG | 0640);
	CHECK_AT_MOST(status.st_blocks * 512, BYTES + 8 * (long)TEST_PAGE_BYTES);
	CHECK_EQUAL(pread(MEMORY, got, sizeof(got), MIDDLE), sizeof(got));
	CHECK(!memcmp(got, bytes, sizeof(bytes)));
	CHECK_EQUAL(pread(MEMORY, got, 8, FAR - 3), 3);
	CHECK(!memcmp(got, "end", 3));
	CHECK_EQUAL(pread(MEMORY, got, 1, MIDDLE - 1), 1);
	CHECK_EQUAL(got[0], 0);
}

static void verify_descriptors(void)
{
	CHECK_EQUAL(fcntl(MEMORY, F_GETFD), FD_CLOEXEC);
	CHECK_EQUAL(fcntl(DUPLICATE, F_GETFD), 0);
	CHECK_EQUAL(lseek(DUPLICATE, 0, SEEK_CUR), MIDDLE);
	CHECK_EQUAL(lseek(MEMORY, 7, SEEK_CUR), MIDDLE + 7);
	CHECK_EQUAL(lseek(DUPLICATE, 0, SEEK_CUR), MIDDLE + 7);
	CHECK_EQUAL(lseek(READER, 0, SEEK_CUR), MIDDLE + 5);
	CHECK_EQUAL(fcntl(READER, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_EQUAL(fcntl(APPENDING, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
	CHECK_EQUAL(write(APPENDING, "more", 4), 4);
	CHECK_EQUAL(pread(READER, got, 8, FAR), 4);
	CHECK(!memcmp(got, "more", 4));
	expect_name(READER, "/memfd:" NAME " (deleted)");
}

static void verify_seals(void)
{
	struct stat status;

	CHECK_EQUAL(fcntl(MEMORY, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_EQUAL(fcntl(SEALED, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK);
	CHECK_EQUAL(pread(SEALED, got, 8, 0), 4);
	CHECK(!memcmp(got, "kept", 4));
	CHECK_EQUAL(pwrite(SEALED, "x", 1, 0), -1);
	CHECK_EQUAL(errno, EPERM);
	CHECK_CALL(fcntl(SEALED, F_ADD_SEALS, F_SEAL_GROW));
	CHECK_CALL(fstat(LOCKED_UP, &status));
	CHECK_EQUAL(status.st_mode, S_IFREG);
	CHECK_EQUAL(pwrite(LOCKED_UP, "x", 1, 0), 1);
}

static void verify(enum way way)
{
	(void)way;
	verify_bytes();
	verify_descriptors();
	verify_seals();
}

/* What the child writes is not seen here, nor are offsets moved. */
static void expect_own_copy(void)
{
	pid_t pid;

	build();
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(pwrite(MEMORY, "child", 5, 0), 5);
		CHECK_EQUAL(lseek(READER, 0, SEEK_SET), 0);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(pread(MEMORY, got, 5, 0), 5);
	CHECK_EQUAL(got[0], 0);
	CHECK_EQUAL(lseek(MEMORY, 0, SEEK_CUR), MIDDLE);
	CHECK_EQUAL(lseek(READER, 0, SEEK_CUR), MIDDLE + 5);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	ways_check(&node, build, verify);
	expect_own_copy();
	node_stop(&node);
	return test_end();
}
