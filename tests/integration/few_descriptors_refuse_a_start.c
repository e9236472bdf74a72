/* SPDX-License-Identifier: MIT */
/*
 * Claim: whatever the limit of open files is, an executable either runs, with all its descriptors,
 * or refuses to start with a line that says why.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/restart.h"

#define LOWEST 3u /* the standard streams */
#define HIGHEST 24u

static int body(void)
{
	int ends[2], file = CHECK_CALL(open("/proc/self/exe", O_RDONLY));
	char text[4] = "";

	CHECK_CALL(pipe(ends));
	test_write(ends[1], "abc", 3);
	restart_point();
	return fcntl(file, F_GETFD) >= 0 && read(ends[0], text, 3) == 3 && !strcmp(text, "abc")
		       ? RESTART_RIGHT
		       : 1;
}

static _Noreturn void start(const char *path, rlim_t limit, int to)
{
	struct rlimit limits = { limit, limit };

	if (dup2(to, STDERR_FILENO) < 0 || setrlimit(RLIMIT_NOFILE, &limits) < 0)
		_exit(99);
	execl(path, path, NULL);
	_exit(98);
}

/* true if it ran. */
static bool try(const char *path, rlim_t limit)
{
	char line[1024] = "";
	int status, ends[2];
	ssize_t got;
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0)
		start(path, limit, ends[1]);
	close(ends[1]);
	got = CHECK_CALL(read(ends[0], line, sizeof(line) - 1));
	close(ends[0]);
	status = test_wait(pid);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == RESTART_RIGHT)
		return true;
	if ((WEXITSTATUS(status) != 126 && WEXITSTATUS(status) != 127) || got == 0 ||
	    !strstr(line, "open files"))
		test_fail(__FILE__, __LINE__, "limit %lu: exit %d: %s", (unsigned long)limit,
			  WEXITSTATUS(status), line);
	return false;
}

int main(void)
{
	static const char *const names[] = { "app" };
	const char *path;
	bool runs = false;

	test_begin();
	path = checkpoint_path("app");
	restart_write(path, body);
	CHECK(!try(path, LOWEST));
	for (rlim_t limit = LOWEST + 1; limit <= HIGHEST; limit++) {
		bool ran = runs;

		runs = try(path, limit);
		CHECK(runs || !ran);
	}
	CHECK(runs);
	checkpoint_clean(names, 1);
	return test_end();
}
