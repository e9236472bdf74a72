/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/core_threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RESTARTS 3
#define STATUS 7

/* What gcore has not written, or nobody can find in a static program's memory, and undump has said
 * so. */
static bool is_known_loss(const char *line)
{
	const char *name = strstr(line, ": ");
	int number;

	if (strncmp(line, "main: it runs on", 16) == 0)
		return strstr(core_undump_said(), "(rseq)");
	if (!name || !strstr(core_undump_said(), "k0 to k7 and the upper halves of zmm0 to zmm5"))
		return false;
	name += 2;
	if (name[0] == 'k')
		return true;
	return sscanf(name, "upper %d", &number) == 1 && number <= 5;
}

static void resume(const char *executable)
{
	struct core_program program = core_restart(executable, 0x33);
	const char *line;
	int faults = 0;

	test_write(program.input, "x", 1);
	while ((line = core_read_line(&program)) && strcmp(line, "end") != 0) {
		if (is_known_loss(line))
			continue;
		dprintf(2, "restarted: %s\n", line);
		faults++;
	}
	CHECK_EQUAL(faults, 0);
	CHECK(line);
	core_expect_exit(&program, STATUS);
}

/* The core of an executable that has just gone on, whose memory is the executable's for the most
 * part. */
static void dump_again(const char *executable)
{
	char core[512], next[512];
	struct core_program program = core_restart(executable, 0xff);

	snprintf(core, sizeof(core), "%s", checkpoint_path("dump2"));
	snprintf(next, sizeof(next), "%s", checkpoint_path("app2"));
	core_dump(&program, CORE_BY_KERNEL, core);
	if (core_undump(core, next, NULL) != 0)
		test_fail(__FILE__, __LINE__, "undump: %s", core_undump_said());
	resume(next);
	CHECK_CALL(unlink(core));
	core_remove_executable(next);
}

void core_threads_resume(const char *build, enum core_origin origin, unsigned filter)
{
	char path[512], core[512], executable[512];
	char *arguments[] = { path, "argument", NULL };
	struct core_program program;

	snprintf(path, sizeof(path), "%s", test_build_path(build));
	snprintf(core, sizeof(core), "%s", checkpoint_path("dump"));
	snprintf(executable, sizeof(executable), "%s", checkpoint_path("app"));
	CHECK_CALL(setenv("COUNTING", "1", 1));
	program = core_start(arguments, filter);
	CHECK_CALL(unsetenv("COUNTING"));
	core_expect_line(&program, "ready");
	core_dump(&program, origin, core);
	dprintf(2, "%s, filter %#x\n", build, filter);
	if (core_undump(core, executable, NULL) != 0)
		test_fail(__FILE__, __LINE__, "undump: %s", core_undump_said());
	CHECK(!strstr(core_undump_said(), "(rseq)"));
	for (int i = 0; i < RESTARTS; i++)
		resume(executable);
	if (origin == CORE_BY_KERNEL && filter == 0xff)
		dump_again(executable);
	CHECK_CALL(unlink(core));
	core_remove_executable(executable);
}
