/* SPDX-License-Identifier: MIT */
/*
 * State of the process as a whole.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/state/row.h"

/* -- umask, working directory, name ------------------------------------------------------------ */

static void set_umask(void)
{
	umask(0137);
}

static void see_umask(void)
{
	CHECK_EQUAL(umask(0), 0137);
}

static void change_directory(void)
{
	CHECK_CALL(chdir("/usr/bin"));
}

static void see_directory(void)
{
	char path[PATH_MAX];

	CHECK(getcwd(path, sizeof(path)));
	CHECK_TEXT(path, "/usr/bin");
}

static void take_name(void)
{
	CHECK_CALL(prctl(PR_SET_NAME, "a long-lived 15", 0, 0, 0));
}

static void see_name(void)
{
	char name[16] = "";

	CHECK_CALL(prctl(PR_GET_NAME, name, 0, 0, 0));
	CHECK_TEXT(name, "a long-lived 15");
}

/* -- what /proc says of its memory ------------------------------------------------------------- */

/* As the process has seen it before. */
static char text_was[65536];
static size_t bytes_were;

static size_t read_proc(const char *name, char *text, size_t bytes)
{
	char path[64];
	size_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	got = test_read(fd, text, bytes);
	close(fd);
	return got;
}

static void note(const char *name)
{
	bytes_were = read_proc(name, text_was, sizeof(text_was));
	CHECK(bytes_were > 0);
}

static void expect_noted(const char *name)
{
	static char text[sizeof(text_was)];

	CHECK_EQUAL(read_proc(name, text, sizeof(text)), bytes_were);
	CHECK(memcmp(text, text_was, bytes_were) == 0);
}

static void note_arguments(void)
{
	note("cmdline");
}

static void see_arguments(void)
{
	expect_noted("cmdline");
}

static void note_environment(void)
{
	note("environ");
}

static void see_environment(void)
{
	expect_noted("environ");
}

static void note_auxv(void)
{
	note("auxv");
}

static void see_auxv(void)
{
	expect_noted("auxv");
	CHECK(getauxval(AT_RANDOM));
}

/* Fields of /proc/self/stat, by their numbers in proc_pid_stat(5). */
enum { START_CODE = 26, END_CODE = 27, START_STACK = 28, START_DATA = 45, END_DATA = 46 };

static const int range_fields[] = { START_CODE, END_CODE, START_STACK, START_DATA, END_DATA };
#define RANGES (sizeof(range_fields) / sizeof(range_fields[0]))

static void read_ranges(unsigned long ranges[RANGES])
{
	char text[2048];
	const char *next;

	text[read_proc("stat", text, sizeof(text) - 1)] = '\0';
	next = strrchr(text, ')');
	CHECK(next);
	for (int field = 3, found = 0; found < (int)RANGES; field++) {
		next = strchr(next, ' ') + 1;
		if (field == range_fields[found])
			CHECK_EQUAL(sscanf(next, "%lu", &ranges[found++]), 1);
	}
}

static unsigned long ranges_were[RANGES];

static void note_ranges(void)
{
	read_ranges(ranges_were);
	CHECK(ranges_were[0] && ranges_were[1] > ranges_were[0] + 1);
}

static void see_ranges(void)
{
	unsigned long ranges[RANGES];

	read_ranges(ranges);
	for (size_t i = 0; i < RANGES; i++)
		CHECK_EQUAL(ranges[i], ranges_were[i]);
}

/* -- rights ------------------------------------------------------------------------------------ */

#define CAPABILITY CAP_MKNOD

static struct __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];

static void get_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	CHECK_CALL(syscall(SYS_capget, &head, capabilities));
}

static void drop_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	get_capabilities();
	if (!(capabilities[0].permitted & CAP_TO_MASK(CAPABILITY)) ||
	    prctl(PR_CAPBSET_DROP, CAPABILITY, 0, 0, 0) < 0)
		test_skip("there is no capability to drop");
	capabilities[0].permitted &= ~CAP_TO_MASK(CAPABILITY);
	capabilities[0].effective &= ~CAP_TO_MASK(CAPABILITY);
	capabilities[0].inheritable &= ~CAP_TO_MASK(CAPABILITY);
	CHECK_CALL(syscall(SYS_capset, &head, capabilities));
}

static void see_capabilities(void)
{
	get_capabilities();
	CHECK_EQUAL(capabilities[0].permitted & CAP_TO_MASK(CAPABILITY), 0);
	CHECK_EQUAL(prctl(PR_CAPBSET_READ, CAPABILITY, 0, 0, 0), 0);
}

/* -- who it is --------------------------------------------------------------------------------- */

static void see_identity(void)
{
	struct rfork_identity identity = { .size = sizeof(identity) };

	CHECK_CALL(rfork_self(&identity));
	CHECK_EQUAL(identity.hops, state_way == STATE_FORK ? 0 : 1);
	CHECK_EQUAL(identity.home.pid, state_way == STATE_FORK ? getpid() : state_pid);
}

const struct state_row state_process_rows[] = {
	{ "umask", set_umask, see_umask, .ways = STATE_ALL },
	{ "working-directory", change_directory, see_directory, .ways = STATE_ALL },
	{ "name", take_name, see_name, .ways = STATE_ALL },
	/* an executable is started with arguments of its own, rfork_restart_args(3) */
	{ "arguments", note_arguments, see_arguments,
	  .ways = STATE_CHILDREN | STATE_BY(MOVE) | STATE_BY(NODE) },
	{ "environment", note_environment, see_environment, .ways = STATE_ALL },
	{ "auxiliary-vector", note_auxv, see_auxv, .ways = STATE_ALL },
	{ "code-ranges", note_ranges, see_ranges, .ways = STATE_ALL },
	{ "clocks", .ways = STATE_BY(RFORK),
	  .program = "tests/integration/clocks_go_on_with_privilege" },
	{ "capabilities", drop_capability, see_capabilities, .ways = STATE_ALL },
	/* undump -p takes a process without its knowledge */
	{ "identity", NULL, see_identity, .ways = STATE_ALL & ~STATE_BY(PROCESS) },
	{ .kind = NULL },
};
