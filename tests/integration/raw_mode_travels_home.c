/* SPDX-License-Identifier: MIT */
/*
 * Claim: the mode that the child sets is set at home: without lines each key arrives at once, those of
 * signals and editing too, and nothing is echoed; without echo a line is read unseen; and the mode that
 * was there before comes back, whoever restores it.
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

static void use_modes(void)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		read_keys();
		read_secret();
		dprintf(1, "done\n");
		_exit(42);
	}
	test_expect_exit(pid, 42);
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
	terminal_expect(&terminal, "done\r\n");
	terminal_finish(&terminal, leader, 0);
	after = terminal_mode(terminal.slave);
	CHECK(terminal_modes_are_equal(&before, &after));
	CHECK(!terminal_has_shown(&terminal, "secret"));
	CHECK(!terminal_has_shown(&terminal, "a<61>"));
	terminal_close(&terminal);
	node_stop(&node);
	return test_end();
}
