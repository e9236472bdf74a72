/* SPDX-License-Identifier: MIT */
/*
 * Claim: a socket that a child of a child has read to its end and shuts down is shut down at home as well, also
 * if nobody else on the first node has it, and however late the session there looks: it is not taken
 * for closed, which would leave those who read its other end waiting for others who have it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

#define GO SIGUSR1
#define DONE SIGUSR2

static struct network network;
static int pair[2];
static int output;

static void tell_pid(void)
{
	dprintf(1, "%d\n", (int)getpid());
}

static _Noreturn void be_the_last(void)
{
	stream_expect_end(pair[1]);
	tell_pid();
	signals_take(GO);
	CHECK_CALL(shutdown(pair[1], SHUT_WR));
	CHECK_CALL(kill(getppid(), DONE));
	signals_take(GO); /* with the socket open */
	_exit(1);
}

static _Noreturn void be_the_child(void)
{
	tell_pid();
	close(pair[0]);
	if (!network_move_returns_twice(&network, 1, 0))
		be_the_last();
	close(pair[1]);
	signals_take(DONE);
	raise(SIGSTOP);
	_exit(1);
}

/* While the child's session is stopped, the last one shuts the socket down. */
static void shut_unseen(void)
{
	pid_t child = (pid_t)test_read_number(output);
	pid_t last = (pid_t)test_read_number(output);
	pid_t session = node_parent_of(child);

	CHECK_CALL(kill(session, SIGSTOP));
	process_expect_stopped(session);
	CHECK_CALL(kill(last, GO));
	process_expect_stopped(child);
	CHECK_CALL(kill(session, SIGCONT));
}

int main(void)
{
	sigset_t before;
	pid_t ghost;

	test_begin();
	network_start_anywhere(&network, 2, NULL);
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	output = test_pipe_output();
	signals_block_all(&before);
	ghost = network_move_returns_twice(&network, 0, 0);
	if (!ghost)
		be_the_child();
	CHECK_CALL(shutdown(pair[0], SHUT_WR));
	shut_unseen();
	stream_expect_end(pair[0]);
	CHECK_CALL(kill(ghost, SIGKILL));
	test_expect_signal(ghost, SIGKILL);
	test_release_output();
	signals_restore(&before);
	network_stop(&network);
	return test_end();
}
