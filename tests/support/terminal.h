/* SPDX-License-Identifier: MIT */
/*
 * A user at a terminal: a pseudo-terminal whose master types keys and looks at what is shown, and a
 * session behind it that leads a life of its own.
 */
#ifndef TEST_SUPPORT_TERMINAL_H
#define TEST_SUPPORT_TERMINAL_H

#include <termios.h>

#include "tests/support/test.h"

/* Of <asm/termbits.h>, which cannot be included beside <termios.h>. */
#ifndef EXTPROC
#define EXTPROC 0200000
#endif

#define TERMINAL_SHOWN_BYTES 262144

#define KEY_INTERRUPT "\003"
#define KEY_END_OF_FILE "\004"
#define KEY_STOP "\032"

struct terminal {
	int master; /* O_NONBLOCK */
	int slave;  /* not the controlling one of the test: to look at its mode */
	char shown[TERMINAL_SHOWN_BYTES + 1];
	size_t bytes, seen; /* shown, and looked at by terminal_expect() */
};

/* 24 rows of 80 columns. */
void terminal_open(struct terminal *terminal);
void terminal_close(struct terminal *terminal);

/* Runs `body` as the leader of a new session on the terminal, with that as 0 to 2, and nothing else
 * open; the process exits with 0 if body returns. */
pid_t terminal_start(struct terminal *terminal, void (*body)(void));

/* Waits for the leader's end. */
void terminal_finish(struct terminal *terminal, pid_t leader, int code);

void terminal_type(struct terminal *terminal, const char *keys);

/* Waits until the text is shown, behind what was expected before. */
void terminal_expect(struct terminal *terminal, const char *text);

/* The same with one of two texts, the one that is shown first. */
void terminal_expect_one_of(struct terminal *terminal, const char *a, const char *b);

/* Whether it has been shown, at any time. */
bool terminal_has_shown(struct terminal *terminal, const char *text);

void terminal_set_size(struct terminal *terminal, unsigned rows, unsigned columns);

/* Waits until all of the local flags in `mask` are set as in `flags`. */
void terminal_expect_local(struct terminal *terminal, tcflag_t mask, tcflag_t flags);

struct termios terminal_mode(int fd);

/* In what is the same for caller and child: all but EXTPROC. */
bool terminal_modes_are_equal(const struct termios *a, const struct termios *b);

#endif
