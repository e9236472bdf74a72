/* SPDX-License-Identifier: MIT */
/*
 * Claim: after a minute (RFORK_TEST_SOAK_S) in which ten callers have had twenty children each at any time, with
 * streams in both directions and with every kind of end, each child has had its own bytes and its own
 * status, and nothing is left: no process, no descriptor in callers and server, no memory in the server.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define CALLERS 10
#define CHILDREN 20
#define BLOCK_BYTES 200000ul /* more than a pipe and a window */
#define MEMORY_SLACK_BYTES (1u << 20)

enum end {
	END_EXIT,   /* after it has answered */
	END_SIGNAL, /* of its own */
	END_TERM,   /* by a signal to the ghost */
	END_KILL,   /* of the ghost, without a word */
	END_STOP,   /* exits after a stop */
	END_DAEMON, /* exits, and a daemon answers */
	END_COMMAND,
	ENDS,
};

struct pupil {
	pid_t ghost;
	enum end end;
	uint64_t seed;
	int to, from;
};

static unsigned char block[BLOCK_BYTES], answer[BLOCK_BYTES];

/* -- the child -------------------------------------------------------------------------------- */

/* Sends back what it gets, turned round. */
static void answer_once(int in, int out)
{
	CHECK_EQUAL(test_read(in, block, sizeof(block)), sizeof(block));
	for (size_t i = 0; i < sizeof(block); i++)
		answer[i] = (unsigned char)~block[i];
	test_write(out, answer, sizeof(answer));
}

static _Noreturn void be_the_child(const struct pupil *pupil, int in, int out)
{
	switch (pupil->end) {
	case END_DAEMON:
		if (fork())
			_exit((int)(pupil->seed & 0x7f));
		setsid();
		break;
	case END_STOP:
		CHECK_CALL(raise(SIGSTOP));
		break;
	case END_COMMAND:
		CHECK_EQUAL(system("exit 3"), 3 << 8);
		break;
	default:
		break;
	}
	if (pupil->end != END_TERM && pupil->end != END_KILL)
		answer_once(in, out);
	if (pupil->end == END_SIGNAL)
		raise(SIGABRT);
	if (pupil->end == END_TERM || pupil->end == END_KILL) {
		stream_tell(out);
		for (;;)
			pause();
	}
	_exit((int)(pupil->seed & 0x7f));
}

/* -- the caller ------------------------------------------------------------------------------- */

static void start(const struct node *node, struct pupil *pupil)
{
	int down[2], up[2];

	CHECK_CALL(pipe(down));
	CHECK_CALL(pipe(up));
	pupil->ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!pupil->ghost) {
		alarm(0);
		close(down[1]);
		close(up[0]);
		be_the_child(pupil, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	pupil->to = down[1];
	pupil->from = up[0];
}

static void question(const struct pupil *pupil)
{
	if (pupil->end == END_TERM || pupil->end == END_KILL) {
		stream_hear(pupil->from);
		CHECK_CALL(kill(pupil->ghost, pupil->end == END_TERM ? SIGTERM : SIGKILL));
		return;
	}
	if (pupil->end == END_STOP) {
		process_expect_stop_status(pupil->ghost, SIGSTOP);
		CHECK_CALL(kill(pupil->ghost, SIGCONT));
	}
	test_fill(block, sizeof(block), pupil->seed);
	test_write(pupil->to, block, sizeof(block));
	CHECK_EQUAL(test_read(pupil->from, answer, sizeof(answer)), sizeof(answer));
	for (size_t i = 0; i < sizeof(block); i++)
		CHECK(answer[i] == (unsigned char)~block[i]);
}

static void finish(const struct pupil *pupil)
{
	switch (pupil->end) {
	case END_SIGNAL:
		test_expect_signal(pupil->ghost, SIGABRT);
		break;
	case END_TERM:
		test_expect_signal(pupil->ghost, SIGTERM);
		break;
	case END_KILL:
		test_expect_signal(pupil->ghost, SIGKILL);
		break;
	default:
		test_expect_exit(pupil->ghost, (int)(pupil->seed & 0x7f));
	}
	close(pupil->to);
	stream_expect_end(pupil->from);
	close(pupil->from);
}

/* Round by round; tells how many children there were. */
static _Noreturn void be_a_caller(const struct node *node, uint64_t seed, int64_t end_ms, int count)
{
	static struct pupil pupils[CHILDREN];
	static struct footprint before;
	uint32_t children = 0;
	int status;
	pid_t pid;

	CHECK_CALL(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	footprint_take(&before);
	do {
		for (int i = 0; i < CHILDREN; i++) {
			pupils[i].seed = test_random(&seed);
			pupils[i].end = (enum end)(pupils[i].seed >> 32) % ENDS;
			start(node, &pupils[i]);
		}
		for (int i = 0; i < CHILDREN; i++)
			question(&pupils[i]);
		for (int i = 0; i < CHILDREN; i++)
			finish(&pupils[i]);
		/* what stood in for daemons */
		while ((pid = waitpid(-1, &status, 0)) > 0)
			CHECK_EQUAL(status, 0);
		children += CHILDREN;
	} while (test_now_ms() < end_ms);
	footprint_expect(&before);
	CHECK_EQUAL(write(count, &children, sizeof(children)), sizeof(children));
	_exit(0);
}

static void run(const struct node *node, uint64_t seed, int span_ms)
{
	int64_t end_ms = test_now_ms() + span_ms;
	uint32_t children, sum = 0;
	pid_t callers[CALLERS];
	int count[2];

	CHECK_CALL(pipe2(count, O_CLOEXEC));
	for (int i = 0; i < CALLERS; i++) {
		callers[i] = CHECK_CALL(fork());
		if (!callers[i])
			be_a_caller(node, seed + (uint64_t)i, end_ms, count[1]);
		test_guard_process(callers[i]);
	}
	for (int i = 0; i < CALLERS; i++) {
		CHECK(test_has_ended(callers[i], span_ms + 2 * TEST_DEADLINE_MS));
		test_expect_exit(callers[i], 0);
		test_forget_process(callers[i]);
		CHECK_EQUAL(test_read(count[0], &children, sizeof(children)), sizeof(children));
		sum += children;
	}
	close(count[0]);
	close(count[1]);
	dprintf(2, "%u children\n", sum);
}

int main(void)
{
	const char *text = getenv("RFORK_TEST_SOAK_S");
	int span_s = text ? atoi(text) : 60;
	uint64_t seed, memory_bytes;
	struct node_load load;
	struct node node;

	test_begin();
	alarm((unsigned)span_s + 300);
	seed = test_seed();
	node_start(&node, NULL);
	run(&node, seed, 0); /* what is allocated for good */
	load = node_settle(&node);
	memory_bytes = process_cost(node.pid).resident_bytes;
	run(&node, seed + CALLERS, span_s * 1000);
	node_expect_load(&node, load);
	dprintf(2, "the server: %llu KiB, then %llu KiB\n", (unsigned long long)memory_bytes >> 10,
		(unsigned long long)process_cost(node.pid).resident_bytes >> 10);
	CHECK_AT_MOST(process_cost(node.pid).resident_bytes, memory_bytes + MEMORY_SLACK_BYTES);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
