/* SPDX-License-Identifier: MIT */
/*
 * Claim: over two pipes parent and child ask and answer in strict alternation, ten thousand times,
 * and every answer is the right one.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define ROUNDS 10000u

static uint64_t answer_to(uint64_t question)
{
	return test_digest(&question, sizeof(question));
}

static _Noreturn void answer(int questions, int answers)
{
	uint64_t word;
	unsigned count = 0;

	for (; test_read(questions, &word, sizeof(word)) == sizeof(word); count++) {
		word = answer_to(word);
		test_write(answers, &word, sizeof(word));
	}
	_exit(count == ROUNDS ? 42 : 1);
}

int main(void)
{
	int to_child[2], from_child[2];
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(to_child));
	CHECK_CALL(pipe(from_child));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		close(to_child[1]);
		close(from_child[0]);
		answer(to_child[0], from_child[1]);
	}
	close(to_child[0]);
	close(from_child[1]);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t got;

		stream_expect_nothing(from_child[0]);
		test_write(to_child[1], &round, sizeof(round));
		CHECK_EQUAL(test_read(from_child[0], &got, sizeof(got)), sizeof(got));
		CHECK_EQUAL(got, answer_to(round));
	}
	close(to_child[1]);
	stream_expect_end(from_child[0]);
	test_expect_exit(pid, 42);
	close(from_child[0]);
	node_stop(&node);
	return test_end();
}
