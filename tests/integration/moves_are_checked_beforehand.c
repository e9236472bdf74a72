/* SPDX-License-Identifier: MIT */
/*
 * Claim: rfork_check() with RFORK_CHECK_MOVE lists all that rfork_move() refuses: other threads,
 * child processes, locks on files, timers of others' clocks, descriptors, and memory that a fork
 * does not copy.  rfork_move() then names all of it, and stays; a check for a fork lists only what
 * that refuses.  The process is as it was, and moves when nothing is in the way.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/mover.h"

#define LIST_BYTES 4096

static struct node node;
static sem_t ended;
static struct {
	pthread_t thread;
	pid_t child;
	int lock, socket;
	timer_t timer;
	void *ring; /* MAP_FAILED where there is no io_uring */
} things;

static void *wait_in_thread(void *unused)
{
	(void)unused;
	CHECK_CALL(sem_wait(&ended));
	return NULL;
}

static void *map_ring(void)
{
	struct io_uring_params params = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 8, &params);
	void *memory = MAP_FAILED;

	if (fd < 0)
		return MAP_FAILED;
	memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      IORING_OFF_SQ_RING);
	close(fd);
	if (memory != MAP_FAILED)
		CHECK_CALL(madvise(memory, TEST_PAGE_BYTES, MADV_DONTFORK));
	return memory;
}

static void make_things(void)
{
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	clockid_t clock;

	things.child = CHECK_CALL(fork());
	if (!things.child) {
		CHECK_CALL(prctl(PR_SET_PDEATHSIG, SIGKILL)); /* should a check fail */
		pause();
		_exit(1);
	}
	CHECK_CALL(sem_init(&ended, 0, 0));
	CHECK_EQUAL(pthread_create(&things.thread, NULL, wait_in_thread, NULL), 0);
	things.lock = CHECK_CALL(open(node.key_file, O_RDONLY));
	CHECK_CALL(flock(things.lock, LOCK_SH));
	things.socket = CHECK_CALL(socket(AF_INET, SOCK_STREAM, 0));
	CHECK_EQUAL(clock_getcpuclockid(things.child, &clock), 0);
	CHECK_CALL(timer_create(clock, &none, &things.timer));
	things.ring = map_ring();
}

static void unmake_things(void)
{
	CHECK_CALL(timer_delete(things.timer));
	CHECK_CALL(kill(things.child, SIGKILL));
	test_expect_signal(things.child, SIGKILL);
	CHECK_CALL(sem_post(&ended));
	CHECK_EQUAL(pthread_join(things.thread, NULL), 0);
	CHECK_CALL(close(things.lock));
	CHECK_CALL(close(things.socket));
	if (things.ring != MAP_FAILED)
		CHECK_CALL(munmap(things.ring, TEST_PAGE_BYTES));
}

static int check(const char *host, uint64_t flags, char *list)
{
	struct rfork_options options = { .size = sizeof(options), .flags = flags };
	int count = CHECK_CALL(rfork_check(host, &options, list, LIST_BYTES));

	dprintf(2, "%d:\n%s", count, list);
	return count;
}

static void expect_line(const char *list, const char *format, int number)
{
	char words[96];

	snprintf(words, sizeof(words), format, number);
	if (!strstr(list, words))
		test_fail(__FILE__, __LINE__, "\"%s\" is missing in \"%s\"", words, list);
}

static void expect_all(const char *text)
{
	expect_line(text, "%d threads cannot move", 2);
	expect_line(text, "child process %d would be left behind", things.child);
	expect_line(text, "descriptor %d (", things.lock);
	expect_line(text, "): a lock on a file", 0);
	expect_line(text, "descriptor %d (socket:[", things.socket);
}

static void check_with(const char *host)
{
	int rings = things.ring != MAP_FAILED;
	char list[LIST_BYTES];

	CHECK_EQUAL(check(host, RFORK_CHECK_MOVE, list), 5 + rings);
	expect_all(list);
	expect_line(list, "timer %d: the clock of another process", 0);
	if (rings)
		expect_line(list, "(anon_inode:[io_uring]): ", 0);
	CHECK_EQUAL(check(host, 0, list), 1);
	expect_line(list, "descriptor %d (socket:[", things.socket);
}

static int fail_and_move(const struct node *unused)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = RFORK_CHECK_MOVE | RFORK_ASYNC };
	static struct footprint before;
	char list[LIST_BYTES];

	(void)unused;
	make_things();
	check_with(NULL); /* what the first call keeps, it has now */
	footprint_take(&before);
	footprint_take(&before);
	check_with(NULL);
	check_with(node.host);
	CHECK_EQUAL(rfork_move(node.host), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	dprintf(2, "%s\n", rfork_error());
	expect_all(rfork_error());
	footprint_expect(&before);
	CHECK_EQUAL(rfork_check(NULL, &options, NULL, 0), -1);
	CHECK_EQUAL(errno, EINVAL);
	options.flags = RFORK_CHECK_MOVE;
	CHECK_EQUAL(rfork_with(node.host, &options), -1);
	CHECK_EQUAL(errno, EINVAL);
	unmake_things();
	CHECK_EQUAL(check(NULL, RFORK_CHECK_MOVE, list), 0);
	CHECK_EQUAL(check(node.host, RFORK_CHECK_MOVE, list), 0);
	CHECK_CALL(rfork_move(node.host));
	return 0;
}

int main(void)
{
	struct node_load load;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	mover_run(&node, fail_and_move);
	node_expect_load(&node, load);
	node_stop(&node);
	return test_end();
}
