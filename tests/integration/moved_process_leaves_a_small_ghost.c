/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a process that has moved leaves at home costs at most 2 MiB of memory, however large it was,
 * and next to no time: its timers do not go off there, and nothing but its streams stays open.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/process.h"

#define BLOCK_BYTES (64ul << 20)
#define MEASURED_S 1
#define LIMIT_BYTES (2u << 20)
#define LIMIT_NS 20000000u
#define FILES 50

static int reports[2];

static _Noreturn void live_there(void)
{
	dprintf(reports[1], "%d\n", (int)getpid());
	for (;;)
		pause();
}

static void ignore(int signal)
{
	(void)signal;
}

static int move_much(const struct node *node)
{
	struct itimerval tick = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
	unsigned char *block = malloc(BLOCK_BYTES);
	int inside[2];

	CHECK(block);
	test_fill(block, BLOCK_BYTES, 3);
	for (int i = 0; i < FILES; i++)
		CHECK_CALL(open("/dev/null", O_RDWR));
	CHECK_CALL(pipe(inside));
	signal(SIGALRM, ignore);
	CHECK_CALL(setitimer(ITIMER_REAL, &tick, NULL));
	mover_go(node);
	live_there();
}

/* Standard streams and the test's pipe have one each, the relay seven. */
static void expect_few_descriptors(pid_t pid)
{
	unsigned count = 0;
	char path[64];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	if (!directory) {
		CHECK_EQUAL(errno, EACCES); /* a ghost is not for an ordinary user to look at */
		return;
	}
	for (struct dirent *entry; (entry = readdir(directory));)
		count += entry->d_name[0] != '.';
	closedir(directory);
	CHECK_AT_MOST(count, 15);
}

int main(void)
{
	struct itimerspec span = { .it_value.tv_sec = MEASURED_S };
	struct process_cost before, after;
	struct node node;
	pid_t home;
	int timer;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe2(reports, O_CLOEXEC));
	home = mover_start(&node, move_much);
	CHECK(test_read_number(reports[0]) != home);
	timer = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	CHECK_CALL(timerfd_settime(timer, 0, &span, NULL));
	before = process_cost(home);
	CHECK(test_poll(timer, POLLIN, TEST_DEADLINE_MS));
	after = process_cost(home);
	dprintf(2, "ghost: %llu KiB, %llu us\n", (unsigned long long)after.resident_bytes >> 10,
		(unsigned long long)(after.cpu_ns - before.cpu_ns) / 1000);
	CHECK_AT_MOST(after.resident_bytes, LIMIT_BYTES);
	CHECK_AT_MOST(after.cpu_ns - before.cpu_ns, LIMIT_NS);
	expect_few_descriptors(home);
	CHECK_CALL(kill(home, SIGTERM));
	test_expect_signal(home, SIGTERM);
	node_stop(&node);
	return test_end();
}
