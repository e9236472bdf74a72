/* SPDX-License-Identifier: MIT */
/*
 * Claim: `rfork-server --daemon` returns 0 only when the port file is there and callers are served,
 * and lets go of its output; one that cannot start returns nonzero and says why; SIGTERM
 * to the daemon leaves nothing.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/node.h"

static struct node node;

/* The kernel notes who has called listen(2). */
static pid_t listener_of(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	int fd = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	strcpy(un.sun_path, path);
	CHECK_CALL(connect(fd, (struct sockaddr *)&un, sizeof(un)));
	CHECK_CALL(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes));
	close(fd);
	return peer.pid;
}

static void expect_no_second(void)
{
	char where[64], text[4096];
	const char *arguments[] = { "rfork-server", "--daemon",	   "--listen", where,
				    "--key-file",   node.key_file, NULL };

	snprintf(where, sizeof(where), "127.0.0.1:%u", node.port);
	CHECK(node_run_server(arguments, text, sizeof(text)) != 0);
	CHECK(strstr(text, where) && strstr(text, strerror(EADDRINUSE)));
}

int main(void)
{
	char port_file[96], path[96], where[128], text[4096];
	const char *arguments[] = { "rfork-server", "--daemon",	   "--listen",	  "127.0.0.1:0",
				    "--listen",	    where,	   "--port-file", port_file,
				    "--key-file",   node.key_file, NULL };

	test_begin();
	node_prepare(&node);
	node_port_file(&node, port_file);
	snprintf(path, sizeof(path), "%s/socket", node.directory);
	snprintf(where, sizeof(where), "unix:%s", path);
	CHECK_EQUAL(node_run_server(arguments, text, sizeof(text)), 0);
	CHECK_CALL(access(port_file, R_OK));
	/* This test is the subreaper that the daemon comes to. */
	node.pid = listener_of(path);
	CHECK(node.pid > 1 && node.pid != getpid());
	test_guard_process(node.pid);
	node_await(&node);
	node_expect_service(&node);
	expect_no_second();
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
