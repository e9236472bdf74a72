/* SPDX-License-Identifier: MIT */
/*
 * Claim: cores of programs that know nothing of us, an interpreter and a database, by the kernel
 * and by gcore, become executables that go on with what the programs had in memory, and answer new
 * questions; and so do cores of those executables.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/cores.h"

#define RESTARTS 2
#define FILTER_FILES 4u /* of coredump_filter: private memory of files */

struct program {
	char *arguments[6];
	const char *begin; /* what it reads first; then it says "ready" */
	const char *question, *answer;
};

static const struct program programs[] = {
	{ { "/usr/bin/python3", "-u", "-c",
	    "import sys, re, json\n"
	    "squares = {i: i * i for i in range(20000)}\n"
	    "print('ready')\n"
	    "for line in sys.stdin:\n"
	    "    print(json.dumps(eval(re.sub('sum', 'sum(squares.values())+', line))))\n" },
	  "",
	  "sum squares[7]\n",
	  "2666466670049" },
	{ { "/usr/bin/sqlite3", "-batch", ":memory:" },
	  "create table t(x); with recursive c(i) as (select 1 union all select i + 1 from c where i < 9999)"
	  " insert into t select i * i from c; select 'ready';\n",
	  "select sum(x) from t;\n",
	  "333283335000" },
};

static void resume(const struct program *about, const char *executable)
{
	struct core_program program = core_restart(executable, 0x33);

	test_write(program.input, about->question, strlen(about->question));
	core_expect_line(&program, about->answer);
	close(program.input);
	program.input = -1;
	core_expect_exit(&program, 0);
}

/* The core of a program that was restarted from one: its memory is mapped from the executable. */
static void dump_again(const struct program *about, const char *executable, unsigned filter,
		       const char *option)
{
	char core[512], next[512];
	struct core_program program = core_restart(executable, filter);

	snprintf(core, sizeof(core), "%s", checkpoint_path("dump2"));
	snprintf(next, sizeof(next), "%s", checkpoint_path("app2"));
	test_write(program.input, about->question, strlen(about->question));
	core_expect_line(&program, about->answer);
	core_dump(&program, CORE_BY_KERNEL, core);
	dprintf(2, "%s, restarted, filter %#x\n", about->arguments[0], filter);
	if (core_undump(core, next, option) != 0)
		test_fail(__FILE__, __LINE__, "undump: %s", core_undump_said());
	CHECK(!strstr(core_undump_said(), "rseq"));
	resume(about, next);
	CHECK_CALL(unlink(core));
	core_remove_executable(next);
}

static void dump_and_resume(const struct program *about, enum core_origin origin, unsigned filter)
{
	char core[512], executable[512];
	struct core_program program = core_start(about->arguments, filter);

	snprintf(core, sizeof(core), "%s", checkpoint_path("dump"));
	snprintf(executable, sizeof(executable), "%s", checkpoint_path("app"));
	test_write(program.input, about->begin, strlen(about->begin));
	core_expect_line(&program, "ready");
	core_dump(&program, origin, core);
	dprintf(2, "%s, filter %#x\n", about->arguments[0], filter);
	if (core_undump(core, executable, NULL) != 0)
		test_fail(__FILE__, __LINE__, "undump: %s", core_undump_said());
	for (int i = 0; i < RESTARTS; i++)
		resume(about, executable);
	if (origin == CORE_BY_KERNEL)
		dump_again(about, executable, filter,
			   filter & FILTER_FILES ? NULL : "--assume-unchanged");
	CHECK_CALL(unlink(core));
	core_remove_executable(executable);
}

int main(void)
{
	test_begin();
	core_need(CORE_BY_KERNEL);
	core_need(CORE_BY_GDB);
	/* no locale, whose files have no build-id */
	CHECK_CALL(setenv("LC_ALL", "C", 1));
	CHECK_CALL(setenv("PYTHONUTF8", "0", 1));
	CHECK_CALL(setenv("PYTHONCOERCECLOCALE", "0", 1));
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		dump_and_resume(&programs[i], CORE_BY_KERNEL, 0x33);
		dump_and_resume(&programs[i], CORE_BY_KERNEL, 0xff);
		dump_and_resume(&programs[i], CORE_BY_GDB, 0x33);
	}
	checkpoint_clean(NULL, 0);
	return test_end();
}
