/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a process has done to semaphores under SEM_UNDO, see semop(2), is undone when it ends,
 * and not when a child of it does; of a process that has moved, when its ghost ends.
 */
#define _GNU_SOURCE
#include <sys/sem.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/stream.h"

#define VALUE 5

static struct node node;
static int semaphore, ends[2];

static int value(void)
{
	return CHECK_CALL(semctl(semaphore, 0, GETVAL));
}

static void add(void)
{
	struct sembuf one = { .sem_op = 1, .sem_flg = SEM_UNDO };

	CHECK_CALL(semop(semaphore, &one, 1));
	CHECK_EQUAL(value(), VALUE + 1);
}

static int have_children(const struct node *unused)
{
	pid_t pid;

	(void)unused;
	add();
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(0);
	test_expect_exit(pid, 0);
	CHECK_EQUAL(value(), VALUE + 1);
	node_expect_service(&node);
	CHECK_EQUAL(value(), VALUE + 1);
	return 0;
}

static int move(const struct node *unused)
{
	(void)unused;
	add();
	mover_go(&node);
	stream_tell(ends[1]);
	stream_hear(ends[1]);
	return 0;
}

int main(void)
{
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	semaphore = semget(IPC_PRIVATE, 1, 0600);
	if (semaphore < 0)
		test_skip("semget: %s", strerror(errno));
	CHECK_CALL(semctl(semaphore, 0, SETVAL, VALUE));
	mover_run(&node, have_children);
	CHECK_EQUAL(value(), VALUE);
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pid = mover_start(&node, move);
	stream_hear(ends[0]);
	CHECK_EQUAL(value(), VALUE + 1);
	stream_tell(ends[0]);
	test_expect_exit(pid, 0);
	CHECK_EQUAL(value(), VALUE);
	CHECK_CALL(semctl(semaphore, 0, IPC_RMID));
	close(ends[0]);
	close(ends[1]);
	node_stop(&node);
	return test_end();
}
