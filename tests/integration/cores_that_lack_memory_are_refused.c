/* SPDX-License-Identifier: MIT */
/*
 * Claim: a core that lacks memory is refused with what is missing: stacks that coredump_filter has
 * left out, the file that cannot prove to be the same, the offset at which the core was cut off.
 * On demand such a file is taken, unless it was changed since.  A program that has aborted is told
 * to end again, and does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/cores.h"

#define WORDS "some words of a file that is no library"

static char core[512], executable[512], file[512];

static void expect_refusal(const char *option, const char *words)
{
	int status = core_undump(core, executable, option);

	dprintf(2, "%s", core_undump_said());
	CHECK_EQUAL(status, 1);
	if (!strstr(core_undump_said(), words) || !strstr(core_undump_said(), core))
		test_fail(__FILE__, __LINE__, "it does not say \"%s\"", words);
	/* nothing is left, whole or not */
	CHECK(access(executable, F_OK) < 0);
}

static void dump_python(const char *code, unsigned filter)
{
	char *arguments[] = { "/usr/bin/python3", "-u", "-c", (char *)code, file, NULL };
	struct core_program program = core_start(arguments, filter);

	core_expect_line(&program, "ready");
	core_dump(&program, CORE_BY_KERNEL, core);
}

static void expect_words(void)
{
	char *arguments[] = { executable, NULL };
	struct core_program program = core_start(arguments, 0x33);

	test_write(program.input, "\n", 1);
	core_expect_line(&program, WORDS);
	core_expect_exit(&program, 0);
}

static void lacks_stack(void)
{
	dump_python("print('ready'); input()", 0);
	expect_refusal(NULL, "coredump_filter");
	expect_refusal("--assume-unchanged", "coredump_filter");
}

static void lacks_file(void)
{
	static const char code[] = "import mmap, sys\n"
				   "file = open(sys.argv[1])\n"
				   "memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
				   "print('ready')\n"
				   "input()\n"
				   "print(memory[:].decode())\n";
	int fd = CHECK_CALL(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));

	test_write(fd, WORDS, strlen(WORDS));
	dump_python(code, 0x33);
	expect_refusal(NULL, file);
	expect_refusal(NULL, "--assume-unchanged");
	if (core_undump(core, executable, "--assume-unchanged") != 0)
		test_fail(__FILE__, __LINE__, "undump: %s", core_undump_said());
	expect_words();
	core_remove_executable(executable);
	test_write(fd, "!", 1);
	close(fd);
	expect_refusal("--assume-unchanged", "changed since the core was written");
	/* the kernel writes all of it if it is told to */
	dump_python(code, 0xff);
	CHECK_CALL(unlink(file));
	CHECK_EQUAL(core_undump(core, executable, NULL), 0);
	core_remove_executable(executable);
}

static void lacks_end(void)
{
	struct stat status;

	dump_python("print('ready'); input()", 0x33);
	CHECK_CALL(stat(core, &status));
	CHECK_CALL(truncate(core, status.st_size - 4096));
	expect_refusal(NULL, "it is cut off");
}

static void has_aborted(void)
{
	char *arguments[] = { "/usr/bin/python3", "-u", "-c",
			      "import os; print('ready'); input(); os.abort()", NULL };
	char *again[] = { executable, NULL };
	struct core_program program = core_start(arguments, 0x33);
	int status;

	core_expect_line(&program, "ready");
	core_end(&program, "\n", SIGABRT, core);
	CHECK_EQUAL(core_undump(core, executable, NULL), 0);
	CHECK(strstr(core_undump_said(), "will end again"));
	program = core_start(again, 0);
	test_forget_process(program.pid);
	status = test_wait(program.pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	if (WCOREDUMP(status))
		CHECK_CALL(rename(checkpoint_path("core"), core));
	core_remove_executable(executable);
	close(program.input);
	close(program.output);
}

int main(void)
{
	static const char *const names[] = { "dump" };

	test_begin();
	core_need(CORE_BY_KERNEL);
	CHECK_CALL(setenv("LC_ALL", "C", 1));
	CHECK_CALL(setenv("PYTHONUTF8", "0", 1));
	CHECK_CALL(setenv("PYTHONCOERCECLOCALE", "0", 1));
	snprintf(core, sizeof(core), "%s", checkpoint_path("dump"));
	snprintf(executable, sizeof(executable), "%s", checkpoint_path("app"));
	snprintf(file, sizeof(file), "%s", checkpoint_path("words"));
	lacks_stack();
	lacks_file();
	lacks_end();
	has_aborted();
	checkpoint_clean(names, 1);
	return test_end();
}
