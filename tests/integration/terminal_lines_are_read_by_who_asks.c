/* SPDX-License-Identifier: MIT */
/*
 * Claim: a line that is typed goes to whoever reads, caller or child, in the order in which they
 * read, also when all lines were typed before: the child takes what it reads and no more, whether
 * it reads, polls, selects or waits with epoll.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

static struct node node;

static void expect_line(const char *text)
{
	char line[64];
	ssize_t got = CHECK_CALL(read(0, line, sizeof(line) - 1));

	line[got] = '\0';
	CHECK_TEXT(line, text);
}

/* -- ways to wait --------------------------------------------------------------------------- */

static void wait_not(void)
{
}

static void wait_by_poll(void)
{
	CHECK(test_poll(0, POLLIN, TEST_DEADLINE_MS));
}

static void wait_by_select(void)
{
	fd_set fds;

	FD_ZERO(&fds);
	FD_SET(0, &fds);
	CHECK_EQUAL(CHECK_CALL(select(1, &fds, NULL, NULL, NULL)), 1);
}

static void wait_by_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = CHECK_CALL(epoll_create1(0));

	CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event));
	CHECK_EQUAL(CHECK_CALL(epoll_wait(epoll, &event, 1, -1)), 1);
	close(epoll);
}

/* With a descriptor of its own, that does not wait. */
static void wait_without_blocking(void)
{
	CHECK_CALL(fcntl(0, F_SETFL, O_NONBLOCK));
	wait_by_poll();
}

static void read_in_child(void (*wait_for_input)(void), const char *text)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		wait_for_input();
		expect_line(text);
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

/* Lives while the caller reads, and wants nothing. */
static pid_t start_idle_child(void)
{
	sigset_t user;
	pid_t pid;

	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, NULL));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		test_await_signal(SIGUSR1);
		_exit(0);
	}
	return pid;
}

static void take_turns(void)
{
	pid_t idle = start_idle_child();

	dprintf(1, "ready\n");
	expect_line("one\n");
	read_in_child(wait_not, "two\n");
	expect_line("three\n");
	read_in_child(wait_by_poll, "four\n");
	read_in_child(wait_by_select, "five\n");
	expect_line("six\n");
	read_in_child(wait_by_epoll, "seven\n");
	read_in_child(wait_without_blocking, "eight\n");
	expect_line("nine\n");
	CHECK_CALL(kill(idle, SIGUSR1));
	test_expect_exit(idle, 0);
	dprintf(1, "again\n");
	read_in_child(wait_not, "ten\n");
	dprintf(1, "again\n");
	read_in_child(wait_by_poll, "eleven\n");
	dprintf(1, "again\n");
	read_in_child(wait_by_epoll, "twelve\n");
}

int main(void)
{
	struct terminal terminal;
	pid_t leader;

	test_begin();
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, take_turns);
	terminal_expect(&terminal, "ready");
	terminal_type(&terminal, "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n");
	terminal_expect(&terminal, "again");
	terminal_type(&terminal, "ten\n");
	terminal_expect(&terminal, "again");
	terminal_type(&terminal, "eleven\n");
	terminal_expect(&terminal, "again");
	terminal_type(&terminal, "twelve\n");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
