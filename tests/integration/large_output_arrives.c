/* SPDX-License-Identifier: MIT */
/*
 * Claim: eight MiB of output arrive whole at a reader that starts late, so credit is used up and
 * granted again many times.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"

#define BYTES (8ul << 20)

int main(void)
{
	unsigned char *sent = malloc(BYTES), *got = malloc(BYTES + 1);
	struct node node;
	int reader;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	test_fill(sent, BYTES, 8);
	reader = test_pipe_output();
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		test_write(1, sent, BYTES);
		_exit(0);
	}
	test_release_output();
	CHECK_EQUAL(test_read(reader, got, BYTES + 1), BYTES);
	CHECK(!memcmp(got, sent, BYTES));
	test_expect_exit(pid, 0);
	node_stop(&node);
	return test_end();
}
