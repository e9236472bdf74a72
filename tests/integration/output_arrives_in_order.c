/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the child writes to standard output and error reaches the caller's own, in order
 * and complete before the ghost ends; standard input is at its end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define LINES 5000

static char text[LINES * 16];

static void check_lines(int fd, const char *name)
{
	ssize_t count = CHECK_CALL(pread(fd, text, sizeof(text) - 1, 0));
	char *line = text, expected[32];

	text[count] = '\0';
	for (int i = 0; i < LINES; i++) {
		snprintf(expected, sizeof(expected), "%s %d\n", name, i);
		if (strncmp(line, expected, strlen(expected)))
			test_fail(__FILE__, __LINE__, "line %d of %s is \"%.20s\"", i, name, line);
		line += strlen(expected);
	}
	CHECK_EQUAL(*line, 0);
}

int main(void)
{
	struct node node;
	int log, errors;
	char byte;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	/* whatever it is that the test runs under */
	CHECK_CALL(dup2(CHECK_CALL(open("/dev/null", O_RDONLY | O_CLOEXEC)), 0));
	test_capture_output();
	log = CHECK_CALL(fcntl(2, F_DUPFD_CLOEXEC, 10));
	errors = CHECK_CALL(memfd_create("errors", MFD_CLOEXEC));
	CHECK_CALL(dup2(errors, 2));
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		if (read(0, &byte, 1) != 0)
			_exit(3);
		for (int i = 0; i < LINES; i++) {
			dprintf(1, "out %d\n", i);
			dprintf(2, "err %d\n", i);
		}
		_exit(0);
	}
	CHECK_CALL(dup2(log, 2));
	test_expect_exit(pid, 0);
	check_lines(1, "out");
	check_lines(errors, "err");
	node_stop(&node);
	return test_end();
}
