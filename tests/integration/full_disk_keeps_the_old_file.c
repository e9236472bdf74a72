/* SPDX-License-Identifier: MIT */
/*
 * Claim: a commit for which the disk has no room, or that grows beyond the limit of files, fails
 * with that error; the file of before is untouched, nothing else is left beside it, and the
 * checkpoint is still held: once there is room it can be written.  A failure of which nobody has
 * heard is told by rfork_discard().
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/source.h"
#include "tests/support/checkpoint.h"

#define MEMORY_BYTES ((size_t)4 << 20)
/* Room for two checkpoints with mapped files in them: in a chroot those cannot be named. */
#define DISK_BYTES ((off_t)24 << 20)
#define DISK "size=24m"
#define ROOM_BYTES ((off_t)2 << 20) /* for the checkpoint, which is longer */

static unsigned char *memory;

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_written = fd >= 0 && write(fd, text, strlen(text)) > 0;

	close(fd);
	return is_written;
}

/* So that whoever may not mount anything as this user may do it as root of a namespace of its
 * own. */
static bool become_root(void)
{
	char users[32], groups[32];

	snprintf(users, sizeof(users), "0 %u 1", getuid());
	snprintf(groups, sizeof(groups), "0 %u 1", getgid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", users) && write_text("/proc/self/gid_map", groups);
}

static bool mount_small_disk(const char *directory)
{
	if (unshare(CLONE_NEWNS) < 0 && !become_root())
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("rfork-test", directory, "tmpfs", 0, DISK) == 0;
}

static rfork_crid_t hold(uint64_t seed)
{
	test_fill(memory, MEMORY_BYTES, seed);
	return checkpoint_hold(0);
}

static unsigned count_files(void)
{
	DIR *directory = opendir(checkpoint_directory());
	struct dirent *entry;
	unsigned count = 0;

	CHECK(directory);
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

/* The memory as it was when the file was written. */
static void expect_content(const char *path, uint64_t seed)
{
	struct rf_source source;

	checkpoint_read(&source, path);
	rf_source_close(&source);
	test_fill(memory, MEMORY_BYTES, seed);
	CHECK(checkpoint_file_has(path, memory, MEMORY_BYTES));
}

static void expect_failure(rfork_crid_t crid, const char *path, int error)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CLOEXEC));

	CHECK_CALL(rfork_commit(crid, fd));
	close(fd);
	checkpoint_expect_failure(rfork_commit_wait(crid, TEST_DEADLINE_MS), error, path);
}

static void check_full_disk(const char *path)
{
	rfork_crid_t crid = hold(2);
	const char *filler = checkpoint_path("filler");
	int fd = CHECK_CALL(open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	struct stat status;
	int error;

	CHECK_CALL(stat(path, &status));
	error = posix_fallocate(fd, 0, DISK_BYTES - status.st_blocks * 512 - ROOM_BYTES);
	CHECK_EQUAL(error, 0);
	expect_failure(crid, path, ENOSPC);
	CHECK_EQUAL(count_files(), 2);
	expect_content(path, 1);
	CHECK_CALL(ftruncate(fd, 0));
	close(fd);
	CHECK_CALL(unlink(filler));
	checkpoint_write(crid, path);
	expect_content(path, 2);
	CHECK_CALL(rfork_discard(crid));
}

static int use_small_disk(void)
{
	const char *path;
	rfork_crid_t crid;

	if (!mount_small_disk(checkpoint_directory())) {
		dprintf(2, "no small disk: %s\n", strerror(errno));
		return 0;
	}
	path = checkpoint_path("state");
	crid = hold(1);
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	check_full_disk(path);
	return 0;
}

static void check_limit(void)
{
	const char *path = checkpoint_path("state");
	struct rlimit before, low = { .rlim_cur = MEMORY_BYTES / 2 };
	rfork_crid_t crid = hold(3), other;
	int fd;

	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	CHECK_CALL(getrlimit(RLIMIT_FSIZE, &before));
	low.rlim_max = before.rlim_max;
	CHECK_CALL(setrlimit(RLIMIT_FSIZE, &low));
	other = hold(4);
	CHECK_CALL(setrlimit(RLIMIT_FSIZE, &before));
	expect_failure(other, path, EFBIG);
	CHECK_EQUAL(count_files(), 1);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CLOEXEC));
	CHECK_CALL(rfork_commit(other, fd));
	close(fd);
	checkpoint_expect_failure(rfork_discard(other), EFBIG, path);
	checkpoint_expect_failure(rfork_discard(other), EINVAL, "no checkpoint");
	CHECK_EQUAL(count_files(), 1);
	expect_content(path, 3);
}

int main(void)
{
	static const char *const names[] = { "state" };
	pid_t pid;

	test_begin();
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	CHECK(memory != MAP_FAILED);
	checkpoint_directory();
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(use_small_disk());
	test_expect_exit(pid, 0);
	check_limit();
	checkpoint_clean(names, 1);
	return test_end();
}
