/* SPDX-License-Identifier: MIT */
/*
 * Claim: a ghost that has stopped as its child has, while something that it has sent was still under
 * way, dies by SIGKILL when the network falls silent.  It cannot look at its link then, and TCP
 * keep-alive does not run while data wait for an acknowledgement.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define NODE 0
#define GHOST_LIMIT_MS 40000

static _Noreturn void be_the_child(int up, int down)
{
	dprintf(up, "%d\n", (int)getpid());
	stream_hear(down);
	for (;;)
		pause();
}

/* Bytes that wait for an acknowledgement, on all connections of this namespace. */
static unsigned long count_unacknowledged(void)
{
	FILE *table = fopen("/proc/self/net/tcp", "re");
	char line[256];
	unsigned long queued, sum = 0;

	CHECK(table);
	while (fgets(line, sizeof(line), table))
		if (sscanf(line, "%*u: %*x:%*x %*x:%*x %*x %lx:%*x", &queued) == 1)
			sum += queued;
	fclose(table);
	return sum;
}

static void await_unacknowledged(void)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;

	while (!count_unacknowledged()) {
		CHECK(test_now_ms() < deadline_ms);
		poll(NULL, 0, 1); /* no event tells of what a connection has sent */
	}
}

static pid_t move(const struct network *network, int *up, int *down)
{
	int up_ends[2], down_ends[2];
	pid_t ghost;

	CHECK_CALL(pipe(up_ends));
	CHECK_CALL(pipe(down_ends));
	ghost = network_move_returns_twice(network, NODE, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child(up_ends[1], down_ends[0]);
	*up = up_ends[0];
	*down = down_ends[1];
	close(up_ends[1]);
	close(down_ends[0]);
	return ghost;
}

int main(void)
{
	const char *arguments[] = { "--dead-after", "3", NULL };
	struct network network;
	pid_t ghost, child;
	int up, down;

	test_begin();
	network_start(&network, 1, arguments);
	ghost = move(&network, &up, &down);
	test_guard_process(ghost);
	child = (pid_t)test_read_number(up);
	network_drop_ours(&network, NODE);
	stream_tell(down);
	await_unacknowledged();
	CHECK_CALL(kill(child, SIGSTOP));
	process_expect_stop_status(ghost, SIGSTOP);
	network_drop(&network, NODE);
	CHECK(test_has_ended(ghost, GHOST_LIMIT_MS));
	test_expect_signal(ghost, SIGKILL);
	test_forget_process(ghost);
	CHECK(test_has_ended(child, TEST_DEADLINE_MS));
	network_stop(&network);
	return test_end();
}
