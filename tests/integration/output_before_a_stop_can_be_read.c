/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a child has written before it stops can all be read while it is stopped, also what the
 * pipe had no room for; and where nobody reads it, the stop comes home all the same.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"

/* More than a pipe and a channel's credit, and less than is held on the way with the child's pipe. */
#define BYTES ((size_t)350000)
#define SEED 7

static unsigned char bytes[BYTES], got[BYTES + 1];

/* The child tells its pid behind its bytes by a signal, and stops. */
static pid_t start(const struct node *node, int ends[2], pid_t *child)
{
	pid_t pid = node_move_returns_twice(node, 0);

	if (!pid) {
		close(ends[0]);
		test_write(ends[1], bytes, BYTES);
		signals_queue(getppid(), SIGUSR1, (union sigval){ .sival_int = (int)getpid() });
		raise(SIGSTOP);
		_exit(42);
	}
	close(ends[1]);
	*child = signals_take(SIGUSR1).si_value.sival_int;
	process_expect_stopped(*child);
	return pid;
}

static void read_all(int reader, size_t limit)
{
	CHECK_EQUAL(test_read(reader, got, limit), BYTES);
	CHECK(!memcmp(got, bytes, BYTES));
}

static void end(pid_t pid, int reader)
{
	CHECK_CALL(kill(pid, SIGCONT));
	test_expect_exit(pid, 42);
	close(reader);
}

static void read_before(const struct node *node, int ends[2])
{
	pid_t child, pid = start(node, ends, &child);

	read_all(ends[0], BYTES);
	process_expect_stop_status(pid, SIGSTOP);
	end(pid, ends[0]);
}

static void read_after(const struct node *node, int ends[2])
{
	pid_t child, pid = start(node, ends, &child);

	process_expect_stop_status(pid, SIGSTOP);
	CHECK_CALL(kill(pid, SIGCONT));
	read_all(ends[0], BYTES + 1);
	end(pid, ends[0]);
}

int main(void)
{
	struct node node;
	int ends[2];

	test_begin();
	test_fill(bytes, BYTES, SEED);
	node_start(&node, NULL);
	signals_block_all(NULL);
	CHECK_CALL(pipe(ends));
	read_before(&node, ends);
	CHECK_CALL(pipe(ends));
	read_after(&node, ends);
	node_stop(&node);
	return test_end();
}
