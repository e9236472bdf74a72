/* SPDX-License-Identifier: MIT */
/*
 * Claim: a unix socket that a killed server left is replaced by the next one; one that a living
 * server serves, and a file that is no socket, are refused by name and left alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/node.h"

static char folder[] = "/tmp/rfork-test-XXXXXX", path[64], where[80];

/* A socket file whose listener is gone. */
static void leave_socket(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	strcpy(un.sun_path, path);
	CHECK_CALL(bind(fd, (struct sockaddr *)&un, sizeof(un)));
	CHECK_CALL(listen(fd, 1));
	close(fd);
}

static void expect_service(void)
{
	pid_t pid = rfork(where);

	if (!pid)
		_exit(8);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_expect_exit(pid, 8);
}

static void expect_failure(const struct node *node, const char *address, const char *names)
{
	const char *arguments[] = { "rfork-server", "--listen",	    address,
				    "--key-file",   node->key_file, NULL };
	char text[4096];

	CHECK(node_run_server(arguments, text, sizeof(text)) != 0);
	CHECK(strstr(text, address) && strstr(text, names));
}

int main(void)
{
	const char *arguments[] = { "--listen", where, NULL };
	struct stat before, after;
	char file[64], not_socket[80];
	struct node node;

	test_begin();
	CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	snprintf(where, sizeof(where), "unix:%s", path);
	leave_socket();
	node_start(&node, arguments);
	expect_service();
	CHECK_CALL(stat(path, &before));
	expect_failure(&node, where, strerror(EADDRINUSE));
	CHECK_CALL(stat(path, &after));
	CHECK_EQUAL(after.st_ino, before.st_ino);
	expect_service();
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(not_socket, sizeof(not_socket), "unix:%s", file);
	close(CHECK_CALL(open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)));
	expect_failure(&node, not_socket, strerror(EEXIST));
	CHECK_CALL(unlink(file));
	node_stop(&node);
	CHECK_CALL(rmdir(folder));
	return test_end();
}
