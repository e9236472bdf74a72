/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that holds a lock on a file does not move, whatever kind of lock it is; the sentence
 * names the file, the lock is held on, and once it is released the process moves.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/support/mover.h"

static char path[] = "/tmp/rfork-test-XXXXXX";

static void set_lock(int fd, int command, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = 7, .l_len = 3 };

	CHECK_CALL(fcntl(fd, command, &lock));
}

/* Whether somebody else, who tries, finds it locked.  To close the file would end the record locks of this
 * process. */
static bool is_locked(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;

	CHECK_CALL(fcntl(fd, F_OFD_GETLK, &lock));
	if (is_free)
		CHECK_CALL(flock(fd, LOCK_UN));
	return !is_free || lock.l_type != F_UNLCK;
}

static void expect_refusal(const struct node *node)
{
	int result = rfork_move(node->host);

	if (result == 0)
		_exit(99);
	CHECK_EQUAL(errno, ENOTSUP);
	dprintf(2, "refused: %s\n", rfork_error());
	CHECK(strstr(rfork_error(), path) && strstr(rfork_error(), "lock"));
	CHECK(is_locked());
}

static int hold_record_lock(const struct node *node)
{
	int fd = CHECK_CALL(open(path, O_RDWR));

	set_lock(fd, F_SETLK, F_WRLCK);
	expect_refusal(node);
	set_lock(fd, F_SETLK, F_UNLCK);
	mover_go(node);
	return 0;
}

static int hold_description_lock(const struct node *node)
{
	int fd = CHECK_CALL(open(path, O_RDWR));

	set_lock(fd, F_OFD_SETLK, F_WRLCK);
	expect_refusal(node);
	set_lock(fd, F_OFD_SETLK, F_UNLCK);
	mover_go(node);
	return 0;
}

static int hold_whole_file(const struct node *node)
{
	int fd = CHECK_CALL(open(path, O_RDONLY));

	CHECK_CALL(flock(fd, LOCK_EX));
	expect_refusal(node);
	CHECK_CALL(flock(fd, LOCK_UN));
	mover_go(node);
	return 0;
}

int main(void)
{
	struct node node;

	test_begin();
	close(CHECK_CALL(mkstemp(path)));
	node_start(&node, NULL);
	mover_run(&node, hold_record_lock);
	mover_run(&node, hold_description_lock);
	mover_run(&node, hold_whole_file);
	node_stop(&node);
	CHECK_CALL(unlink(path));
	return test_end();
}
