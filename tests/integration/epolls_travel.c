/* SPDX-License-Identifier: MIT */
/*
 * Claim: an epoll_create(2) arrives with all that it watches, as the kernel itself says: numbers,
 * events, modes and words; of duplicates, of what was closed under its number or has another's by
 * now, and of other epolls.  What was spent stays so, and what happens is told with its word.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define MANY 300
#define WORD UINT64_C(0xfedcba9876543210)
#define REUSED 40
#define LINES_BYTES 65536

static int outer, inner, event, duplicate, spent, edge, renamed, newcomer, pipe_ends[2];
static int many[MANY];
static char before[LINES_BYTES], after[LINES_BYTES];

static void add(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event added = { .events = events, .data.u64 = data };

	CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &added));
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What the kernel says that it watches, sorted, but for the inodes. */
static void list(int epoll, char *text)
{
	static char raw[LINES_BYTES];
	static char *lines[MANY * 2];
	char path[64];
	unsigned count = 0;
	size_t used;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll);
	fd = CHECK_CALL(open(path, O_RDONLY));
	used = test_read(fd, raw, sizeof(raw) - 1);
	raw[used] = '\0';
	close(fd);
	for (char *line = strstr(raw, "tfd:"); line; line = strstr(line + 1, "tfd:")) {
		CHECK(count < MANY * 2);
		lines[count++] = line;
	}
	for (unsigned i = 0; i < count; i++)
		*strstr(lines[i], "pos:") = '\0';
	qsort(lines, count, sizeof(lines[0]), compare_lines);
	text[0] = '\0';
	for (unsigned i = 0; i < count; i++)
		strcat(strcat(text, lines[i]), "\n");
}

/* One that goes off by being ready, and is not set again. */
static int add_spent(void)
{
	struct epoll_event gone;
	int fd = CHECK_CALL(eventfd(1, EFD_NONBLOCK));

	add(outer, fd, EPOLLIN | EPOLLONESHOT, 77);
	CHECK_EQUAL(epoll_wait(outer, &gone, 1, 0), 1);
	CHECK_EQUAL(gone.data.u64, 77);
	return fd;
}

/* A number whose description goes on under another, while it has a new one, both watched. */
static void rename_one(void)
{
	int old = CHECK_CALL(eventfd(0, EFD_NONBLOCK));
	int young = CHECK_CALL(eventfd(0, EFD_NONBLOCK));

	CHECK_CALL(dup2(old, REUSED));
	close(old);
	add(outer, REUSED, EPOLLIN, 1001);
	renamed = CHECK_CALL(fcntl(REUSED, F_DUPFD, REUSED + 10));
	CHECK_CALL(dup3(young, REUSED, O_CLOEXEC));
	close(young);
	newcomer = REUSED;
	add(outer, newcomer, EPOLLIN, 1002);
}

static void build(void)
{
	outer = CHECK_CALL(epoll_create1(EPOLL_CLOEXEC));
	inner = CHECK_CALL(epoll_create1(0));
	spent = add_spent();
	event = CHECK_CALL(eventfd(0, EFD_NONBLOCK));
	duplicate = CHECK_CALL(dup(event));
	edge = CHECK_CALL(eventfd(0, EFD_NONBLOCK));
	CHECK_CALL(pipe2(pipe_ends, O_NONBLOCK));
	add(outer, inner, EPOLLIN | EPOLLET, 5);
	add(inner, event, EPOLLIN | EPOLLPRI, WORD);
	add(inner, duplicate, EPOLLIN | EPOLLONESHOT, 6);
	add(outer, edge, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE, 7);
	add(outer, pipe_ends[0], EPOLLIN | EPOLLRDHUP, 8);
	rename_one();
	for (unsigned i = 0; i < MANY; i++) {
		many[i] = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, 0));
		add(outer, many[i], EPOLLIN, i << 16);
	}
	list(outer, before);
	list(inner, before + strlen(before));
}

static void expect_one(int epoll, uint32_t events, uint64_t data)
{
	struct epoll_event told[4];

	CHECK_EQUAL(epoll_wait(epoll, told, 4, TEST_DEADLINE_MS), 1);
	CHECK_EQUAL(told[0].events, events);
	CHECK_EQUAL(told[0].data.u64, data);
}

static void expect_none(int epoll)
{
	struct epoll_event told;

	CHECK_EQUAL(epoll_wait(epoll, &told, 1, 0), 0);
}

static void drain(int fd)
{
	uint64_t count;

	CHECK_EQUAL(read(fd, &count, sizeof(count)), sizeof(count));
}

static void verify(enum way way)
{
	struct epoll_event told[4], set = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 78 };
	char byte = 0;

	(void)way;
	list(outer, after);
	list(inner, after + strlen(after));
	CHECK_TEXT(after, before);
	CHECK_EQUAL(CHECK_CALL(fcntl(outer, F_GETFD)), FD_CLOEXEC);
	CHECK_EQUAL(CHECK_CALL(fcntl(newcomer, F_GETFD)), FD_CLOEXEC);
	expect_none(outer);
	CHECK_CALL(eventfd_write(edge, 1));
	expect_one(outer, EPOLLIN, 7);
	expect_none(outer);
	CHECK_CALL(eventfd_write(event, 1));
	expect_one(outer, EPOLLIN, 5);
	CHECK_EQUAL(epoll_wait(inner, told, 4, 0), 2);
	expect_one(inner, EPOLLIN, WORD); /* the other was set for once */
	CHECK_CALL(eventfd_write(renamed, 1));
	expect_one(outer, EPOLLIN, 1001);
	drain(renamed);
	CHECK_CALL(eventfd_write(newcomer, 1));
	expect_one(outer, EPOLLIN, 1002);
	drain(newcomer);
	CHECK_EQUAL(write(pipe_ends[1], &byte, 1), 1);
	expect_one(outer, EPOLLIN, 8);
	CHECK_EQUAL(read(pipe_ends[0], &byte, 1), 1);
	CHECK_CALL(epoll_ctl(outer, EPOLL_CTL_MOD, spent, &set));
	expect_one(outer, EPOLLIN, 78);
}

int main(void)
{
	/* a pipe of its own goes along, but with a child it is one of two */
	return ways_three_beats(build, verify);
}
