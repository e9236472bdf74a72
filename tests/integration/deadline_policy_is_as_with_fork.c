/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process of policy SCHED_DEADLINE cannot call rfork() or keep a checkpoint, as it cannot
 * call fork(2): EAGAIN.  With SCHED_FLAG_RESET_ON_FORK it can, and the child has the default policy.
 * Where the process itself goes, by rfork_move() and undump -p, its policy goes with runtime,
 * deadline and period.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/node.h"
#include "tests/support/undump.h"

#define RIGHT 23
#define POLICY 6u /* SCHED_DEADLINE */
#define RESET_ON_FORK 1u

/* As sched_setattr(2) takes it; a thirtieth of a CPU. */
struct schedule {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

static const struct schedule plain = { .size = sizeof(plain),
				       .policy = POLICY,
				       .runtime_ns = 1000000,
				       .deadline_ns = 20000000,
				       .period_ns = 30000000 };
static struct node node;

static int choose(uint64_t flags)
{
	struct schedule schedule = plain;

	schedule.flags = flags;
	return (int)syscall(SYS_sched_setattr, 0, &schedule, 0);
}

static bool has_chosen(uint64_t flags)
{
	struct schedule now = { .size = 0 };

	CHECK_CALL((int)syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0));
	return now.policy == plain.policy && now.flags == flags &&
	       now.runtime_ns == plain.runtime_ns && now.deadline_ns == plain.deadline_ns &&
	       now.period_ns == plain.period_ns;
}

static void expect_refusals(void)
{
	CHECK_CALL(choose(0));
	CHECK_EQUAL(fork(), -1);
	CHECK_EQUAL(errno, EAGAIN);
	CHECK_EQUAL(rfork(node.host), -1);
	CHECK_EQUAL(errno, EAGAIN);
	CHECK_EQUAL(rfork_checkpoint(0), -1);
	CHECK_EQUAL(errno, EAGAIN);
	CHECK(has_chosen(0));
}

static void expect_reset(void)
{
	pid_t pid;

	CHECK_CALL(choose(RESET_ON_FORK));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(sched_getscheduler(0), SCHED_OTHER);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK(has_chosen(RESET_ON_FORK));
}

static void move_itself(void)
{
	CHECK_CALL(choose(0));
	/* there a helper of the ghost would be a child */
	if (strncmp(node.host, "rdma://", strlen("rdma://")) == 0) {
		CHECK_EQUAL(rfork_move(node.host), -1);
		CHECK_EQUAL(errno, EAGAIN);
		return;
	}
	if (rfork_move(node.host) < 0)
		test_fail(__FILE__, __LINE__, "rfork_move: %s", rfork_error());
	CHECK(has_chosen(0));
	CHECK_TEXT(rfork_report(), "");
}

/* Goes on as another process, when it has been taken. */
_Noreturn static void stand(void)
{
	CHECK_CALL(choose(0));
	undump_point();
	_exit(has_chosen(0) ? RIGHT : 1);
}

static void be_undumped(void)
{
	static struct undump_result result;
	const char *path = checkpoint_path("app");

	undump_live(stand, path);
	undump_run(&result, path, NULL);
	if (result.status != RIGHT || result.text[0])
		test_fail(__FILE__, __LINE__, "exit status %d: %s", result.status, result.text);
	undump_remove(path);
}

/* In a process of its own, which may be gone afterwards. */
static void try(void (*go)(void))
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		go();
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

int main(void)
{
	const struct sched_param none = { 0 };

	test_begin();
	if (choose(RESET_ON_FORK) < 0)
		test_skip("SCHED_DEADLINE cannot be had: %s", strerror(errno));
	CHECK_CALL(sched_setscheduler(0, SCHED_OTHER, &none));
	node_start(&node, NULL);
	try(expect_refusals);
	try(expect_reset);
	try(move_itself);
	node_expect_service(&node);
	node_stop(&node);
	be_undumped();
	checkpoint_clean(NULL, 0);
	return test_end();
}
