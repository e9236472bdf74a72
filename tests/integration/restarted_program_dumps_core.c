/* SPDX-License-Identifier: MIT */
/*
 * Claim: the kernel writes a core of a restarted program that fails, and undump finds its thread
 * where it failed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/restart.h"

#define FUNCTION_BYTES 64u

static volatile int *nothing;

__attribute__((noinline)) static int fail_here_after_the_restart(void)
{
	return *nothing;
}

static int body(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int fd;

	CHECK_CALL(chdir(checkpoint_directory()));
	restart_point();
	fd = open("/proc/self/coredump_filter", O_WRONLY);
	if (fd < 0 || write(fd, "0xff", 4) != 4 || setrlimit(RLIMIT_CORE, &all) < 0)
		return 1;
	close(fd);
	return fail_here_after_the_restart();
}

/* The name of the core in the directory, as /proc/sys/kernel/core_pattern has it. */
static bool find_core(char name[256])
{
	DIR *directory = opendir(checkpoint_directory());
	struct dirent *entry;
	bool is_found = false;

	CHECK(directory);
	while ((entry = readdir(directory))) {
		if (strncmp(entry->d_name, "core", 4) != 0)
			continue;
		snprintf(name, 256, "%s", entry->d_name);
		is_found = true;
	}
	closedir(directory);
	return is_found;
}

static void expect_backtrace(const char *core)
{
	const char *program = test_build_path("tools/undump");
	static char text[65536];
	unsigned long address;
	const char *frame;
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl(program, program, "--bt", core, NULL);
		_exit(99);
	}
	close(ends[1]);
	text[test_read(ends[0], text, sizeof(text) - 1)] = '\0';
	close(ends[0]);
	test_expect_exit(pid, 0);
	frame = strstr(text, "#0");
	CHECK(frame && sscanf(frame, "#0 %lx", &address) == 1);
	if (address - (uintptr_t)fail_here_after_the_restart > FUNCTION_BYTES)
		test_fail(__FILE__, __LINE__, "it did not fail there:\n%s", text);
}

static bool is_core_a_file(void)
{
	char pattern[256] = "";
	int fd = CHECK_CALL(open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC));

	CHECK(read(fd, pattern, sizeof(pattern) - 1) > 0);
	close(fd);
	return strncmp(pattern, "core", 4) == 0;
}

int main(void)
{
	const char *names[] = { "app", NULL };
	char path[256], core[256];
	struct rlimit limit;
	int status;

	test_begin();
	CHECK_CALL(getrlimit(RLIMIT_CORE, &limit));
	if (limit.rlim_max != RLIM_INFINITY)
		test_skip("the hard limit of core files is too low");
	snprintf(path, sizeof(path), "%s", checkpoint_path("app"));
	restart_write(path, body);
	status = test_wait(restart_start(path, NULL));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(WCOREDUMP(status));
	names[1] = core;
	if (is_core_a_file()) {
		CHECK(find_core(core));
		expect_backtrace(checkpoint_path(core));
	}
	checkpoint_clean(names, is_core_a_file() ? 2 : 1);
	if (!is_core_a_file())
		test_skip("cores go elsewhere");
	return test_end();
}
