/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the child writes to its terminal shows at home byte by byte as if a local process had
 * written it, through changes of the mode in between: newlines with and without carriage returns,
 * in pieces of any size.  (A mode without processing is not left before its output has been seen:
 * doc/protocol.txt, 7, says what happens otherwise.)
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

#define PIECES 300
#define QUESTION "\005"

static struct node node;
static uint64_t seed;
static struct terminal terminal;

/* Many of the bytes that matter, among others. */
static size_t make_piece(char *piece, uint64_t *random)
{
	static const char special[] = "\n\r\r\n\n\t\b";
	size_t bytes = 1 + test_random(random) % 200;

	for (size_t i = 0; i < bytes; i++) {
		uint64_t value = test_random(random);

		piece[i] = value % 3 ? special[value / 3 % (sizeof(special) - 1)]
				     : (char)(' ' + value / 3 % 95);
	}
	return bytes;
}

/* Only who sees what was written without processing can answer. */
static void await_answer(void)
{
	char byte;

	test_write(1, QUESTION, 1);
	CHECK_EQUAL(CHECK_CALL(read(0, &byte, 1)), 1);
}

static void change_mode(const struct termios *cooked, const struct termios *raw)
{
	struct termios now = terminal_mode(1);

	if (!(now.c_oflag & OPOST))
		await_answer();
	CHECK_CALL(tcsetattr(1, TCSANOW, now.c_oflag & OPOST ? raw : cooked));
}

static void write_all(void)
{
	struct termios cooked = terminal_mode(1), raw = cooked;
	uint64_t random = seed;
	char piece[200];

	cfmakeraw(&raw);
	dprintf(1, "begin");
	for (int i = 0; i < PIECES; i++) {
		test_write(1, piece, make_piece(piece, &random));
		if (test_random(&random) % 8 == 0)
			change_mode(&cooked, &raw);
	}
	test_write(1, "\r", 1);
	if (!(terminal_mode(1).c_oflag & OPOST))
		change_mode(&cooked, &raw);
	dprintf(1, "end!");
}

static void write_from_child(void)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		write_all();
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static size_t record(void (*body)(void), char *text)
{
	pid_t leader;

	terminal_open(&terminal);
	leader = terminal_start(&terminal, body);
	terminal_expect(&terminal, "begin");
	for (;;) {
		terminal_expect_one_of(&terminal, QUESTION, "end!");
		if (terminal.shown[terminal.seen - 1] == '!')
			break;
		terminal_type(&terminal, "k");
	}
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	memcpy(text, terminal.shown, terminal.bytes);
	return terminal.bytes;
}

int main(void)
{
	static char local[TERMINAL_SHOWN_BYTES], remote[TERMINAL_SHOWN_BYTES];

	test_begin();
	seed = test_seed();
	node_start(&node, NULL);
	for (int round = 0; round < 5; round++, seed++) {
		size_t expected = record(write_all, local), got = record(write_from_child, remote);

		for (size_t i = 0; i < expected && i < got; i++)
			if (local[i] != remote[i])
				test_fail(__FILE__, __LINE__,
					  "byte %zu is %#x, not %#x, in %zu of %zu", i, remote[i],
					  local[i], got, expected);
		CHECK_EQUAL(got, expected);
	}
	node_stop(&node);
	return test_end();
}
