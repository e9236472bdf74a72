/* SPDX-License-Identifier: MIT */
/*
 * Claim: a commit to a named file replaces it, with mode 0600, and leaves the descriptor at the
 * old one, to which a second commit is refused; one to a file without a name, of O_TMPFILE or
 * memfd_create(), overwrites it wherever the descriptor stands; a pipe and a socket take a
 * stream.  What cannot be written to is refused by name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/source.h"
#include "tests/support/checkpoint.h"

static rfork_crid_t crid;

static void commit(int fd)
{
	if (rfork_commit(crid, fd) < 0 || rfork_commit_wait(crid, TEST_DEADLINE_MS) < 0)
		test_fail(__FILE__, __LINE__, "%s", rfork_error());
}

static void expect_statefile(const char *path)
{
	struct rf_source source;

	checkpoint_read(&source, path);
	CHECK_EQUAL(source.origin.pid, getpid());
	rf_source_close(&source);
}

static void check_named(void)
{
	const char *path = checkpoint_path("named");
	int fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	struct stat old, new;
	char text[4];

	test_write(fd, "old", 4);
	CHECK_CALL(fchmod(fd, 0644));
	commit(fd);
	expect_statefile(path);
	CHECK_CALL(fstat(fd, &old));
	CHECK_CALL(stat(path, &new));
	CHECK(old.st_ino != new.st_ino &&old.st_nlink == 0);
	CHECK_EQUAL(new.st_mode & 07777, 0600);
	CHECK_EQUAL(pread(fd, text, sizeof(text), 0), 4);
	CHECK_TEXT(text, "old");
	checkpoint_expect_failure(rfork_commit(crid, fd), ESTALE, "named");
	close(fd);
}

static void check_unnamed(int fd)
{
	char path[32];
	off_t offset;

	CHECK_CALL(ftruncate(fd, (off_t)64 << 20)); /* longer than any of it */
	offset = CHECK_CALL(lseek(fd, 4321, SEEK_SET));
	commit(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	expect_statefile(path);
	CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), offset);
	close(fd);
}

/* Reads records up to END, which must be the last. */
static _Noreturn void read_stream(int fd)
{
	static unsigned char payload[RF_RECORD_MAX_BYTES];
	struct rf_record_header header = { 0 };
	struct rf_image_end end;
	uint64_t records = 0;

	while (header.type != RF_RECORD_END) {
		CHECK_EQUAL(test_read(fd, &header, sizeof(header)), sizeof(header));
		CHECK_EQUAL(header.sequence, records++);
		CHECK(header.length_bytes <= sizeof(payload));
		CHECK_EQUAL(test_read(fd, payload, header.length_bytes), header.length_bytes);
		CHECK(header.type != RF_RECORD_SEGMENTS);
	}
	memcpy(&end, payload, sizeof(end));
	CHECK_EQUAL(end.records, records);
	CHECK(end.data_pages > 0);
	CHECK_EQUAL(test_read(fd, payload, 1), 0);
	_exit(0);
}

static void check_stream(const int ends[2])
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		close(ends[1]);
		read_stream(ends[0]);
	}
	close(ends[0]);
	CHECK_CALL(rfork_commit(crid, ends[1]));
	close(ends[1]);
	if (rfork_commit_wait(crid, TEST_DEADLINE_MS) < 0)
		test_fail(__FILE__, __LINE__, "%s", rfork_error());
	test_expect_exit(pid, 0);
}

static void check_gone_reader(void)
{
	int ends[2];

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	close(ends[0]);
	CHECK_CALL(rfork_commit(crid, ends[1]));
	checkpoint_expect_failure(rfork_commit_wait(crid, TEST_DEADLINE_MS), EPIPE, "pipe:");
	checkpoint_expect_failure(rfork_commit_wait(crid, 0), EINVAL, "not being written");
	close(ends[1]);
}

/* A pipe that nobody reads keeps it busy. */
static void check_busy(void)
{
	int ends[2];

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	CHECK_CALL(rfork_commit(crid, ends[1]));
	checkpoint_expect_failure(rfork_commit(crid, ends[1]), EBUSY, "rfork_commit_wait");
	checkpoint_expect_failure(rfork_commit_wait(crid, 1), ETIMEDOUT, "still");
	close(ends[0]);
	checkpoint_expect_failure(rfork_commit_wait(crid, TEST_DEADLINE_MS), EPIPE, "pipe:");
	close(ends[1]);
}

static void check_refused(void)
{
	const char *path = checkpoint_path("named");
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));

	checkpoint_expect_failure(rfork_commit(crid, fd), EBADF, path);
	close(fd);
	checkpoint_expect_failure(rfork_commit(crid, fd), EBADF, "descriptor");
	checkpoint_expect_failure(rfork_commit(crid, -1), EBADF, "descriptor");
	fd = CHECK_CALL(open("/dev/null", O_WRONLY | O_CLOEXEC));
	checkpoint_expect_failure(rfork_commit(crid, fd), EINVAL, "/dev/null");
	close(fd);
	path = checkpoint_path("removed");
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	CHECK_CALL(unlink(path));
	checkpoint_expect_failure(rfork_commit(crid, fd), ESTALE, "removed");
	close(fd);
}

int main(void)
{
	static const char *const names[] = { "named" };
	int ends[2], fd;

	test_begin();
	crid = checkpoint_hold(0);
	CHECK(crid > 0);
	check_named();
	check_unnamed(CHECK_CALL(memfd_create("state", MFD_CLOEXEC)));
	fd = open(checkpoint_directory(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		check_unnamed(fd);
	else
		dprintf(2, "no O_TMPFILE: %s\n", strerror(errno));
	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	check_stream(ends);
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	check_stream(ends);
	check_gone_reader();
	check_busy();
	check_refused();
	CHECK_CALL(rfork_discard(crid));
	checkpoint_clean(names, 1);
	return test_end();
}
