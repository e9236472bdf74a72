/* SPDX-License-Identifier: MIT */
/*
 * Claim: a daemon that holds none of the child's streams outlives the child and all of home: no
 * process is left there.  On the node it counts as a child, so that daemons cannot fill the server, which
 * says so to others, and waits for it when it is to end.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

/* More than a server has room for, if it does not count them. */
#define DAEMONS 80
#define CHILDREN 2

/* As daemon(3) does, and others should; but the child waits until it has closed all. */
static _Noreturn void be_the_daemon(int done)
{
	setsid();
	if (fork())
		_exit(0);
	dprintf(1, "%d\n", (int)getpid());
	CHECK_CALL(close_range(0, (unsigned)done - 1, 0));
	close(done);
	for (;;)
		pause();
}

static _Noreturn void be_the_child(void)
{
	int done[2];

	CHECK_CALL(pipe(done));
	if (!fork())
		be_the_daemon(done[1]);
	close(done[1]);
	stream_expect_end(done[0]);
	_exit(42);
}

static pid_t start_daemon(const struct node *node)
{
	int reader = test_pipe_output(), pair[2];
	pid_t ghost, daemon, left;

	/* a datagram socket has no end by which its closing could be seen */
	CHECK_CALL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child();
	close(pair[0]);
	close(pair[1]);
	test_release_output();
	daemon = (pid_t)test_read_number(reader);
	stream_expect_end(reader);
	close(reader);
	test_expect_exit(ghost, 42);
	CHECK(!test_has_ended(daemon, 0));
	CHECK_EQUAL(process_find_ghosts(&left, 1), 0);
	return daemon;
}

static void expect_full(const struct node *node)
{
	const struct rfork_options options = { .size = sizeof(options),
					       .flags = RFORK_CLOSE_OTHERS };

	for (int i = 0; i < DAEMONS; i++) {
		CHECK_EQUAL(rfork_with(node->host, &options), -1);
		CHECK_EQUAL(errno, EAGAIN);
	}
}

int main(void)
{
	const char *arguments[] = { "--max-children", "2", NULL };
	pid_t daemons[CHILDREN];
	struct node_load load;
	struct node node;

	test_begin();
	node_start(&node, arguments);
	node_expect_service(&node);
	load = node_settle(&node);
	for (int i = 0; i < CHILDREN; i++)
		daemons[i] = start_daemon(&node);
	expect_full(&node);
	for (int i = 0; i < CHILDREN; i++)
		CHECK_CALL(kill(daemons[i], SIGKILL));
	node_expect_load(&node, load);
	daemons[0] = start_daemon(&node);
	CHECK_CALL(kill(node.pid, SIGTERM));
	CHECK(!test_has_ended(node.pid, STREAM_QUIET_MS));
	CHECK_CALL(kill(daemons[0], SIGKILL));
	test_expect_exit(node.pid, 0);
	test_forget_process(node.pid);
	test_remove_directory(node.directory);
	return test_end();
}
