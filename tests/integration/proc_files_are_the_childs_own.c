/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a process has open of itself in /proc is the child's own on the node, on another
 * machine too: files, directories, those of the calling thread, and those that are written to.
 * What everybody finds there is opened by its path, if it is only read.  What is of another thread
 * or, on another machine, of another process, is refused by name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"

#define NUMBER 17
#define STATUS 20
#define THREAD 21
#define FOLDER 22
#define COMM 23
#define MEMORY 24
#define SYSTEM 25

static struct node node;
static char other_text[64];

static void place(const char *path, int flags, int number)
{
	int fd = CHECK_CALL(open(path, flags | O_CLOEXEC));

	CHECK_CALL(dup2(fd, number));
	close(fd);
}

static void open_all(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", getpid());
	place(path, O_RDONLY, STATUS);
	place("/proc/thread-self/stat", O_RDONLY, THREAD);
	place("/proc/self", O_RDONLY | O_DIRECTORY, FOLDER);
	place("/proc/self/comm", O_RDWR, COMM);
	place("/proc/self/mem", O_RDWR, MEMORY);
	place("/proc/version", O_RDONLY, SYSTEM);
	CHECK_EQUAL(lseek(SYSTEM, 6, SEEK_SET), 6);
}

static void expect_own_status(void)
{
	char text[4096];
	const char *found;

	text[CHECK_CALL(pread(STATUS, text, sizeof(text) - 1, 0))] = '\0';
	found = strstr(text, "\nPid:");
	CHECK(found);
	CHECK_EQUAL(strtol(found + 5, NULL, 10), getpid());
}

static void verify(void)
{
	volatile long mine = 4711;
	long value = 0;
	char text[64];

	foreign_node_expect_here();
	expect_own_status();
	text[CHECK_CALL(pread(THREAD, text, sizeof(text) - 1, 0))] = '\0';
	CHECK_EQUAL(strtol(text, NULL, 10), syscall(SYS_gettid));
	text[CHECK_CALL(readlinkat(FOLDER, "fd/17", text, sizeof(text) - 1))] = '\0';
	CHECK_TEXT(text, "/dev/null");
	test_write(COMM, "renamed", 7);
	CHECK_CALL(prctl(PR_GET_NAME, text));
	CHECK_TEXT(text, "renamed");
	CHECK_EQUAL(pread(MEMORY, &value, sizeof(value), (off_t)(uintptr_t)&mine), sizeof(value));
	CHECK_EQUAL(value, 4711);
	text[CHECK_CALL(read(SYSTEM, text, 7))] = '\0';
	CHECK_TEXT(text, "version");
}

static void expect_refusal(const char *path, int flags, const char *names)
{
	place(path, flags, NUMBER);
	footprint_expect_refusal(node.host, &foreign_node_options, ENOTSUP, names);
	close(NUMBER);
}

_Noreturn static void *idle(void *tid)
{
	*(pid_t *)tid = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
}

static void refuse_other_thread(void)
{
	volatile pid_t tid = 0;
	pthread_t thread;

	CHECK_EQUAL(pthread_create(&thread, NULL, idle, (void *)&tid), 0);
	while (!tid)
		sched_yield();
	snprintf(other_text, sizeof(other_text), "/proc/self/task/%d/stat", tid);
	expect_refusal(other_text, O_RDONLY, "another thread");
	CHECK_EQUAL(pthread_cancel(thread), 0);
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
}

int main(void)
{
	pid_t pid;

	test_begin();
	foreign_node_start(&node, (struct foreign_change){ 0 });
	node_expect_service(&node);
	open_all();
	place("/dev/null", O_RDONLY, NUMBER);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		verify();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	for (int number = STATUS; number <= SYSTEM; number++)
		close(number);

	snprintf(other_text, sizeof(other_text), "/proc/%d/status", getppid());
	expect_refusal(other_text, O_RDONLY, other_text);
	refuse_other_thread();
	node_stop(&node);
	return test_end();
}
