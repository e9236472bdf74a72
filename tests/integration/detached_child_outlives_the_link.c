/* SPDX-License-Identifier: MIT */
/*
 * Claim: under RFORK_DETACH the ghost exits with 0 once the child runs, and the child goes on: it is there
 * when caller's side is gone, reads end of file, writes without harm, and the server waits for it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

static struct sockaddr_un address = { .sun_family = AF_UNIX };

/* Reaches the test by a path, not by anything that was open: on loopback both see the same files. */
static int call_home(void)
{
	int fd = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	CHECK_CALL(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

_Noreturn static void live_on(int input, int datagrams, int packets)
{
	static const char block[65536];
	char byte;
	int home = call_home();

	stream_hear(home); /* the ghost is gone */
	CHECK_EQUAL(read(input, &byte, 1), 0);
	for (int i = 0; i < 64; i++)
		CHECK_EQUAL(write(STDOUT_FILENO, block, sizeof(block)), sizeof(block));
	/* more than their buffers hold */
	for (int i = 0; i < 1000; i++) {
		CHECK_EQUAL(send(datagrams, block, i, 0), i);
		CHECK_EQUAL(send(packets, block, i, 0), i);
	}
	CHECK_EQUAL(recv(packets, &byte, 1, 0), 0);
	stream_tell(home);
	stream_hear(home);
	_exit(17);
}

/* The event that tells that the server has taken SIGTERM. */
static void await_refusal(const struct node *node)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	int64_t end_ms = test_now_ms() + TEST_DEADLINE_MS;

	for (;;) {
		pid_t pid = rfork_with(node->host, &options);

		if (!pid)
			_exit(0);
		if (pid < 0 && errno == ECONNREFUSED)
			return;
		if (pid > 0)
			test_wait(pid);
		CHECK(test_now_ms() < end_ms);
	}
}

int main(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_DETACH };
	int listener, home, input[2], datagrams[2], packets[2];
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/home", node.directory);
	listener = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK_CALL(bind(listener, (struct sockaddr *)&address, sizeof(address)));
	CHECK_CALL(listen(listener, 1));
	CHECK_CALL(pipe(input));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
	pid = rfork_with(node.host, &options);
	if (!pid)
		live_on(input[0], datagrams[1], packets[1]);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_expect_exit(pid, 0);
	home = CHECK_CALL(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	close(listener);
	CHECK_CALL(unlink(address.sun_path));
	stream_tell(home);
	stream_hear(home);
	/* a server that is to end waits for the child */
	CHECK_CALL(kill(node.pid, SIGTERM));
	await_refusal(&node);
	stream_expect_nothing(home);
	stream_tell(home);
	test_expect_exit(node.pid, 0);
	test_forget_process(node.pid);
	test_remove_directory(node.directory);
	close(home);
	return test_end();
}
