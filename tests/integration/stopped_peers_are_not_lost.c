/* SPDX-License-Identifier: MIT */
/*
 * Claim: a ghost that is stopped for three times --dead-after, or a caller that is, is not lost:
 * the child waits, and after SIGCONT every byte arrives that was under way in both directions.
 * RFORK_TEST_STOPPED_S stops them for longer.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define DEAD_AFTER "3"
#define STOPPED_S 10 /* unless the environment says otherwise */
#define BYTES (64ul << 20)
#define PIECE_BYTES 65536u
#define CASES 2

enum stopped { STOPPED_GHOST, STOPPED_CALLER };

/* One direction of a stream whose every byte tells its place. */
struct flow {
	int fd;
	size_t done;
};

static int stopped_s = STOPPED_S;

static unsigned char piece[PIECE_BYTES], expected[PIECE_BYTES];

static void make_piece(unsigned char *to, size_t at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (unsigned char)((at + i) * 7 + ((at + i) >> 8));
}

static void write_some(struct flow *flow)
{
	size_t bytes = BYTES - flow->done < PIECE_BYTES ? BYTES - flow->done : PIECE_BYTES;
	ssize_t count;

	make_piece(piece, flow->done, bytes);
	count = write(flow->fd, piece, bytes);
	if (count < 0)
		CHECK_EQUAL(errno, EAGAIN);
	flow->done += count > 0 ? (size_t)count : 0;
}

static void read_some(struct flow *flow)
{
	ssize_t count = read(flow->fd, piece, sizeof(piece));

	if (count < 0) {
		CHECK_EQUAL(errno, EAGAIN);
		return;
	}
	CHECK(count > 0);
	make_piece(expected, flow->done, (size_t)count);
	CHECK(!memcmp(piece, expected, (size_t)count));
	flow->done += (size_t)count;
}

/* Passes on what can be passed, until `limit` bytes have gone each way or the timer is over. */
static void pump(struct flow *in, struct flow *out, size_t limit, int timer)
{
	while (in->done < limit || out->done < limit) {
		struct pollfd fds[3] = {
			{ .fd = in->done < limit ? in->fd : -1, .events = POLLIN },
			{ .fd = out->done < limit ? out->fd : -1, .events = POLLOUT },
			{ .fd = timer, .events = POLLIN },
		};

		if (poll(fds, 3, stopped_s * 1000 + TEST_DEADLINE_MS) <= 0)
			test_fail(__FILE__, __LINE__, "no progress: %zu in, %zu out", in->done,
				  out->done);
		if (fds[0].revents)
			read_some(in);
		if (fds[1].revents)
			write_some(out);
		if (fds[2].revents)
			return;
	}
}

static int start_timer(void)
{
	struct itimerspec span = { .it_value.tv_sec = stopped_s };
	int timer = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));

	CHECK_CALL(timerfd_settime(timer, 0, &span, NULL));
	return timer;
}

static _Noreturn void be_the_child(int in_fd, int out_fd)
{
	struct flow in = { .fd = in_fd }, out = { .fd = out_fd };

	stream_set_nonblocking(in.fd, true);
	stream_set_nonblocking(out.fd, true);
	dprintf(1, "%d\n", (int)getpid());
	pump(&in, &out, BYTES, -1);
	_exit(42);
}

/* The caller goes on feeding and reading, as far as that goes without the ghost. */
static void stop_the_ghost(pid_t ghost, pid_t child, struct flow *in, struct flow *out)
{
	int timer;
	size_t before;

	CHECK_CALL(kill(ghost, SIGSTOP));
	process_expect_stop_status(ghost, SIGSTOP);
	timer = start_timer();
	before = in->done;
	pump(in, out, BYTES, timer);
	close(timer);
	CHECK(in->done < BYTES && out->done < BYTES);
	/* no more than the pipe held, some of whose buffers may be of several pages */
	CHECK_AT_MOST(in->done - before, 2 << 20);
	process_expect_stopped(child);
	CHECK_CALL(kill(ghost, SIGCONT));
	process_expect_continue_status(ghost);
	process_expect_going(child);
}

static _Noreturn void be_a_caller(const struct node *node, enum stopped stopped)
{
	int up[2], down[2], reader = test_pipe_output();
	struct flow in, out;
	pid_t ghost, child;

	CHECK_CALL(pipe(up));
	CHECK_CALL(pipe(down));
	ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		close(up[0]);
		close(down[1]);
		be_the_child(down[0], up[1]);
	}
	close(up[1]);
	close(down[0]);
	child = (pid_t)test_read_number(reader);
	in = (struct flow){ .fd = up[0] };
	out = (struct flow){ .fd = down[1] };
	stream_set_nonblocking(in.fd, true);
	stream_set_nonblocking(out.fd, true);
	pump(&in, &out, BYTES / 4, -1);
	if (stopped == STOPPED_GHOST)
		stop_the_ghost(ghost, child, &in, &out);
	else
		raise(SIGSTOP); /* main() continues us */
	pump(&in, &out, BYTES, -1);
	test_expect_exit(ghost, 42);
	_exit(0);
}

int main(void)
{
	const char *arguments[] = { "--dead-after", DEAD_AFTER, NULL };
	struct node_load load;
	pid_t callers[CASES];
	struct node node;
	int timer;

	test_begin();
	if (getenv("RFORK_TEST_STOPPED_S"))
		stopped_s = atoi(getenv("RFORK_TEST_STOPPED_S"));
	alarm((unsigned)stopped_s + 150);
	node_start(&node, arguments);
	node_expect_service(&node);
	load = node_settle(&node);
	for (int i = 0; i < CASES; i++) {
		callers[i] = CHECK_CALL(fork());
		if (!callers[i])
			be_a_caller(&node, (enum stopped)i);
		test_guard_process(callers[i]);
	}
	process_expect_stop_status(callers[STOPPED_CALLER], SIGSTOP);
	timer = start_timer();
	CHECK(test_poll(timer, POLLIN, stopped_s * 1000 + TEST_DEADLINE_MS));
	close(timer);
	CHECK_CALL(kill(callers[STOPPED_CALLER], SIGCONT));
	for (int i = 0; i < CASES; i++) {
		test_expect_exit(callers[i], 0);
		test_forget_process(callers[i]);
	}
	node_expect_load(&node, load);
	node_stop(&node);
	return test_end();
}
