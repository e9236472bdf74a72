/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump that meets the limit of file sizes says so, and leaves the file of before and
 * nothing else; what one that was killed has left is removed by the next with the same output, but
 * not what another one is writing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/undump.h"

static void write_executable(struct undump_result *result, const char *state, const char *path)
{
	undump_run(result, test_build_path("tools/undump"), state, "-o", path, "--no-core", NULL);
}

static void check_limit(const char *state, const char *path)
{
	struct rlimit before, low = { .rlim_cur = 128 << 10 };
	struct undump_result result;
	struct stat status;

	close(CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	CHECK_CALL(getrlimit(RLIMIT_FSIZE, &before));
	low.rlim_max = before.rlim_max;
	CHECK_CALL(setrlimit(RLIMIT_FSIZE, &low));
	write_executable(&result, state, path);
	CHECK_CALL(setrlimit(RLIMIT_FSIZE, &before));
	if (result.status != 1 || !strstr(result.text, "File too large"))
		test_fail(__FILE__, __LINE__, "exit %d: %s", result.status, result.text);
	CHECK_CALL(stat(path, &status));
	CHECK_EQUAL(status.st_size, 0);
}

static int leave(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0700));

	CHECK_CALL(fchmod(fd, 0700));
	return fd;
}

static void check_stale(const char *state, const char *path)
{
	const char *stale = checkpoint_path("app.rfork-1"), *used = checkpoint_path("app.rfork-2");
	struct undump_result result;
	int fd = leave(used);

	CHECK_CALL(flock(fd, LOCK_EX));
	close(leave(stale));
	write_executable(&result, state, path);
	if (result.status != 0)
		test_fail(__FILE__, __LINE__, "exit %d: %s", result.status, result.text);
	CHECK_EQUAL(access(stale, F_OK), -1);
	CHECK_CALL(access(used, F_OK));
	close(fd);
}

int main(void)
{
	static const char *const names[] = { "state", "app", "app.rfork-2" };
	char state[256], path[256];
	rfork_crid_t crid;

	test_begin();
	snprintf(state, sizeof(state), "%s", checkpoint_path("state"));
	snprintf(path, sizeof(path), "%s", checkpoint_path("app"));
	crid = checkpoint_hold(0);
	checkpoint_write(crid, state);
	CHECK_CALL(rfork_discard(crid));
	check_limit(state, path);
	check_stale(state, path);
	checkpoint_clean(names, 3); /* all that there is */
	return test_end();
}
