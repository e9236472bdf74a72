/* SPDX-License-Identifier: MIT */
/*
 * Starts undump and executables that it has made, and keeps what they write.
 */
#define _GNU_SOURCE
#include "tests/support/undump.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS 16

_Noreturn static void become(const char *program, char **arguments, int output)
{
	int input = open("/dev/null", O_RDONLY);

	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	close_range(3, ~0u, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	alarm(0);
	execv(program, arguments);
	_exit(127);
}

static void run(struct undump_result *result, const char *program, char **arguments)
{
	int ends[2], status;
	size_t length;
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid)
		become(program, arguments, ends[1]);
	test_guard_process(pid);
	CHECK_CALL(close(ends[1]));
	length = test_read(ends[0], result->text, sizeof(result->text) - 1);
	result->text[length] = '\0';
	CHECK_CALL(close(ends[0]));
	status = test_wait(pid);
	test_forget_process(pid);
	result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void undump_run(struct undump_result *result, const char *program, ...)
{
	char *arguments[ARGUMENTS] = { (char *)program };
	va_list list;

	va_start(list, program);
	for (int i = 1; i < ARGUMENTS - 1 && (arguments[i] = va_arg(list, char *)); i++)
		;
	va_end(list);
	run(result, program, arguments);
}

void undump_process(pid_t pid, const char *path, const char *option)
{
	struct undump_result result;
	char number[16];

	snprintf(number, sizeof(number), "%d", (int)pid);
	undump_run(&result, test_build_path("tools/undump"), "-p", number, "-o", path, option,
		   NULL);
	if (result.status != 0 || !strstr(result.text, "stopped for "))
		test_fail(__FILE__, __LINE__, "undump: exit %d: %s", result.status, result.text);
}

void undump_live(void (*live)(void), const char *path)
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (!pid) {
		live();
		_exit(126);
	}
	CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_CALL(kill(pid, SIGCONT));
	undump_process(pid, path, "--thin");
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL);
}

void undump_point(void)
{
	long self = syscall(SYS_getpid);

	CHECK_CALL(raise(SIGSTOP));
	while (syscall(SYS_getpid) == self)
		sched_yield();
}

void undump_remove(const char *path)
{
	char companion[4096];

	snprintf(companion, sizeof(companion), "%s.core", path);
	CHECK_CALL(unlink(path));
	CHECK_CALL(unlink(companion));
}
