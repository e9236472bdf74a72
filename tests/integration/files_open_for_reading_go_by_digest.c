/* SPDX-License-Identifier: MIT */
/*
 * Claim: on another machine, a file that is open for reading is reopened where the node has one of the
 * same path, size and digest: with its offset, also where the caller's path led through a symbolic
 * link, under O_DIRECT, and where it is empty.  The caller reads it once for all its children, unless
 * it has just changed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/foreign_node.h"

#define FILE_BYTES ((3u << 20) + 123)
#define OFFSET 70001
#define DUPLICATE 40
#define THROUGH_LINK 41
#define UNCACHED 42
#define EMPTY 43
#define LIBRARY 44

static struct node node;
static char path[96], link_path[96], empty_path[96];
static unsigned char content[FILE_BYTES];
static bool has_direct;
static long long library_bytes;

static void place(int fd, int number)
{
	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, number));
	close(fd);
}

static void make_files(void)
{
	int fd;

	snprintf(path, sizeof(path), "%s/data", node.directory);
	snprintf(link_path, sizeof(link_path), "%s/link", node.directory);
	snprintf(empty_path, sizeof(empty_path), "%s/empty", node.directory);
	test_fill(content, sizeof(content), 9);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	test_write(fd, content, sizeof(content));
	close(fd);
	close(CHECK_CALL(open(empty_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
	CHECK_CALL(symlink(path, link_path));
}

/* The numbers are those of the claim, with gaps between. */
static int open_files(void)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	int direct = open(path, O_RDONLY | O_DIRECT);

	CHECK_CALL(lseek(fd, OFFSET, SEEK_SET));
	CHECK_CALL(dup2(fd, DUPLICATE));
	place(open(link_path, O_RDONLY), THROUGH_LINK);
	place(open(empty_path, O_RDONLY), EMPTY);
	has_direct = direct >= 0;
	if (has_direct)
		place(direct, UNCACHED);
	return fd;
}

static void expect_bytes(int fd, size_t offset)
{
	char piece[1000];

	CHECK_EQUAL(read(fd, piece, sizeof(piece)), sizeof(piece));
	CHECK(!memcmp(piece, content + offset, sizeof(piece)));
}

static void verify(int fd)
{
	void *block;

	foreign_node_expect_here();
	CHECK_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQUAL(fcntl(DUPLICATE, F_GETFD), 0);
	expect_bytes(fd, OFFSET);
	expect_bytes(DUPLICATE, OFFSET + 1000);
	expect_bytes(THROUGH_LINK, 0);
	CHECK_EQUAL(read(EMPTY, content, 1), 0);
	if (!has_direct)
		return;
	CHECK(fcntl(UNCACHED, F_GETFL) & O_DIRECT);
	CHECK_EQUAL(posix_memalign(&block, 4096, 4096), 0);
	CHECK_EQUAL(read(UNCACHED, block, 4096), 4096);
	CHECK(!memcmp(block, content, 4096));
}

/* One that has not changed for a while: only of such a file the digest is remembered. */
static void open_library(void)
{
	struct stat status;
	Dl_info info;

	CHECK(dladdr((void *)getpid, &info) && info.dli_fname);
	place(open(info.dli_fname, O_RDONLY), LIBRARY);
	CHECK_CALL(fstat(LIBRARY, &status));
	library_bytes = status.st_size;
}

/* Bytes that this process has read. */
static long long bytes_read(void)
{
	long long bytes = -1;
	FILE *file = fopen("/proc/self/io", "re");

	if (!file || fscanf(file, "rchar: %lld", &bytes) != 1)
		test_skip("the kernel does not count what a process reads");
	fclose(file);
	return bytes;
}

/* Bytes that the caller reads for one move. */
static long long move(int fd)
{
	long long before = bytes_read();
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		verify(fd);
		_exit(0);
	}
	before = bytes_read() - before;
	test_expect_exit(pid, 0);
	CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), OFFSET);
	return before;
}

int main(void)
{
	long long first, second;
	int fd;

	test_begin();
	foreign_node_start(&node, (struct foreign_change){ 0 });
	make_files();
	node_expect_service(&node); /* the libraries are digested now */
	fd = open_files();
	open_library();
	first = move(fd);
	second = move(fd);
	CHECK(first >= FILE_BYTES + library_bytes);
	CHECK_AT_MOST(second, first - library_bytes / 2);
	CHECK_CALL(unlink(path));
	CHECK_CALL(unlink(link_path));
	CHECK_CALL(unlink(empty_path));
	node_stop(&node);
	return test_end();
}
