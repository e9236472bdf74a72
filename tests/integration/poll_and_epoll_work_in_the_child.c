/* SPDX-License-Identifier: MIT */
/*
 * Claim: poll() and epoll in the child tell of relayed pipes and sockets what they tell at
 * home: not ready, ready to read, ready to write, hung up, and no reader.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define MUCH (8ul << 20)

static struct node node;
static char block[MUCH];

/* The child asks for a step by a byte, and goes on when it is done. */
static int asked[2], done[2];

static void ask(char step)
{
	test_write(asked[1], &step, 1);
	stream_hear(done[0]);
}

static void expect_step(char step)
{
	char got;

	CHECK_EQUAL(test_read(asked[0], &got, 1), 1);
	CHECK_EQUAL(got, step);
}

static short events_now(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	CHECK_CALL(poll(&poll_fd, 1, 0));
	return poll_fd.revents;
}

/* An epoll instance that watches one descriptor. */
static int watch(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int epoll = CHECK_CALL(epoll_create1(EPOLL_CLOEXEC));

	CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	return epoll;
}

/* The next events, or 0 if there are none at once. */
static uint32_t epoll_events(int epoll, int timeout_ms)
{
	struct epoll_event event = { .events = 0 };

	CHECK_CALL(epoll_wait(epoll, &event, 1, timeout_ms));
	return event.events;
}

/* -- the child reads ----------------------------------------------------------------------- */

static _Noreturn void read_and_look(int fd, bool is_socket)
{
	int level = watch(fd, EPOLLIN | EPOLLRDHUP), edge = watch(fd, EPOLLIN | EPOLLET);

	CHECK_EQUAL(events_now(fd, POLLIN), 0);
	CHECK_EQUAL(epoll_events(level, 0), 0);
	ask('w');
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(events_now(fd, POLLIN), POLLIN);
	CHECK_EQUAL(epoll_events(level, 0), EPOLLIN);
	CHECK_EQUAL(epoll_events(edge, 0), EPOLLIN);
	stream_expect_text(fd, "word");
	CHECK_EQUAL(events_now(fd, POLLIN), 0);
	CHECK_EQUAL(epoll_events(level, 0), 0);
	ask('w');
	CHECK_EQUAL(epoll_events(edge, TEST_DEADLINE_MS), EPOLLIN);
	stream_expect_text(fd, "word");
	ask('c');
	if (is_socket) {
		CHECK(epoll_events(level, TEST_DEADLINE_MS) & EPOLLRDHUP);
		CHECK_EQUAL(events_now(fd, POLLIN | POLLRDHUP) & ~POLLHUP, POLLIN | POLLRDHUP);
		CHECK(test_poll(fd, 0, TEST_DEADLINE_MS));
		CHECK_EQUAL(events_now(fd, 0), POLLHUP);
	} else {
		CHECK_EQUAL(epoll_events(level, TEST_DEADLINE_MS), EPOLLHUP);
		CHECK_EQUAL(events_now(fd, POLLIN), POLLHUP);
	}
	stream_expect_end(fd);
	_exit(42);
}

static void check_reader(bool is_socket)
{
	int ends[2];
	pid_t pid;

	if (is_socket)
		CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	else
		CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		close(ends[1]);
		read_and_look(ends[0], is_socket);
	}
	close(ends[0]);
	for (int word = 0; word < 2; word++) {
		expect_step('w');
		stream_write_text(ends[1], "word");
		stream_tell(done[1]);
	}
	expect_step('c');
	close(ends[1]);
	stream_tell(done[1]);
	test_expect_exit(pid, 42);
}

/* -- the child writes ---------------------------------------------------------------------- */

static _Noreturn void write_and_look(int fd)
{
	int level = watch(fd, EPOLLOUT), edge;
	size_t taken;

	CHECK_EQUAL(events_now(fd, POLLOUT), POLLOUT);
	CHECK_EQUAL(epoll_events(level, 0), EPOLLOUT);
	stream_set_nonblocking(fd, true);
	taken = stream_fill(fd, block, MUCH);
	CHECK(taken > 0 && taken < MUCH);
	CHECK_EQUAL(events_now(fd, POLLOUT), 0);
	CHECK_EQUAL(epoll_events(level, 0), 0);
	edge = watch(fd, EPOLLOUT | EPOLLET);
	ask('r');
	test_write(asked[1], &taken, sizeof(taken));
	CHECK_EQUAL(epoll_events(level, TEST_DEADLINE_MS), EPOLLOUT);
	CHECK_EQUAL(epoll_events(edge, TEST_DEADLINE_MS), EPOLLOUT);
	CHECK_EQUAL(events_now(fd, POLLOUT), POLLOUT);
	stream_hear(done[0]);
	ask('c');
	CHECK(test_poll(fd, 0, TEST_DEADLINE_MS));
	CHECK(events_now(fd, 0) & (POLLERR | POLLHUP));
	CHECK(epoll_events(level, 0) & (EPOLLERR | EPOLLHUP));
	_exit(42);
}

static void check_writer(bool is_socket)
{
	size_t taken;
	int ends[2];
	pid_t pid;

	if (is_socket)
		CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	else
		CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		close(ends[0]);
		write_and_look(ends[1]);
	}
	close(ends[1]);
	expect_step('r');
	stream_tell(done[1]);
	CHECK_EQUAL(test_read(asked[0], &taken, sizeof(taken)), sizeof(taken));
	CHECK_EQUAL(test_read(ends[0], block, taken), taken);
	stream_expect_nothing(ends[0]);
	stream_tell(done[1]);
	expect_step('c');
	close(ends[0]);
	stream_tell(done[1]);
	test_expect_exit(pid, 42);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(asked));
	CHECK_CALL(pipe(done));
	for (int is_socket = 0; is_socket < 2; is_socket++) {
		check_reader(is_socket);
		check_writer(is_socket);
	}
	node_stop(&node);
	return test_end();
}
