/* SPDX-License-Identifier: MIT */
/*
 * A process that visits a node with another C library, once for each claim and way: what it has
 * loaded goes with it, and what it loads there is the node's.  Started by
 * processes_visit_another_release.sh, on either side:
 *
 *   visitor later|earlier HOST       to the node, whose C library is later or earlier
 *   visitor later|earlier PATH       writes an executable of itself (a name with a slash), which
 *                                    does there what its children would do on a node
 */
#define _GNU_SOURCE
#include "tests/libraries/visitor.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct visit visits[] = {
	{ "libraries go along by content", visit_find_libraries, visit_check_libraries },
	{ "memory and output work", NULL, visit_use_memory },
	{ "threads start, and are cancelled", NULL, visit_start_threads },
	{ "the node's libraries open", NULL, visit_open_library },
	{ "libraries for a later C library say so", NULL, visit_open_later },
	{ "parts of the node's C library open", NULL, visit_open_parts },
	{ "users are the node's", visit_miss_user, visit_find_user },
	{ "modules of the name service load", visit_miss_user, visit_load_module },
	{ "modules for a later C library do without", NULL, visit_load_later_module },
	{ "the node's locales load", NULL, visit_load_locale },
	{ "the locale goes along", visit_set_locale, visit_use_locale },
	{ "conversions go on", visit_begin_conversion, visit_go_on_converting },
	{ "the node's conversions load", NULL, visit_load_conversion },
	{ "names of hosts are the node's", visit_miss_host, visit_find_host },
	{ "programs are the node's", NULL, visit_run_program },
};

#define VISITS (sizeof(visits) / sizeof(visits[0]))

bool visit_is_later;

static const struct rfork_options options = { .size = sizeof(options),
					      .flags = RFORK_INSECURE_PLAINTEXT };

static void prepare(const struct visit *visit)
{
	if (visit->before)
		visit->before();
}

static _Noreturn void arrive(const struct visit *visit)
{
	visit->there();
	fflush(stdout);
	_exit(0);
}

static void fork_there(const char *host, const struct visit *visit)
{
	pid_t pid;

	prepare(visit);
	pid = rfork_with(host, &options);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	if (!pid)
		arrive(visit);
	test_expect_exit(pid, 0);
}

static void move_there(const char *host, const struct visit *visit)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		prepare(visit);
		if (rfork_move_with(host, &options) < 0)
			test_fail(__FILE__, __LINE__, "rfork_move: %s", rfork_error());
		arrive(visit);
	}
	test_expect_exit(pid, 0);
}

static void say(const struct visit *visit)
{
	printf("%s\n", visit->claim);
	fflush(stdout);
}

static void go(const char *host)
{
	for (size_t i = 0; i < VISITS; i++) {
		say(&visits[i]);
		fork_there(host, &visits[i]);
		move_there(host, &visits[i]);
	}
}

/* The one that is restarted: nothing of the test's support is its own, so it waits by itself. */
static int visit_all(void)
{
	int status, failures = 0;

	for (size_t i = 0; i < VISITS; i++) {
		pid_t pid;

		say(&visits[i]);
		pid = CHECK_CALL(fork());
		if (!pid)
			arrive(&visits[i]);
		CHECK_EQUAL(waitpid(pid, &status, 0), pid);
		failures += status != 0;
	}
	CHECK_EQUAL(failures, 0);
	return 0;
}

static int write_executable(const char *path)
{
	int result;

	for (size_t i = 0; i < VISITS; i++)
		prepare(&visits[i]);
	result = rfork_undump(path);
	if (result < 0)
		test_fail(__FILE__, __LINE__, "rfork_undump: %s", rfork_error());
	return result == 0 ? visit_all() : 0;
}

int main(int argc, char **argv)
{
	test_begin();
	if (argc != 3)
		test_fail(__FILE__, __LINE__, "usage: %s later|earlier HOST|PATH", argv[0]);
	visit_is_later = strcmp(argv[1], "later") == 0;
	if (strchr(argv[2], '/'))
		return write_executable(argv[2]);
	go(argv[2]);
	return test_end();
}
