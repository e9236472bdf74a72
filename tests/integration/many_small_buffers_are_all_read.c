/* SPDX-License-Identifier: MIT */
/*
 * Claim: a pipe of more buffers than the ghost can look at at once (a packet pipe, each write a buffer)
 * is read to its last byte, also when its writer has gone before the child reads.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "tests/support/node.h"

#define PIPE_BYTES (1 << 20) /* what everybody may have: 256 buffers */
#define RECORDS 200
#define RECORD_BYTES 8

int main(void)
{
	char record[RECORD_BYTES];
	struct node node;
	int ends[2], written = 0;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe2(ends, O_DIRECT | O_NONBLOCK));
	CHECK_CALL(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES));
	while (written < RECORDS && write(ends[1], record, sizeof(record)) == sizeof(record))
		written++;
	CHECK_EQUAL(written, RECORDS);
	CHECK_CALL(fcntl(ends[0], F_SETFL, 0));
	close(ends[1]);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		ssize_t got, total = 0;

		while ((got = read(ends[0], record, sizeof(record))) > 0)
			total += got;
		CHECK_EQUAL(total, written * RECORD_BYTES);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(read(ends[0], record, sizeof(record)), 0);
	node_stop(&node);
	return test_end();
}
