/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/cores.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_LINE 4096

static char said[16384];

/* -- whether cores can be had ------------------------------------------------------------------ */

static bool read_text(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, bytes - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return got > 0;
}

/* Runs a program with its output in `text`; its exit status. */
static int run(char *const arguments[], char *text, size_t bytes)
{
	int ends[2], status;
	size_t got;
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execvp(arguments[0], arguments);
		_exit(127);
	}
	close(ends[1]);
	got = test_read(ends[0], text, bytes - 1);
	text[got] = '\0';
	close(ends[0]);
	status = test_wait(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void core_need(enum core_origin origin)
{
	char text[4096];
	struct rlimit limit;

	if (origin == CORE_BY_GDB) {
		char *arguments[] = { "gdb", "--version", NULL };

		if (run(arguments, text, sizeof(text)) != 0)
			test_skip("there is no gdb");
		return;
	}
	if (!read_text("/proc/sys/kernel/core_pattern", text, sizeof(text)) || strpbrk(text, "|/%"))
		test_skip("cores go elsewhere: core_pattern is \"%s\"", text);
	CHECK_CALL(getrlimit(RLIMIT_CORE, &limit));
	if (limit.rlim_max != RLIM_INFINITY)
		test_skip("cores may not have any size");
}

/* -- programs ---------------------------------------------------------------------------------- */

static void mask_quit(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGQUIT);
	CHECK_CALL(sigprocmask(how, &set, NULL));
}

/* Before the program is executed, which keeps it: a value that another process writes while this
 * one changes its memory may reach the old one. */
static bool set_filter(unsigned filter)
{
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && dprintf(fd, "%#x", filter) > 0;
}

static void become(char *const arguments[], const char *directory, unsigned filter, bool is_blocked,
		   const int input[2], const int output[2])
{
	const struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (!set_filter(filter) || dup2(input[0], STDIN_FILENO) < 0 ||
	    dup2(output[1], STDOUT_FILENO) < 0 || chdir(directory) < 0 ||
	    setenv("PWD", directory, 1) < 0)
		_exit(98);
	setrlimit(RLIMIT_CORE, &limit);
	signal(SIGQUIT, SIG_DFL);
	if (!is_blocked)
		mask_quit(SIG_UNBLOCK);
	execvp(arguments[0], arguments);
	_exit(99);
}

static struct core_program start(char *const arguments[], unsigned filter, bool is_blocked)
{
	const char *directory = checkpoint_directory();
	struct core_program program;
	int input[2], output[2];

	CHECK_CALL(pipe2(input, O_CLOEXEC));
	CHECK_CALL(pipe2(output, O_CLOEXEC));
	mask_quit(SIG_BLOCK);
	program.pid = CHECK_CALL(fork());
	if (program.pid == 0)
		become(arguments, directory, filter, is_blocked, input, output);
	mask_quit(SIG_UNBLOCK);
	test_guard_process(program.pid);
	close(input[0]);
	close(output[1]);
	program.input = input[1];
	program.output = output[0];
	return program;
}

struct core_program core_start(char *const arguments[], unsigned filter)
{
	return start(arguments, filter, false);
}

struct core_program core_restart(const char *executable, unsigned filter)
{
	char *arguments[] = { (char *)executable, NULL };

	return start(arguments, filter, true);
}

const char *core_read_line(const struct core_program *program)
{
	static char line[MAX_LINE];
	size_t used = 0;

	while (used < sizeof(line) - 1 && test_read(program->output, line + used, 1) == 1) {
		if (line[used] == '\n') {
			line[used] = '\0';
			return line;
		}
		used++;
	}
	return NULL;
}

void core_expect_line(const struct core_program *program, const char *line)
{
	const char *read_line = core_read_line(program);

	while (read_line && strcmp(read_line, line) != 0)
		read_line = core_read_line(program);
	if (!read_line)
		test_fail(__FILE__, __LINE__, "the program has not said \"%s\"", line);
}

void core_expect_exit(struct core_program *program, int status)
{
	test_forget_process(program->pid);
	test_expect_exit(program->pid, status);
	close(program->input);
	close(program->output);
}

/* -- cores ------------------------------------------------------------------------------------- */

/* The kernel appends the process's id if it is told to. */
static void find_kernel_core(pid_t pid, const char *path)
{
	char pattern[256], name[512];

	CHECK(read_text("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)));
	snprintf(name, sizeof(name), "%s/%s", checkpoint_directory(), pattern);
	if (access(name, F_OK) < 0)
		snprintf(name, sizeof(name), "%s/%s.%d", checkpoint_directory(), pattern, pid);
	CHECK_CALL(rename(name, path));
}

/* Waits until it has ended by the signal. */
static void take_kernel_core(const struct core_program *program, int signal, const char *path)
{
	int status = test_wait(program->pid);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
	if (!WCOREDUMP(status))
		test_skip("the kernel writes no core here");
	find_kernel_core(program->pid, path);
}

static void dump_by_gdb(struct core_program *program, const char *path)
{
	char pid[32], command[512], text[8192];
	/* what gcore(1) does, which has no choice of a name */
	char *arguments[] = { "gdb", "--nx",  "--batch", "-iex",   "set auto-load off",
			      "-ex", command, "-ex",	 "detach", "-p",
			      pid,   NULL };

	snprintf(pid, sizeof(pid), "%d", program->pid);
	snprintf(command, sizeof(command), "gcore %s", path);
	run(arguments, text, sizeof(text));
	if (access(path, F_OK) < 0) {
		kill(program->pid, SIGKILL);
		test_expect_signal(program->pid, SIGKILL);
		test_skip("gdb may not look at a process: %s", text);
	}
	CHECK_CALL(kill(program->pid, SIGKILL));
	test_expect_signal(program->pid, SIGKILL);
}

void core_dump(struct core_program *program, enum core_origin origin, const char *path)
{
	test_forget_process(program->pid);
	unlink(path);
	if (origin == CORE_BY_GDB)
		dump_by_gdb(program, path);
	/* a signal from outside: without it the program would have gone on */
	else if (CHECK_CALL(kill(program->pid, SIGQUIT)) == 0)
		take_kernel_core(program, SIGQUIT, path);
	close(program->input);
	close(program->output);
}

void core_end(struct core_program *program, const char *text, int signal, const char *path)
{
	test_forget_process(program->pid);
	unlink(path);
	test_write(program->input, text, strlen(text));
	take_kernel_core(program, signal, path);
	close(program->input);
	close(program->output);
}

int core_undump(const char *core, const char *executable, const char *option)
{
	char undump[512];
	char *arguments[] = { undump, (char *)core, "-o", (char *)executable, (char *)option, NULL };

	snprintf(undump, sizeof(undump), "%s", test_build_path("tools/undump"));
	return run(arguments, said, sizeof(said));
}

void core_remove_executable(const char *executable)
{
	char companion[512];

	snprintf(companion, sizeof(companion), "%s.core", executable);
	CHECK_CALL(unlink(executable));
	CHECK_CALL(unlink(companion));
}

const char *core_undump_said(void)
{
	return said;
}
