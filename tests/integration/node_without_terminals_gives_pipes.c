/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node that has no pseudo-terminals to give takes children of callers with a terminal
 * nevertheless: their standard descriptors are pipes, as for any other device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

static struct node node;

/* For the server alone: /dev/ptmx finds its file system beside itself. */
static void hide_terminals(const struct node *starting)
{
	(void)starting;
	CHECK_CALL(unshare(CLONE_NEWNS));
	CHECK_CALL(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK_CALL(mount("none", "/dev/pts", "tmpfs", 0, NULL));
	CHECK_EQUAL(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), -1);
}

static bool can_hide(void)
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (!pid)
		_exit(unshare(CLONE_NEWNS) < 0);
	status = test_wait(pid);
	return status == 0;
}

static void use_terminal(void)
{
	pid_t pid = node_move_returns_twice(&node, 0);
	struct stat status;
	char byte;

	if (!pid) {
		CHECK_CALL(fstat(1, &status));
		CHECK(S_ISFIFO(status.st_mode));
		CHECK_EQUAL(CHECK_CALL(read(0, &byte, 1)), 0);
		CHECK_EQUAL(open("/dev/tty", O_RDWR), -1);
		CHECK_EQUAL(errno, ENXIO);
		dprintf(1, "from the child\n");
		_exit(42);
	}
	test_expect_exit(pid, 42);
}

int main(void)
{
	struct terminal terminal;
	pid_t leader;

	test_begin();
	if (!can_hide())
		test_skip("mount namespaces cannot be had");
	node_before_server = hide_terminals;
	node_start(&node, NULL);
	terminal_open(&terminal);
	leader = terminal_start(&terminal, use_terminal);
	terminal_expect(&terminal, "from the child\r\n");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
