/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that moves keeps what it has chosen for itself, also what a fork child would
 * not have; and the signal of its parent's death reaches it, for its parent stays at home.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/attributes.h"
#include "tests/support/mover.h"

static struct attributes_told told;
static int news[2];

static int keep_all(const struct node *node)
{
	unsigned lost;

	attributes_set_all(&told, ATTRIBUTE_OF_THE_NODE);
	mover_go(node);
	lost = attributes_count_lost(&told, "moved");
	if (strcmp(rfork_report(), "") != 0)
		dprintf(STDERR_FILENO, "moved: %s", rfork_report());
	return lost || strcmp(rfork_report(), "") != 0;
}

/* A child of `parent`, which ends when the child is on its way. */
static int outlive_parent(const struct node *node)
{
	sigset_t set;

	CHECK_CALL(prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	mover_go(node);
	test_write(news[1], "on the node\n", 12);
	test_await_signal(SIGUSR2);
	test_write(news[1], "told", 4);
	return 0;
}

static void read_exactly(const char *expected)
{
	char text[32] = "";
	size_t bytes = strlen(expected);

	for (size_t got = 0; got < bytes;) {
		ssize_t more;

		CHECK(test_poll(news[0], POLLIN, TEST_DEADLINE_MS));
		more = CHECK_CALL(read(news[0], text + got, bytes - got));
		CHECK(more > 0);
		got += (size_t)more;
	}
	CHECK_TEXT(text, expected);
}

static void parent_of_one_that_moves(const struct node *node)
{
	int go[2], ids[2];
	pid_t parent, ghost;
	char unused;

	CHECK_CALL(pipe(go));
	CHECK_CALL(pipe(ids));
	parent = CHECK_CALL(fork());
	if (parent == 0) {
		dprintf(ids[1], "%d\n", (int)mover_start(node, outlive_parent));
		_exit(read(go[0], &unused, 1) == 1 ? 0 : 1);
	}
	ghost = (pid_t)test_read_number(ids[0]);
	read_exactly("on the node\n");
	test_write(go[1], "", 1);
	test_expect_exit(parent, 0);
	read_exactly("told");
	test_expect_exit(ghost, 0); /* a child of ours now */
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(ids[i]);
	}
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	mover_run(&node, keep_all);
	CHECK_CALL(pipe(news));
	parent_of_one_that_moves(&node);
	close(news[0]);
	close(news[1]);
	node_stop(&node);
	return test_end();
}
