/* SPDX-License-Identifier: MIT */
/*
 * Claim: a redirected standard descriptor and a duplicate of it under another number are one open file on
 * the node, too: nothing is overwritten.  A file that is open for writing as standard input is
 * written to.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

#define DUPLICATE 9

static void write_text(int fd, const char *text)
{
	CHECK_EQUAL(write(fd, text, strlen(text)), strlen(text));
}

int main(void)
{
	char path[96], content[32] = "";
	int saved_input, saved_output, file;
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/output", node.directory);
	saved_input = CHECK_CALL(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 20));
	saved_output = CHECK_CALL(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 20));
	file = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	CHECK_CALL(dup2(file, STDOUT_FILENO));
	CHECK_CALL(dup2(file, DUPLICATE));
	CHECK_CALL(dup2(file, STDIN_FILENO));
	close(file);
	write_text(STDOUT_FILENO, "A");
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		write_text(STDOUT_FILENO, "B");
		write_text(DUPLICATE, "C");
		write_text(STDIN_FILENO, "D");
		_exit(0);
	}
	test_expect_exit(pid, 0);
	write_text(DUPLICATE, "E");
	CHECK_CALL(dup2(saved_input, STDIN_FILENO));
	CHECK_CALL(dup2(saved_output, STDOUT_FILENO));
	close(saved_input);
	close(saved_output);
	close(DUPLICATE);
	file = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	test_read(file, content, sizeof(content) - 1);
	close(file);
	CHECK_TEXT(content, "ABCDE");
	CHECK_CALL(unlink(path));
	node_stop(&node);
	return test_end();
}
