/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the kernel counts of a process, such as its CPU time, begins anew in a child, as after
 * fork(2), but for what its shell has used; and in a process that has moved.
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/mover.h"

#define USED_MS (1000 * test_patience())
#define SHELL_MS (USED_MS / 2)

static int64_t used_ms(void)
{
	struct timespec now;

	CHECK_CALL(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now));
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static int64_t usage_ms(void)
{
	struct rusage usage;

	CHECK_CALL(getrusage(RUSAGE_SELF, &usage));
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000) +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void use(void)
{
	while (used_ms() < USED_MS)
		;
}

static void see_little(void)
{
	CHECK_AT_MOST(used_ms(), SHELL_MS);
	CHECK_AT_MOST(usage_ms(), SHELL_MS);
}

static int move(const struct node *node)
{
	use();
	mover_go(node);
	see_little();
	return 0;
}

int main(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	use();
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		see_little();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	pid = node_move_returns_twice(&node, 0);
	if (pid == 0) {
		see_little();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK(used_ms() >= USED_MS);
	mover_run(&node, move);
	node_stop(&node);
	return test_end();
}
