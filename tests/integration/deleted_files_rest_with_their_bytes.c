/* SPDX-License-Identifier: MIT */
/*
 * Claim: an executable and what undump -p makes hold the bytes of deleted files: descriptors of one
 * file lead to one file again, with their offsets, also through a mapping.  A checkpoint refuses
 * them without RFORK_COPY_FILES; with it, it holds what was in them at its moment, whatever is
 * written later, and a node restarts it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/ways.h"

enum { WRITER = 20, READER = 21 };

#define BYTES (300 * 1000)
#define STATUS 7

static struct node node;
static unsigned char bytes[BYTES], got[BYTES];
static unsigned char *mapped;

static void build(void)
{
	char path[96];
	int fd;

	test_fill(bytes, sizeof(bytes), 5);
	snprintf(path, sizeof(path), "/var/tmp/rfork-test-%d", getpid());
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
	CHECK_CALL(dup2(fd, WRITER));
	close(fd);
	fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	CHECK_CALL(dup2(fd, READER));
	close(fd);
	CHECK_CALL(unlink(path));
	test_write(WRITER, bytes, sizeof(bytes));
	CHECK_EQUAL(lseek(READER, 1000, SEEK_SET), 1000);
	mapped = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, WRITER, 0);
	CHECK(mapped != MAP_FAILED);
}

static void verify(enum way way)
{
	struct stat status;

	(void)way;
	CHECK_EQUAL(read(READER, got, 500), 500);
	CHECK(!memcmp(got, bytes + 1000, 500));
	CHECK(!memcmp(mapped, bytes, sizeof(bytes)));
	CHECK_EQUAL(write(WRITER, "more", 4), 4);
	mapped[0] ^= 0xff;
	CHECK_EQUAL(pread(READER, got, sizeof(got), 4), sizeof(got));
	CHECK(!memcmp(got, bytes + 4, sizeof(bytes) - 4));
	CHECK(!memcmp(got + BYTES - 4, "more", 4));
	CHECK_EQUAL(pread(READER, got, 1, 0), 1);
	CHECK_EQUAL(got[0], bytes[0] ^ 0xff);
	CHECK_CALL(fstat(WRITER, &status));
	CHECK_EQUAL(status.st_mode, S_IFREG | 0640);
}

/* The files are other ones by then. */
static void change_files(void)
{
	memset(mapped, 0, BYTES);
	CHECK_CALL(ftruncate(WRITER, 10));
	CHECK_EQUAL(lseek(READER, 0, SEEK_SET), 0);
}

static void restart_on_node(const char *path)
{
	const char *undump = test_build_path("tools/undump");
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		execl(undump, undump, path, "--to", node.host, NULL);
		_exit(127);
	}
	test_expect_exit(pid, STATUS);
}

static void check_moment(void)
{
	static const char *const names[] = { "state" };
	const char *path = checkpoint_path("state");
	rfork_crid_t crid;

	build();
	checkpoint_expect_failure(rfork_checkpoint(0), ENOTSUP, "descriptor 20 (");
	crid = checkpoint_hold(RFORK_COPY_FILES);
	if (!crid) {
		verify(WAY_EXECUTABLE);
		_exit(STATUS);
	}
	change_files();
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	restart_on_node(path);
	restart_on_node(path);
	checkpoint_clean(names, 1);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	ways_go(&node, WAY_EXECUTABLE, build, verify);
	ways_go(&node, WAY_PROCESS, build, verify);
	check_moment();
	node_stop(&node);
	return test_end();
}
