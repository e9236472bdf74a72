/* SPDX-License-Identifier: MIT */
/*
 * A process that visits a node with another C library: what it has loaded goes with it, and what it
 * loads there is the node's.  Started by processes_visit_another_release.sh, on either side:
 *
 *   visitor later|earlier go HOST          to the node, whose C library is later or earlier: once for
 *                                          each claim and way, by rfork(), and by rfork_move()
 *   visitor later|earlier return HOST HOME to the node and home again, by rfork_move()
 *   visitor later|earlier executable PATH  writes an executable of itself, by rfork_undump()
 *   visitor later|earlier statefile PATH   by rfork_checkpoint(); maps by reference
 *   visitor later|earlier whole PATH       the same with RFORK_SELF_CONTAINED
 *   visitor later|earlier process PATH     has undump -p write an executable
 *
 * What has been written does, when it is restarted, what the children of the first two do there.
 */
#define _GNU_SOURCE
#include "tests/libraries/visitor.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/undump.h"

static const struct visit visits[] = {
	{ "libraries go along by content", visit_find_libraries, visit_check_libraries,
	  visit_recheck_libraries },
	{ "memory and output work", NULL, visit_use_memory, visit_use_memory },
	{ "threads start, and are cancelled", NULL, visit_start_threads, visit_start_threads },
	{ "the node's libraries open", NULL, visit_open_library, visit_keep_library },
	{ "libraries for a later C library say so", NULL, visit_open_later, NULL },
	{ "parts of the node's C library open", NULL, visit_open_parts, visit_use_parts },
	{ "users are the node's", visit_miss_user, visit_find_user, visit_miss_user },
	{ "modules of the name service load", visit_miss_user, visit_load_module, NULL },
	{ "modules for a later C library do without", NULL, visit_load_later_module, NULL },
	{ "the node's locales load", NULL, visit_load_locale, visit_check_locale },
	{ "the locale goes along", visit_set_locale, visit_use_locale, visit_use_locale },
	{ "conversions go on", visit_begin_conversion, visit_go_on_converting, NULL },
	{ "the node's conversions load", NULL, visit_load_conversion, visit_end_conversion },
	{ "names of hosts are the node's", visit_miss_host, visit_find_host, visit_miss_host },
	{ "programs are the node's", NULL, visit_run_program, visit_run_home_program },
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

static void prepare_all(void)
{
	for (size_t i = 0; i < VISITS; i++)
		prepare(&visits[i]);
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

static void move(const char *host)
{
	if (rfork_move_with(host, &options) < 0)
		test_fail(__FILE__, __LINE__, "rfork_move: %s", rfork_error());
}

static void move_there(const char *host, const struct visit *visit)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		prepare(visit);
		move(host);
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
	foreseen_add_host(host);
	for (size_t i = 0; i < VISITS; i++) {
		say(&visits[i]);
		fork_there(host, &visits[i]);
		move_there(host, &visits[i]);
	}
}

/* All of them in one process: what has been loaded there is still there when it is back. */
static _Noreturn void travel(const char *host, const char *home)
{
	prepare_all();
	move(host);
	for (size_t i = 0; i < VISITS; i++)
		visits[i].there();
	move(home);
	for (size_t i = 0; i < VISITS; i++) {
		say(&visits[i]);
		if (visits[i].home)
			visits[i].home();
	}
	_exit(0);
}

static void go_and_return(const char *host, const char *home)
{
	pid_t pid;

	foreseen_add_host(host);
	foreseen_add_host(home);
	pid = CHECK_CALL(fork());
	if (!pid)
		travel(host, home);
	test_expect_exit(pid, 0);
}

/* The one that is restarted: nothing of the test's support is its own, so it waits by itself. */
static _Noreturn void visit_all(void)
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
	_exit(0);
}

static void write_executable(const char *path)
{
	int result;

	prepare_all();
	result = rfork_undump(path);
	if (result < 0)
		test_fail(__FILE__, __LINE__, "rfork_undump: %s", rfork_error());
	if (result == 0)
		visit_all();
}

static void write_statefile(const char *path, unsigned flags)
{
	rfork_crid_t crid;

	prepare_all();
	crid = checkpoint_hold(flags);
	if (crid == 0)
		visit_all();
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
}

/* Stops when all is ready, and goes on as another process, which the executable is. */
static _Noreturn void wait_to_be_taken(void)
{
	long pid = syscall(SYS_getpid);

	prepare_all();
	CHECK_CALL(raise(SIGSTOP));
	while (syscall(SYS_getpid) == pid)
		sched_yield();
	visit_all();
}

static void be_taken(const char *path)
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (!pid)
		wait_to_be_taken();
	test_guard_process(pid);
	CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_CALL(kill(pid, SIGCONT));
	undump_process(pid, path, "--no-core");
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL);
	test_forget_process(pid);
}

static void choose(char **arguments)
{
	const char *way = arguments[0], *where = arguments[1], *home = arguments[2];

	if (!strcmp(way, "go"))
		go(where);
	else if (!strcmp(way, "return") && home)
		go_and_return(where, home);
	else if (!strcmp(way, "executable"))
		write_executable(where);
	else if (!strcmp(way, "statefile"))
		write_statefile(where, 0);
	else if (!strcmp(way, "whole"))
		write_statefile(where, RFORK_SELF_CONTAINED);
	else if (!strcmp(way, "process"))
		be_taken(where);
	else
		test_fail(__FILE__, __LINE__, "there is no way %s", way);
}

int main(int argc, char **argv)
{
	test_begin();
	if (argc < 4)
		test_fail(__FILE__, __LINE__, "usage: %s later|earlier WAY WHERE [HOME]", argv[0]);
	visit_is_later = strcmp(argv[1], "later") == 0;
	choose(argv + 2);
	return test_end();
}
