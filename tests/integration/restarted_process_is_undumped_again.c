/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump -p makes an executable also of a process that runs from one, over and over:
 * what is mapped from that is carried, under the names of the files that it had been, and the
 * first executable is not needed any more.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/target.h"
#include "tests/support/undump.h"

#define GENERATIONS 4

enum { READY, FINISH };

/* Says so each time that it finds itself in another process. */
static int run(struct target *target)
{
	struct timespec moment = { .tv_nsec = 1000000 };
	long last = syscall(SYS_getpid);

	target_set(target, READY, 1);
	for (int generation = 1; !atomic_load(&target->words[FINISH]);) {
		nanosleep(&moment, NULL);
		if (syscall(SYS_getpid) == last)
			continue;
		last = syscall(SYS_getpid);
		printf("%d\n", generation++);
		fflush(stdout);
	}
	return 0;
}

static pid_t start(const char *program, int *output)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = CHECK_CALL(fork());
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		dup2(ends[1], STDOUT_FILENO);
		close_range(3, ~0u, 0);
		alarm(0);
		execl(program, program, NULL);
		_exit(127);
	}
	test_guard_process(pid);
	CHECK_CALL(close(ends[1]));
	*output = ends[0];
	return pid;
}

/* Starts one executable and makes the next one of it; then the first is removed. */
static void make_next(char *path, char *next, int generation)
{
	int output;
	pid_t pid = start(path, &output);

	CHECK_EQUAL(test_read_number(output), generation);
	undump_process(pid, next, NULL);
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL);
	test_forget_process(pid);
	CHECK_CALL(close(output));
	undump_remove(path);
}

/* The names in it are those of libraries. */
static void check_names(const char *path, const char *before)
{
	static struct undump_result result;

	undump_run(&result, test_build_path("tools/undump"), "--info", path, NULL);
	CHECK_EQUAL(result.status, 0);
	if (!strstr(result.text, "/libc.so") || strstr(result.text, before))
		test_fail(__FILE__, __LINE__, "%s", result.text);
}

int main(void)
{
	char paths[2][32] = { "./again-XXXXXX", "./again-XXXXXX" };
	struct target target;

	test_begin();
	for (int i = 0; i < 2; i++) {
		CHECK_CALL(close(CHECK_CALL(mkstemp(paths[i]))));
		CHECK_CALL(unlink(paths[i]));
	}
	target_start(&target, run, 0);
	target_await(&target, READY, 1);
	undump_process(target.pid, paths[1], NULL);
	target_set(&target, FINISH, 1);
	target_end(&target);
	for (int generation = 1; generation <= GENERATIONS; generation++) {
		make_next(paths[generation % 2], paths[!(generation % 2)], generation);
		check_names(paths[!(generation % 2)], paths[generation % 2] + 1);
	}
	undump_remove(paths[!(GENERATIONS % 2)]);
	return test_end();
}
