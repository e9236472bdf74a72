/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that holds checkpoints has remote children, and moves; they do not go along:
 * in the child and after the move their numbers are unknown, and are never given again; what held
 * them at home has ended.  A move that fails leaves them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/mover.h"

static int told[2], go[2];

static void expect_unknown(rfork_crid_t crid)
{
	checkpoint_expect_failure(rfork_discard(crid), EINVAL, "no checkpoint");
}

static void check_remote_child(const struct node *node, rfork_crid_t crid)
{
	pid_t pid = node_move_returns_twice(node, 0);

	if (!pid) {
		expect_unknown(crid);
		_exit(11);
	}
	test_expect_exit(pid, 11);
}

static int move(const struct node *node)
{
	rfork_crid_t first = checkpoint_hold(RFORK_CLOSE_OTHERS),
		     second = checkpoint_hold(RFORK_CLOSE_OTHERS | RFORK_INCREMENTAL), third;
	pid_t holder = checkpoint_holder(second);
	char byte;

	CHECK(first > 0 && second > first && holder > 0);
	check_remote_child(node, second);
	CHECK_EQUAL(rfork_move("127.0.0.1:1"), -1);
	CHECK_EQUAL(checkpoint_holder(second), holder);
	CHECK_CALL(rfork_discard(first));
	test_write(told[1], &holder, sizeof(holder));
	mover_go(node);
	test_read(go[0], &byte, sizeof(byte)); /* its ghost lives on meanwhile */
	expect_unknown(second);
	third = checkpoint_hold(RFORK_CLOSE_OTHERS | RFORK_INCREMENTAL);
	CHECK(third > second);
	CHECK_CALL(rfork_discard(third));
	return 12;
}

int main(void)
{
	struct node node;
	pid_t pid, holder;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe2(told, O_CLOEXEC));
	CHECK_CALL(pipe2(go, O_CLOEXEC));
	pid = mover_start(&node, move);
	CHECK_EQUAL(test_read(told[0], &holder, sizeof(holder)), sizeof(holder));
	CHECK(test_has_ended(holder, TEST_DEADLINE_MS));
	test_write(go[1], "", 1);
	test_expect_exit(pid, 12);
	close(told[0]);
	close(told[1]);
	close(go[0]);
	close(go[1]);
	node_stop(&node);
	return test_end();
}
