/* SPDX-License-Identifier: MIT */
/*
 * Claim: the server serves the listening sockets that a service manager passes, TCP and unix,
 * opens none of its own beside them, and its port file holds the TCP port.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/node.h"

#define FIRST_FD 3 /* sd_listen_fds(3) */

static struct node node;
static char socket_file[96];

static int listen_at(const void *address, socklen_t bytes)
{
	int fd = CHECK_CALL(socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM, 0));

	CHECK_CALL(bind(fd, address, bytes));
	CHECK_CALL(listen(fd, 16));
	return fd;
}

/* The port that the kernel chose. */
static unsigned port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t bytes = sizeof(address);

	CHECK_CALL(getsockname(fd, (struct sockaddr *)&address, &bytes));
	return ntohs(address.sin_port);
}

static _Noreturn void become_activated(void)
{
	char port_file[96], number[16];
	const char *arguments[] = { "rfork-server", "--port-file", port_file,
				    "--key-file",   node.key_file, NULL };

	node_port_file(&node, port_file);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDS", "2", 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	execv(test_build_path("server/rfork-server"), (char *const *)arguments);
	_exit(127);
}

static void expect_move(const char *host)
{
	pid_t pid = rfork(host);

	if (!pid)
		_exit(9);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_expect_exit(pid, 9);
}

int main(void)
{
	const struct sockaddr_in tcp = { .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char host[128];
	unsigned port;

	test_begin();
	node_prepare(&node);
	snprintf(socket_file, sizeof(socket_file), "%s/socket", node.directory);
	strcpy(un.sun_path, socket_file);
	CHECK_EQUAL(listen_at(&tcp, sizeof(tcp)), FIRST_FD);
	CHECK_EQUAL(listen_at(&un, sizeof(un)), FIRST_FD + 1);
	port = port_of(FIRST_FD);
	node.pid = CHECK_CALL(fork());
	if (!node.pid)
		become_activated();
	test_guard_process(node.pid);
	close(FIRST_FD);
	close(FIRST_FD + 1);
	node_await(&node);
	CHECK_EQUAL(node.port, port);
	expect_move(node.host);
	snprintf(host, sizeof(host), "unix:%s", socket_file);
	expect_move(host);
	/* It is the manager's: the server leaves it where it is. */
	CHECK_CALL(unlink(socket_file));
	node_stop(&node);
	return test_end();
}
