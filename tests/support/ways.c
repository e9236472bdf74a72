/* SPDX-License-Identifier: MIT */
/*
 * Sends processes each way.  What fails in one of them is said on its standard error, which is the
 * test's, or comes with what undump_run() has kept.
 */
#define _GNU_SOURCE
#include "tests/support/ways.h"

#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/restart.h"
#include "tests/support/target.h"
#include "tests/support/undump.h"

enum { READY, FINISH };

static void (*build_state)(void);
static void (*verify_state)(enum way way);

static int rfork_body(const struct node *node)
{
	pid_t pid;

	build_state();
	pid = node_move_returns_twice(node, 0);
	if (!pid)
		verify_state(WAY_FORK);
	else
		test_expect_exit(pid, 0);
	return 0;
}

static int move_body(const struct node *node)
{
	build_state();
	mover_go(node);
	verify_state(WAY_MOVE);
	return 0;
}

static int executable_body(void)
{
	build_state();
	restart_point();
	verify_state(WAY_EXECUTABLE);
	return RESTART_RIGHT;
}

/* The process itself goes on until it is told; what was made of it knows by its pid, which libc
 * need not ask the kernel for. */
static int process_body(struct target *target)
{
	long original = syscall(SYS_getpid);

	build_state();
	target_set(target, READY, 1);
	while (syscall(SYS_getpid) == original)
		if (atomic_load(&target->words[FINISH]))
			return 0;
		else
			sched_yield();
	verify_state(WAY_PROCESS);
	return 0;
}

static void go_as_executable(const char *path)
{
	restart_write(path, executable_body);
	restart_expect(path);
	CHECK_CALL(unlink(path));
}

static void go_as_process(const char *path)
{
	struct undump_result result;
	struct target target;

	target_start(&target, process_body, 0);
	target_await(&target, READY, 1);
	undump_process(target.pid, path, NULL);
	undump_run(&result, path, NULL);
	if (result.status != 0)
		test_fail(__FILE__, __LINE__, "the executable: exit %d: %s", result.status,
			  result.text);
	target_set(&target, FINISH, 1);
	target_end(&target);
	undump_remove(path);
}

void ways_go(const struct node *node, enum way way, void (*build)(void),
	     void (*verify)(enum way way))
{
	char path[96];

	snprintf(path, sizeof(path), "%s/executable", node->directory);
	build_state = build;
	verify_state = verify;
	switch (way) {
	case WAY_FORK:
		mover_run(node, rfork_body);
		return;
	case WAY_MOVE:
		mover_run(node, move_body);
		return;
	case WAY_EXECUTABLE:
		go_as_executable(path);
		break;
	default:
		go_as_process(path);
	}
}

void ways_check(const struct node *node, void (*build)(void), void (*verify)(enum way way))
{
	for (enum way way = 0; way < WAYS; way++)
		ways_go(node, way, build, verify);
}

int ways_three_beats(void (*build)(void), void (*verify)(enum way way))
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	ways_check(&node, build, verify);
	node_stop(&node);
	return test_end();
}
