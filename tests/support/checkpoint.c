/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/checkpoint.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/rfork-test-XXXXXX";

const char *checkpoint_directory(void)
{
	static bool is_made;

	if (!is_made) {
		CHECK(mkdtemp(directory));
		test_guard_directory(directory);
		is_made = true;
	}
	return directory;
}

const char *checkpoint_path(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", checkpoint_directory(), name);
	return path;
}

void checkpoint_clean(const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		CHECK_CALL(unlink(checkpoint_path(names[i])));
	CHECK_CALL(rmdir(checkpoint_directory()));
	test_forget_directory(directory);
}

rfork_crid_t checkpoint_hold(unsigned flags)
{
	rfork_crid_t crid = rfork_checkpoint(flags);

	if (crid < 0)
		test_fail(__FILE__, __LINE__, "rfork_checkpoint: %s", rfork_error());
	return crid;
}

void checkpoint_write(rfork_crid_t crid, const char *path)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));

	if (rfork_commit(crid, fd) < 0)
		test_fail(__FILE__, __LINE__, "rfork_commit: %s", rfork_error());
	close(fd);
	if (rfork_commit_wait(crid, TEST_DEADLINE_MS) < 0)
		test_fail(__FILE__, __LINE__, "rfork_commit_wait: %s", rfork_error());
}

void checkpoint_expect_failure(int64_t result, int error, const char *names)
{
	int got = errno;

	CHECK_EQUAL(result, -1);
	dprintf(2, "refused: %s\n", rfork_error());
	CHECK_EQUAL(got, error);
	if (!strstr(rfork_error(), names))
		test_fail(__FILE__, __LINE__, "\"%s\" does not name %s", rfork_error(), names);
}

static bool is_named(long pid, const char *name)
{
	char path[48], comm[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, comm, sizeof(comm) - 1) < 0)
		comm[0] = '\0';
	close(fd);
	comm[strcspn(comm, "\n")] = '\0';
	return !strcmp(comm, name);
}

static pid_t parent_of(long pid)
{
	char path[48], text[512] = "";
	const char *end;
	int fd, parent = 0;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	end = strrchr(text, ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

pid_t checkpoint_holder(rfork_crid_t crid)
{
	char name[16];
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	CHECK(proc);
	snprintf(name, sizeof(name), "rfork:crid %lld", (long long)crid);
	while (!found && (entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && is_named(pid, name) && parent_of(pid) == getpid())
			found = (pid_t)pid;
	}
	closedir(proc);
	return found;
}

bool checkpoint_file_has(const char *path, const void *pages, size_t bytes)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	size_t size = (size_t)CHECK_CALL(lseek(fd, 0, SEEK_END));
	const char *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	bool found = false;

	CHECK(file != MAP_FAILED);
	for (size_t at = 0; !found && at + bytes <= size; at += TEST_PAGE_BYTES)
		found = memcmp(file + at, pages, bytes) == 0;
	munmap((void *)file, size);
	close(fd);
	return found;
}
