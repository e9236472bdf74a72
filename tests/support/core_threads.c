/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/core_threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RESTARTS 3
#define STATUS 7

/* What gcore has not written, and undump has said so. */
static bool is_known_loss(const char *line)
{
	const char *name = strstr(line, ": ");
	int number;

	if (!name || !strstr(core_undump_said(), "k0 to k7 and the upper halves of zmm0 to zmm5"))
		return false;
	name += 2;
	if (name[0] == 'k')
		return true;
	return sscanf(name, "upper %d", &number) == 1 && number <= 5;
}

static void resume(const char *executable)
{
	char *arguments[] = { (char *)executable, NULL };
	struct core_program program = core_start(arguments, 0x33);
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
	for (int i = 0; i < RESTARTS; i++)
		resume(executable);
	CHECK_CALL(unlink(core));
	core_remove_executable(executable);
}
