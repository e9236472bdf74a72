/* SPDX-License-Identifier: MIT */
/*
 * Claim: a pidfd_open(2) of the process itself means it where it arrives.  Of any other process,
 * and in the child of a fork, whose it would mean the parent, it is refused by name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/ways.h"

static int self, signals;

static void build(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	signals = CHECK_CALL(signalfd(-1, &set, 0));
	self = CHECK_CALL(pidfd_open(getpid(), 0));
	CHECK_CALL(fcntl(self, F_SETFL, O_NONBLOCK));
}

static void verify(enum way way)
{
	struct signalfd_siginfo info;

	(void)way;
	CHECK(!test_poll(self, POLLIN, 0));
	CHECK_CALL(pidfd_send_signal(self, SIGUSR1, NULL, 0));
	CHECK_EQUAL(read(signals, &info, sizeof(info)), sizeof(info));
	CHECK_EQUAL(info.ssi_pid, getpid());
	CHECK(CHECK_CALL(fcntl(self, F_GETFL)) & O_NONBLOCK);
}

static void expect_refusal(const struct node *node, pid_t pid)
{
	int fd = CHECK_CALL(pidfd_open(pid, 0));
	char name[96];
	pid_t child;

	snprintf(name, sizeof(name), "descriptor %d (anon_inode:[pidfd]): process %d, which", fd,
		 (int)pid);
	footprint_expect_refusal(node->host, NULL, ENOTSUP, name);
	child = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!child) {
		CHECK_EQUAL(fcntl(fd, F_GETFD), -1);
		_exit(0);
	}
	test_expect_exit(child, 0);
	close(fd);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	for (enum way way = WAY_MOVE; way < WAYS; way++)
		ways_go(&node, way, build, verify);
	expect_refusal(&node, getpid());
	expect_refusal(&node, getppid());
	expect_refusal(&node, node.pid);
	node_stop(&node);
	return test_end();
}
