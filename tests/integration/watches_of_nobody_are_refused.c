/* SPDX-License-Identifier: MIT */
/*
 * Claim: an epoll that watches what only another process has open any more is refused with the
 * number that it had; with RFORK_CLOSE_OTHERS, as the sentence says, it goes without.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/stream.h"

static void add(int epoll, int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };

	CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int main(void)
{
	int epoll, lost, kept, over[2];
	struct epoll_event told;
	struct node node;
	char name[128];
	pid_t holder, child;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(over));
	epoll = CHECK_CALL(epoll_create1(0));
	lost = CHECK_CALL(eventfd(1, 0));
	kept = CHECK_CALL(eventfd(0, 0));
	add(epoll, lost, 1);
	add(epoll, kept, 2);
	holder = CHECK_CALL(fork());
	if (!holder) {
		close(over[1]);
		stream_expect_end(over[0]);
		_exit(0);
	}
	close(over[0]);
	close(lost);
	snprintf(name, sizeof(name),
		 "descriptor %d (anon_inode:[eventpoll]): it watches what was descriptor %d", epoll,
		 lost);
	footprint_expect_refusal(node.host, NULL, ENOTSUP, name);
	CHECK(strstr(rfork_error(), "RFORK_CLOSE_OTHERS"));
	child = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!child) {
		CHECK_EQUAL(epoll_wait(epoll, &told, 1, 0), 0);
		CHECK_CALL(eventfd_write(kept, 1));
		CHECK_EQUAL(epoll_wait(epoll, &told, 1, 0), 1);
		CHECK_EQUAL(told.data.u64, 2);
		_exit(0);
	}
	test_expect_exit(child, 0);
	CHECK_EQUAL(epoll_wait(epoll, &told, 1, 0), 1);
	CHECK_EQUAL(told.data.u64, 1);
	close(over[1]);
	test_expect_exit(holder, 0);
	node_stop(&node);
	return test_end();
}
