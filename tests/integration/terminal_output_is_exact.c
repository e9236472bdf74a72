/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the child writes to its terminal shows at home byte by byte as if a local process had
 * written it, through changes of the mode in between: newlines with and without carriage returns,
 * in pieces of any size.  (A mode without processing is not left before its output has been seen:
 * doc/protocol.txt, 7, says what happens otherwise.)
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* -- a terminal that nobody reads for a while -------------------------------------------------- */

/* More than a terminal holds, so that the change of the mode comes home before the output that
 * precedes it has been shown. */
#define LINES 12000

static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void write_lines(const char *name, int count)
{
	for (int i = 0; i < count; i++)
		dprintf(1, "%s %d\n", name, i);
}

static void write_ahead(void)
{
	struct termios raw;
	pid_t pid = node_move_returns_twice(&node, 0);
	int home;

	if (pid) {
		test_expect_exit(pid, 0);
		return;
	}
	write_lines("cooked", LINES);
	raw = terminal_mode(1);
	cfmakeraw(&raw);
	CHECK_CALL(tcsetattr(1, TCSANOW, &raw));
	write_lines("raw", 100);
	home = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK_CALL(connect(home, (struct sockaddr *)&address, sizeof(address)));
	_exit(0);
}

static void expect_lines(const char *name, int count, const char *end)
{
	char line[32];

	for (int i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "%s %d%s", name, i, end);
		terminal_expect(&terminal, line);
	}
}

static void check_slow_terminal(void)
{
	int listener = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	size_t expected;
	pid_t leader;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/home", node.directory);
	CHECK_CALL(bind(listener, (struct sockaddr *)&address, sizeof(address)));
	CHECK_CALL(listen(listener, 1));
	terminal_open(&terminal);
	leader = terminal_start(&terminal, write_ahead);
	CHECK(test_poll(listener, POLLIN, TEST_DEADLINE_MS));
	expect_lines("cooked", LINES, "\r\n");
	expected = terminal.seen;
	expect_lines("raw", 100, "\n");
	/* nothing but these */
	CHECK_EQUAL(terminal.seen - expected, 10 * 6 + 90 * 7);
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
	close(listener);
	CHECK_CALL(unlink(address.sun_path));
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
	check_slow_terminal();
	node_stop(&node);
	return test_end();
}
