/* SPDX-License-Identifier: MIT */
/*
 * Claim: an epoll that the child has inherited tells of relayed pipes and sockets what happens at
 * home, with the words that the caller has given: readable, hung up, writable again; and what the
 * child does to it the caller's does not see.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

enum { PIPE = 100, SOCKET };

static int epoll, input[2], pair[2], asked[2];

static void add(int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static void expect(uint32_t events, uint64_t data)
{
	struct epoll_event event;

	CHECK_EQUAL(epoll_wait(epoll, &event, 1, TEST_DEADLINE_MS), 1);
	CHECK_EQUAL(event.data.u64, data);
	CHECK((event.events & events) == events);
}

static _Noreturn void be_child(void)
{
	struct epoll_event event;

	close(input[1]);
	close(pair[1]);
	CHECK_EQUAL(epoll_wait(epoll, &event, 1, 0), 0);
	stream_tell(asked[1]);
	expect(EPOLLIN, PIPE);
	stream_expect_text(input[0], "word");
	stream_tell(asked[1]);
	expect(EPOLLIN, SOCKET);
	stream_expect_text(pair[0], "sentence");
	stream_tell(asked[1]);
	expect(EPOLLIN | EPOLLRDHUP, SOCKET);
	CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_DEL, pair[0], NULL));
	stream_tell(asked[1]);
	expect(EPOLLHUP, PIPE);
	_exit(42);
}

int main(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	epoll = CHECK_CALL(epoll_create1(0));
	CHECK_CALL(pipe(input));
	CHECK_CALL(pipe(asked));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	add(input[0], EPOLLIN, PIPE);
	add(pair[0], EPOLLIN | EPOLLRDHUP, SOCKET);
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		be_child();
	stream_hear(asked[0]);
	stream_write_text(input[1], "word");
	stream_hear(asked[0]);
	stream_write_text(pair[1], "sentence");
	stream_hear(asked[0]);
	CHECK_CALL(shutdown(pair[1], SHUT_WR));
	stream_hear(asked[0]);
	/* the caller's own still watches what the child has taken from its */
	expect(EPOLLIN | EPOLLRDHUP, SOCKET);
	close(input[1]);
	test_expect_exit(pid, 42);
	node_stop(&node);
	return test_end();
}
