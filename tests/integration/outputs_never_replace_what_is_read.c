/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump puts no core in the place of the file that it names as the process's memory,
 * neither by --core nor beside an executable, and no executable in that of its image; and neither
 * undump nor rfork_undump() replaces what is no regular file.  All that is refused before anything
 * is written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/undump.h"

static const char *path_of(const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", checkpoint_directory(), name);
	return path;
}

static void expect_whole(const char *path)
{
	struct undump_result result;

	undump_run(&result, test_build_path("tools/undump"), "--check", path, NULL);
	if (result.status != 0)
		test_fail(__FILE__, __LINE__, "%s", result.text);
}

/* undump [--core] INPUT -o OUTPUT says why not. */
static void expect_refusal(const char *option, const char *input, const char *output,
			   const char *sentence)
{
	struct undump_result result;

	undump_run(&result, test_build_path("tools/undump"), input, "-o", output, option, NULL);
	if (result.status != 1 || !strstr(result.text, sentence))
		test_fail(__FILE__, __LINE__, "%s -o %s: exit %d: %s", input, output, result.status,
			  result.text);
}

static void check_executable_over_its_image(const char *state)
{
	char other[256];

	expect_refusal(NULL, state, state, "it is being read");
	CHECK_CALL(link(state, path_of("other", other)));
	expect_refusal("--no-core", state, other, "it is being read");
	CHECK_CALL(unlink(other));
	expect_whole(state);
}

/* By another of its names, too. */
static void check_core_over_its_memory(const char *state)
{
	char other[256];

	expect_refusal("--core", state, state, "it is being read");
	CHECK_CALL(link(state, path_of("other", other)));
	expect_refusal("--core", state, other, "it is being read");
	CHECK_CALL(unlink(other));
	expect_whole(state);
}

static void check_companion_over_input(const char *state)
{
	char core[256], executable[256];
	struct undump_result result;

	CHECK_CALL(rename(state, path_of("app.core", core)));
	path_of("app", executable);
	expect_refusal(NULL, core, executable, "app.core: it is being read");
	CHECK_EQUAL(access(executable, F_OK), -1);
	expect_whole(core);
	undump_run(&result, test_build_path("tools/undump"), core, "-o", executable, "--no-core",
		   NULL);
	if (result.status != 0)
		test_fail(__FILE__, __LINE__, "%s", result.text);
	expect_whole(core);
	CHECK_CALL(unlink(executable));
	CHECK_CALL(rename(core, state));
}

static void expect_fifo(const char *path)
{
	struct stat status;

	CHECK_CALL(lstat(path, &status));
	CHECK(S_ISFIFO(status.st_mode));
}

static void check_fifos(const char *state)
{
	char fifo[256], companion[256], executable[256];

	CHECK_CALL(mkfifo(path_of("fifo", fifo), 0600));
	CHECK_CALL(mkfifo(path_of("app.core", companion), 0600));
	path_of("app", executable);
	expect_refusal(NULL, state, fifo, "not a regular file");
	expect_refusal("--core", state, fifo, "not a regular file");
	expect_refusal(NULL, state, executable, "app.core: it is not a regular file");
	expect_refusal(NULL, state, checkpoint_directory(), "directory");
	CHECK_EQUAL(access(executable, F_OK), -1);
	CHECK_EQUAL(rfork_undump(fifo), -1);
	CHECK_EQUAL(errno, EINVAL);
	CHECK(strstr(rfork_error(), "not a regular file"));
	expect_fifo(fifo);
	expect_fifo(companion);
	CHECK_CALL(unlink(fifo));
	CHECK_CALL(unlink(companion));
}

int main(void)
{
	static const char *const names[] = { "state" };
	const char *state;
	rfork_crid_t crid;

	test_begin();
	state = checkpoint_path("state");
	crid = checkpoint_hold(0);
	checkpoint_write(crid, state);
	CHECK_CALL(rfork_discard(crid));
	check_core_over_its_memory(state);
	check_executable_over_its_image(state);
	check_companion_over_input(state);
	check_fifos(state);
	checkpoint_clean(names, 1);
	return test_end();
}
