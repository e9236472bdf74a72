/* SPDX-License-Identifier: MIT */
/*
 * Claim: with RFORK_COPY_FILES what has no path any more goes by content, read and written, with
 * offset, mode and holes: a deleted file, one of O_TMPFILE, mappings of it.  Files that another
 * machine lacks or has otherwise go so, too, mapped ones included; what it has goes by its path,
 * and is not sent.  The copy is the child's own.  Without the flag each is refused, and the
 * sentence says which flag would carry it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"

#define BYTES (1048576 + 4321)
#define HOLE (64 << 20)

enum { DELETED = 20, AGAIN, UNNAMED, HIDDEN, CHANGED, PRESENT, NUMBERS };

static struct node node;
static char hidden[] = "/tmp/rfork-test-XXXXXX";
static char hidden_path[96], changed_path[96], present_path[96], deleted_path[96];
static unsigned char bytes[BYTES], got[BYTES];
static unsigned char *mapped, *mapped_hidden;

static void make_file(char path[96], const char *directory, const char *name)
{
	int fd;

	snprintf(path, 96, "%s/%s", directory, name);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
	test_write(fd, bytes, sizeof(bytes));
	close(fd);
}

static void place(const char *path, int flags, int number)
{
	int fd = CHECK_CALL(open(path, flags | O_CLOEXEC, 0600));

	CHECK_CALL(dup2(fd, number));
	close(fd);
}

static unsigned char *map(int fd)
{
	void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void open_deleted(void)
{
	make_file(deleted_path, node.directory, "deleted");
	place(deleted_path, O_RDWR, DELETED);
	place(deleted_path, O_RDONLY, AGAIN);
	CHECK_CALL(unlink(deleted_path));
	CHECK_EQUAL(pwrite(DELETED, "end", 3, HOLE), 3);
	CHECK_EQUAL(lseek(DELETED, 100, SEEK_SET), 100);
	mapped = map(DELETED);
}

static void verify_deleted(void)
{
	struct stat status;

	CHECK_CALL(fstat(DELETED, &status));
	CHECK_EQUAL(status.st_size, HOLE + 3);
	CHECK_EQUAL(status.st_mode, S_IFREG | 0640);
	CHECK_AT_MOST(status.st_blocks * 512, 16 << 20);
	CHECK_EQUAL(read(DELETED, got, 50), 50);
	CHECK(!memcmp(got, bytes + 100, 50));
	CHECK_EQUAL(lseek(DELETED, 0, SEEK_CUR), 150);
	CHECK_EQUAL(pread(AGAIN, got, sizeof(got), 0), sizeof(got));
	CHECK(!memcmp(got, bytes, sizeof(got)));
	CHECK(!memcmp(mapped, bytes, sizeof(bytes)));
	CHECK_EQUAL(pread(AGAIN, got, 8, HOLE), 3);
	CHECK(!memcmp(got, "end", 3));
	mapped[5] ^= 0xff;
	CHECK_EQUAL(pread(AGAIN, got, 6, 0), 6);
	CHECK_EQUAL(got[5], mapped[5]);
	CHECK_EQUAL(pwrite(DELETED, "child", 5, 0), 5);
	CHECK(!memcmp(mapped, "child", 5));
}

static void open_unnamed(void)
{
	int fd = open(node.directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) /* not on every file system */
		return;
	CHECK_CALL(dup2(fd, UNNAMED));
	close(fd);
	test_write(UNNAMED, "unnamed", 7);
}

static void verify_unnamed(void)
{
	CHECK_EQUAL(pread(UNNAMED, got, 10, 0), 7);
	CHECK(!memcmp(got, "unnamed", 7));
	CHECK_EQUAL(write(UNNAMED, "+", 1), 1);
	CHECK_EQUAL(lseek(UNNAMED, 0, SEEK_CUR), 8);
}

static void open_named(void)
{
	place(hidden_path, O_RDWR | O_APPEND, HIDDEN);
	mapped_hidden = map(HIDDEN);
	place(changed_path, O_RDONLY, CHANGED);
	CHECK_EQUAL(lseek(CHANGED, 9, SEEK_SET), 9);
	place(present_path, O_RDWR, PRESENT);
}

