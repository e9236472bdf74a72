/* SPDX-License-Identifier: MIT */
/*
 * Claim: the mode that the child sets is set at home: without lines each key arrives at once,
 * those of signals and editing too, and nothing is echoed; without echo a line is read unseen;
 * and the mode that was there before comes back, whoever restores it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

static struct node node;

static void read_keys(void)
{
	static const char keys[] = "a" KEY_INTERRUPT KEY_STOP "\r\n\177\021";
	struct termios before = terminal_mode(0), raw = before;

	cfmakeraw(&raw);
	CHECK_CALL(tcsetattr(0, TCSAFLUSH, &raw));
	dprintf(1, "keys?");
	for (size_t i = 0; i < sizeof(keys) - 1; i++) {
		char key;

		CHECK_EQUAL(CHECK_CALL(read(0, &key, 1)), 1);
		CHECK_EQUAL(key, keys[i]);
		dprintf(1, "<%02x>", key);
	}
	CHECK_CALL(tcsetattr(0, TCSADRAIN, &before));
}

static void read_secret(void)
{
	struct termios before = terminal_mode(0), hidden = before;
	char line[64];

	hidden.c_lflag &= ~(tcflag_t)ECHO;
	CHECK_CALL(tcsetattr(0, TCSAFLUSH, &hidden));
	dprintf(1, "password?");
	CHECK_EQUAL(CHECK_CALL(read(0, line, sizeof(line))), 7);
	CHECK(memcmp(line, "secret\n", 7) == 0);
	CHECK_CALL(tcsetattr(0, TCSAFLUSH, &before));
}

/* Not all who set a mode have asked for the old one: lines are edited and echoed once
 * nevertheless. */
static void read_in_mode_from_scratch(void)
{
	struct termios mode = terminal_mode(0);
	char line[64];

	mode.c_lflag &= ~(tcflag_t)EXTPROC;
	CHECK_CALL(tcsetattr(0, TCSANOW, &mode));
	dprintf(1, "line?");
	CHECK_EQUAL(CHECK_CALL(read(0, line, sizeof(line))), 5);
	CHECK(memcmp(line, "seen\n", 5) == 0);
}

/* A mode that is the caller's own: a key at a time, and no more than the child reads. */
static void inherit_mode(void)
{
	struct termios before = terminal_mode(0), raw = before;
	char key;
	pid_t pid;

	cfmakeraw(&raw);
	CHECK_CALL(tcsetattr(0, TCSANOW, &raw));
	dprintf(1, "inherited?");
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(CHECK_CALL(read(0, &key, 1)), 1);
		CHECK_EQUAL(key, KEY_INTERRUPT[0]);
		_exit(42);
	}
	test_expect_exit(pid, 42);
	dprintf(1, "caller?");
	CHECK_EQUAL(CHECK_CALL(read(0, &key, 1)), 1);
	CHECK_EQUAL(key, 'b');
	CHECK_CALL(tcsetattr(0, TCSANOW, &before));
}

static void use_modes(void)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		read_keys();
		read_secret();
		read_in_mode_from_scratch();
		dprintf(1, "done\n");
		_exit(42);
	}
	test_expect_exit(pid, 42);
	inherit_mode();
}

int main(void)
{
	static const char *const keys[] = {
		"a", KEY_INTERRUPT, KEY_STOP, "\r", "\n", "\177", "\021"
	};
	struct terminal terminal;
	struct termios before, after;
	pid_t leader;
	char shown[8];

	test_begin();
	node_start(&node, NULL);
	terminal_open(&terminal);
	before = terminal_mode(terminal.slave);
	leader = terminal_start(&terminal, use_modes);
	terminal_expect(&terminal, "keys?");
	terminal_expect_local(&terminal, ICANON | ECHO | ISIG | IEXTEN, 0);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		terminal_type(&terminal, keys[i]);
		snprintf(shown, sizeof(shown), "<%02x>", keys[i][0]);
		terminal_expect(&terminal, shown);
	}
	terminal_expect(&terminal, "password?");
	terminal_expect_local(&terminal, ICANON | ECHO, ICANON);
	terminal_type(&terminal, "secret\n");
	terminal_expect(&terminal, "line?");
	terminal_type(&terminal, "sean\177\177en\n");
	terminal_expect(&terminal, "sean\b \b\b \ben\r\ndone\r\n");
	terminal_expect(&terminal, "inherited?");
	terminal_type(&terminal, KEY_INTERRUPT);
	terminal_expect(&terminal, "caller?");
	terminal_type(&terminal, "b");
	terminal_finish(&terminal, leader, 0);
	after = terminal_mode(terminal.slave);
	CHECK(terminal_modes_are_equal(&before, &after));
	CHECK(!terminal_has_shown(&terminal, "secret"));
	CHECK(!terminal_has_shown(&terminal, "a<61>"));
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
