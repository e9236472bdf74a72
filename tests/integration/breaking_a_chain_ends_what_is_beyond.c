/* SPDX-License-Identifier: MIT */
/*
 * Claim: in a chain of children on three nodes the death of a ghost or of a session ends all that is beyond,
 * daemons included, and nothing before: the process whose ghost that was sees it die by SIGKILL, goes on,
 * and its status comes home.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/network.h"
#include "tests/support/stream.h"

#define NODES 3
#define EXIT_CODE 42

static struct network network;

/* What each child tells of itself. */
struct link {
	pid_t child, ghost; /* of the next one; of the last, a daemon */
};

static void tell(int told, pid_t ghost)
{
	const struct link link = { .child = getpid(), .ghost = ghost };

	CHECK_EQUAL(write(told, &link, sizeof(link)), sizeof(link));
}

static _Noreturn void be_the_last(int told)
{
	pid_t daemon = CHECK_CALL(fork());

	if (!daemon) {
		setsid();
		for (;;)
			pause();
	}
	tell(told, daemon);
	for (;;)
		pause();
}

/* Returns the exit status. */
static int be_the_child(unsigned number, int told)
{
	pid_t ghost;

	if (number == NODES)
		be_the_last(told);
	ghost = network_move_returns_twice(&network, number, 0);
	if (!ghost)
		_exit(be_the_child(number + 1, told));
	tell(told, ghost);
	test_expect_signal(ghost, SIGKILL);
	return EXIT_CODE;
}

/* Links come in any order. */
static void read_links(int told, struct link links[NODES])
{
	struct link read[NODES];

	CHECK_EQUAL(test_read(told, read, sizeof(read)), sizeof(read));
	/* the parent of a session is the server of its node */
	for (unsigned i = 0; i < NODES; i++) {
		pid_t server = node_parent_of(node_parent_of(read[i].child));
		unsigned node = 0;

		while (node < NODES && network.nodes[node].pid != server)
			node++;
		CHECK(node < NODES);
		links[node] = read[i];
	}
}

static void expect_end_beyond(const struct link links[NODES], unsigned from)
{
	for (unsigned i = from; i < NODES; i++) {
		CHECK(test_has_ended(links[i].child, TEST_DEADLINE_MS));
		CHECK(test_has_ended(links[i].ghost, TEST_DEADLINE_MS));
	}
}

/* Whom to kill; ghost is the caller's own. */
typedef pid_t chooser(const struct link links[NODES], pid_t ghost);

static pid_t middle_ghost(const struct link links[NODES], pid_t ghost)
{
	(void)ghost;
	return links[0].ghost;
}

static pid_t middle_session(const struct link links[NODES], pid_t ghost)
{
	(void)ghost;
	return node_parent_of(links[1].child);
}

static pid_t first_ghost(const struct link links[NODES], pid_t ghost)
{
	(void)links;
	return ghost;
}

static void run_case(chooser *choose, unsigned beyond)
{
	struct link links[NODES];
	int told[2];
	pid_t ghost;

	CHECK_CALL(pipe(told));
	ghost = network_move_returns_twice(&network, 0, 0);
	if (!ghost)
		_exit(be_the_child(1, told[1]));
	close(told[1]);
	read_links(told[0], links);
	CHECK_CALL(kill(choose(links, ghost), SIGKILL));
	expect_end_beyond(links, beyond);
	if (beyond)
		test_expect_exit(ghost, EXIT_CODE);
	else
		test_expect_signal(ghost, SIGKILL);
	stream_expect_end(told[0]);
	close(told[0]);
}

int main(void)
{
	struct node_load loads[NODES];

	test_begin();
	network_start_anywhere(&network, NODES, NULL);
	for (unsigned i = 0; i < NODES; i++)
		loads[i] = node_settle(&network.nodes[i]);
	run_case(middle_ghost, 1);
	run_case(middle_session, 1);
	run_case(first_ghost, 0);
	for (unsigned i = 0; i < NODES; i++)
		node_expect_load(&network.nodes[i], loads[i]);
	network_stop(&network);
	return test_end();
}
