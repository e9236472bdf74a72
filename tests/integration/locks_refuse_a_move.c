/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that holds a lock on a file does not move, whatever kind of lock it is; the sentence
 * names the file, the lock is held on, and once it is released the process moves.  A lock that it has
 * inherited is not its own: it is held as long as the process lives, wherever that is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/stream.h"

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

static int go[2];

static int live_on_the_node(const struct node *node)
{
	mover_go(node);
	stream_tell(go[1]);
	stream_hear(go[1]);
	return 0;
}

static void check_inherited_lock(const struct node *node)
{
	int fd = CHECK_CALL(open(path, O_RDWR));
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, go));
	CHECK_CALL(flock(fd, LOCK_EX));
	pid = mover_start(node, live_on_the_node);
	stream_hear(go[0]);
	close(fd);
	CHECK(is_locked());
	stream_tell(go[0]);
	test_expect_exit(pid, 0);
	CHECK(!is_locked());
	close(go[0]);
	close(go[1]);
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
	check_inherited_lock(&node);
	node_stop(&node);
	CHECK_CALL(unlink(path));
	return test_end();
}
