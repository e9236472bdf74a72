/* SPDX-License-Identifier: MIT */
/*
 * Claim: a FIFO of the file system that the caller has opened, for reading or for writing, is
 * carried like a pipe: a local process at its other end talks with the child.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

static struct node node;

/* Opens the FIFO at both ends; its name goes away again. */
static void open_fifo(const char *name, int ends[2])
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", node.directory, name);
	CHECK_CALL(mkfifo(path, 0600));
	ends[0] = CHECK_CALL(open(path, O_RDONLY | O_NONBLOCK));
	ends[1] = CHECK_CALL(open(path, O_WRONLY));
	stream_set_nonblocking(ends[0], false);
	CHECK_CALL(unlink(path));
}

static _Noreturn void be_the_child(int to_child, int from_child)
{
	CHECK(!stream_is_nonblocking(to_child));
	stream_expect_text(to_child, "question");
	stream_write_text(from_child, "answer");
	stream_expect_end(to_child);
	stream_write_text(from_child, ", end");
	_exit(42);
}

int main(void)
{
	int to_child[2], from_child[2];
	pid_t pid, local;

	test_begin();
	node_start(&node, NULL);
	open_fifo("to-child", to_child);
	open_fifo("from-child", from_child);
	local = CHECK_CALL(fork());
	if (!local) {
		close(to_child[0]);
		close(from_child[1]);
		stream_write_text(to_child[1], "question");
		stream_expect_text(from_child[0], "answer");
		close(to_child[1]);
		stream_expect_text(from_child[0], ", end");
		stream_expect_end(from_child[0]);
		_exit(0);
	}
	test_guard_process(local);
	close(to_child[1]);
	close(from_child[0]);
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		be_the_child(to_child[0], from_child[1]);
	close(to_child[0]);
	close(from_child[1]);
	test_expect_exit(pid, 42);
	test_expect_exit(local, 0);
	test_forget_process(local);
	node_stop(&node);
	return test_end();
}
