/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a node cannot give a child is no failure, and rfork_report() says it in a line each,
 * in the child and in the caller; the next call that gets all has an empty report.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"

#define NODE_FILES 500
#define NODE_STACK (64ul << 20)

/* In the new process before it becomes the server: an ordinary user's, with lower hard limits and
 * a nice value that only privilege takes back. */
static void lessen(const struct node *node)
{
	const struct rlimit files = { NODE_FILES, NODE_FILES }, stack = { NODE_STACK, NODE_STACK };
	const struct rlimit none = { 0, 0 };

	(void)node;
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &files));
	CHECK_CALL(setrlimit(RLIMIT_STACK, &stack));
	CHECK_CALL(setrlimit(RLIMIT_NICE, &none));
	CHECK_CALL(setrlimit(RLIMIT_RTPRIO, &none));
	CHECK_CALL(setpriority(PRIO_PROCESS, 0, 7));
}

static void expect_line(const char *report, const char *line)
{
	if (!strstr(report, line))
		test_fail(__FILE__, __LINE__, "no \"%s\" in \"%s\"", line, report);
}

static void look_for_warnings(const char *report)
{
	expect_line(report, "RLIMIT_NOFILE: the soft limit is 500, not 1000\n");
	expect_line(report, "RLIMIT_NOFILE: the hard limit is 500, not 1000\n");
	expect_line(report, "RLIMIT_STACK: the hard limit is 67108864, not 134217728\n");
	expect_line(report, "nice value: it is 7, not 2: ");
}

static void set_own(void)
{
	const struct rlimit files = { 1000, 1000 }, stack = { 8ul << 20, 2 * NODE_STACK };

	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &files));
	CHECK_CALL(setrlimit(RLIMIT_STACK, &stack));
	CHECK_CALL(setpriority(PRIO_PROCESS, 0, 2));
}

static void warned(const struct node *node)
{
	pid_t pid = node_move_returns_twice(node, 0);

	if (pid == 0) {
		struct rlimit limit;

		look_for_warnings(rfork_report());
		CHECK_CALL(getrlimit(RLIMIT_NOFILE, &limit));
		CHECK(limit.rlim_cur == NODE_FILES && limit.rlim_max == NODE_FILES);
		CHECK_EQUAL(getpriority(PRIO_PROCESS, 0), 7);
		_exit(0);
	}
	look_for_warnings(rfork_report());
	test_expect_exit(pid, 0);
}

/* Realtime scheduling is for the privileged, and for those whose limit allows it. */
static void warned_of_realtime(const struct node *node)
{
	const struct sched_param priority = { .sched_priority = 5 };
	pid_t pid;

	if (sched_setscheduler(0, SCHED_FIFO, &priority) < 0) {
		printf("realtime: not to be had here\n");
		return;
	}
	pid = node_move_returns_twice(node, 0);
	if (pid == 0) {
		expect_line(rfork_report(),
			    "scheduling policy: it is SCHED_OTHER, not SCHED_FIFO 5: ");
		_exit(sched_getscheduler(0) == SCHED_OTHER ? 0 : 1);
	}
	expect_line(rfork_report(), "scheduling policy: it is SCHED_OTHER, not SCHED_FIFO 5: ");
	test_expect_exit(pid, 0);
	CHECK_CALL(sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 }));
}

static void content(const struct node *node)
{
	const struct rlimit files = { 400, 400 }, stack = { 8ul << 20, NODE_STACK };
	pid_t pid;

	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &files));
	CHECK_CALL(setrlimit(RLIMIT_STACK, &stack));
	CHECK_CALL(setpriority(PRIO_PROCESS, 0, 7));
	pid = node_move_returns_twice(node, 0);
	if (pid == 0)
		_exit(strcmp(rfork_report(), "") == 0 ? 0 : 1);
	CHECK_TEXT(rfork_report(), "");
	test_expect_exit(pid, 0);
}

int main(void)
{
	/* root's server would be as privileged as we are */
	const char *const arguments[] = { "--user", "nobody", NULL };
	struct node node;

	test_begin();
	CHECK_CALL(chdir("/")); /* where every user may be */
	CHECK_TEXT(rfork_report(), "");
	node_before_server = lessen;
	node_start(&node, geteuid() == 0 ? arguments : NULL);
	set_own();
	warned(&node);
	warned_of_realtime(&node);
	content(&node);
	node_stop(&node);
	return test_end();
}
