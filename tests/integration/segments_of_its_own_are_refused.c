/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that has made a table of segments, modify_ldt(2), which fork(2) would pass on, is
 * refused by name, by rfork(), rfork_move(), rfork_checkpoint() and undump -p, and rfork_check()
 * says the same.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/target.h"
#include "tests/support/undump.h"

#define WRITE_TABLE 0x11
#define WORDS "segments: "
#define LIST_BYTES 1024

enum { READY, FINISH };

static bool make_segment(void)
{
	const struct user_desc segment = { .entry_number = 3, .limit = 0xfff, .useable = 1 };

	return syscall(SYS_modify_ldt, WRITE_TABLE, &segment, sizeof(segment)) == 0;
}

static void expect_words(long result)
{
	CHECK_EQUAL(result, -1);
	CHECK_EQUAL(errno, ENOTSUP);
	CHECK(strstr(rfork_error(), WORDS));
}

/* In a process of its own, for the table stays. */
static int be_refused(const struct node *node)
{
	char list[LIST_BYTES];

	CHECK_EQUAL(rfork_check(node->host, NULL, list, sizeof(list)), 0);
	CHECK(make_segment());
	CHECK_EQUAL(rfork_check(node->host, NULL, list, sizeof(list)), 1);
	CHECK(strncmp(list, WORDS, strlen(WORDS)) == 0);
	list[strcspn(list, "\n")] = '\0';
	footprint_expect_refusal(node->host, NULL, ENOTSUP, list);
	expect_words(rfork_move(node->host));
	expect_words(rfork_checkpoint(0));
	return 0;
}

static int have_segment(struct target *target)
{
	CHECK(make_segment());
	target_set(target, READY, 1);
	target_await(target, FINISH, 1);
	return 0;
}

static void check_undump(void)
{
	struct undump_result result;
	struct target target;
	char pid[16];

	target_start(&target, have_segment, 0);
	target_await(&target, READY, 1);
	snprintf(pid, sizeof(pid), "%d", (int)target.pid);
	undump_run(&result, test_build_path("tools/undump"), "-p", pid, "-o",
		   checkpoint_path("app"), NULL);
	CHECK(result.status > 0 && strstr(result.text, WORDS));
	CHECK(access(checkpoint_path("app"), F_OK) < 0);
	target_set(&target, FINISH, 1);
	target_end(&target);
	checkpoint_clean(NULL, 0);
}

int main(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(make_segment() ? 0 : 77);
	if (test_wait(pid) != 0)
		test_skip("this kernel has no modify_ldt(2)");
	node_start(&node, NULL);
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(be_refused(&node));
	test_expect_exit(pid, 0);
	node_expect_service(&node);
	node_stop(&node);
	check_undump();
	return test_end();
}
