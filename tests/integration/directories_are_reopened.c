/* SPDX-License-Identifier: MIT */
/*
 * Claim: on the same machine a directory is open in the child: names are looked up in it, and reading
 * it goes on where the caller was.  Descriptors that are only paths (O_PATH) go along.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"

#define FILES 400
#define DIRECTORY 20
#define PATH_OF_DIRECTORY 21
#define PATH_OF_FILE 22

static struct node node;
static unsigned seen[FILES];

static void place(int fd, int number)
{
	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, number));
	close(fd);
}

static void name_file(char path[96], int number)
{
	snprintf(path, 96, "%s/file-%d", node.directory, number);
}

/* Reads entries into `seen`, once, or to the end. */
static void read_entries(bool all)
{
	char buffer[1024] __attribute__((aligned(8)));
	long got;

	do {
		got = CHECK_CALL(syscall(SYS_getdents64, DIRECTORY, buffer, sizeof(buffer)));
		for (long at = 0; at < got;) {
			struct dirent64 *entry = (struct dirent64 *)(buffer + at);
			unsigned number;

			if (sscanf(entry->d_name, "file-%u", &number) == 1 && number < FILES)
				seen[number]++;
			at += entry->d_reclen;
		}
	} while (all && got > 0);
}

static unsigned count_seen(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FILES; i++)
		count += seen[i] > 0;
	return count;
}

static void verify(void)
{
	char text[8] = "";
	int fd;

	read_entries(true);
	for (unsigned i = 0; i < FILES; i++)
		CHECK_EQUAL(seen[i], 1);
	fd = CHECK_CALL(openat(DIRECTORY, "file-7", O_RDONLY));
	CHECK_EQUAL(read(fd, text, sizeof(text)), 5);
	CHECK_TEXT(text, "seven");
	CHECK_CALL(faccessat(PATH_OF_DIRECTORY, "file-7", R_OK, 0));
	CHECK(fcntl(PATH_OF_DIRECTORY, F_GETFL) & O_PATH);
	CHECK(fcntl(PATH_OF_FILE, F_GETFL) & O_PATH);
	CHECK_EQUAL(read(PATH_OF_FILE, text, 1), -1);
	CHECK_EQUAL(errno, EBADF);
	fd = CHECK_CALL(open("/proc/self/fd/22", O_RDONLY));
	CHECK_EQUAL(read(fd, text, sizeof(text)), 5);
}

int main(void)
{
	char path[96];
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	for (int i = 0; i < FILES; i++) {
		int fd;

		name_file(path, i);
		fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
		test_write(fd, "seven", i == 7 ? 5 : 0);
		close(fd);
	}
	place(open(node.directory, O_RDONLY | O_DIRECTORY), DIRECTORY);
	place(open(node.directory, O_PATH), PATH_OF_DIRECTORY);
	name_file(path, 7);
	place(open(path, O_PATH), PATH_OF_FILE);
	read_entries(false);
	CHECK(count_seen() > 0 && count_seen() < FILES);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		verify();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	for (int i = 0; i < FILES; i++) {
		name_file(path, i);
		CHECK_CALL(unlink(path));
	}
	node_stop(&node);
	return test_end();
}