static void verify_named(void)
{
	struct stat status;

	CHECK_EQUAL(access(hidden_path, F_OK), -1);
	CHECK_EQUAL(pread(HIDDEN, got, sizeof(got), 0), sizeof(got));
	CHECK(!memcmp(got, bytes, sizeof(got)));
	CHECK_EQUAL(write(HIDDEN, "x", 1), 1);
	mapped_hidden[1] ^= 0xff;
	CHECK_EQUAL(pread(HIDDEN, got, 2, 0), 2);
	CHECK_EQUAL(got[1], mapped_hidden[1]);
	CHECK_CALL(fstat(HIDDEN, &status));
	CHECK_EQUAL(status.st_size, BYTES + 1);
	CHECK_EQUAL(status.st_nlink, 0);

	CHECK_EQUAL(read(CHANGED, got, 20), 20);
	CHECK(!memcmp(got, bytes + 9, 20));
	CHECK_EQUAL(pread(CHANGED, got, 1, 1000), 1);
	CHECK_EQUAL(got[0], bytes[1000]);

	CHECK_CALL(fstat(PRESENT, &status));
	CHECK_EQUAL(status.st_nlink, 1);
	CHECK_EQUAL(pwrite(PRESENT, "home", 4, 0), 4);
}

static void refuse_one_by_one(void)
{
	footprint_expect_refusal(node.host, &foreign_node_options, ENOTSUP, "descriptor 20 (");
	CHECK(strstr(rfork_error(), "RFORK_COPY_FILES"));
	for (int number = DELETED; number <= UNNAMED; number++)
		close(number);
	munmap(mapped, BYTES);
	CHECK_CALL(munmap(mapped_hidden, BYTES));
	footprint_expect_refusal(node.host, &foreign_node_options, ENOTSUP, hidden_path);
	CHECK(strstr(rfork_error(), "RFORK_COPY_FILES"));
	close(HIDDEN);
	footprint_expect_refusal(node.host, &foreign_node_options, ENOTSUP, changed_path);
	CHECK(strstr(rfork_error(), "RFORK_COPY_FILES"));
}

static void expect_home_unchanged(void)
{
	CHECK(!memcmp(mapped, bytes, sizeof(bytes)));
	CHECK_EQUAL(lseek(DELETED, 0, SEEK_CUR), 100);
	CHECK(!memcmp(mapped_hidden, bytes, sizeof(bytes)));
	CHECK_EQUAL(lseek(HIDDEN, 0, SEEK_END), BYTES);
	CHECK_EQUAL(pread(PRESENT, got, 4, 0), 4);
	CHECK(!memcmp(got, "home", 4));
}

int main(void)
{
	pid_t pid;

	test_begin();
	test_fill(bytes, sizeof(bytes), 17);
	CHECK(mkdtemp(hidden));
	make_file(hidden_path, hidden, "hidden");
	snprintf(changed_path, sizeof(changed_path), "/tmp/rfork-test-changed-%d", getpid());
	make_file(changed_path, "/tmp", strrchr(changed_path, '/') + 1);
	foreign_node_start(&node, (struct foreign_change){
					  .path = changed_path, .offset = 1000, .hidden = hidden });
	make_file(present_path, node.directory, "present");
	open_deleted();
	open_unnamed();
	open_named();
	pid = node_move_returns_twice(&node, RFORK_COPY_FILES);
	if (!pid) {
		foreign_node_expect_here();
		verify_deleted();
		if (fcntl(UNNAMED, F_GETFD) >= 0)
			verify_unnamed();
		verify_named();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	expect_home_unchanged();
	refuse_one_by_one();
	for (int number = DELETED; number < NUMBERS; number++)
		close(number);
	CHECK_CALL(unlink(changed_path));
	CHECK_CALL(unlink(present_path));
	test_remove_directory(hidden);
	node_stop(&node);
	return test_end();
}
