/* SPDX-License-Identifier: MIT */
/*
 * A full-screen program without a library: modes by termios, the screen by the sequences that all
 * terminals know (ECMA-48, and xterm's alternate screen).  Called by tests that execute themselves.
 */
#define _GNU_SOURCE
#include "tests/support/screen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[2J"
#define LEAVE "\033[?1049l"

static struct termios before;

static void handle(int signal)
{
	(void)signal; /* read() is interrupted */
}

static void enter(void)
{
	struct termios raw;

	tcgetattr(0, &before);
	raw = before;
	raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	raw.c_oflag &= ~(tcflag_t)OPOST;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	tcsetattr(0, TCSAFLUSH, &raw);
	dprintf(1, ENTER);
}

static void leave(void)
{
	dprintf(1, LEAVE);
	tcsetattr(0, TCSAFLUSH, &before);
}

static void draw(int key)
{
	struct winsize size = { 0 };

	ioctl(0, TIOCGWINSZ, &size);
	for (int row = 1; row < size.ws_row; row++)
		dprintf(1, "\033[%d;1H~\n", row);
	dprintf(1, "\033[%d;1H%dx%d <%02x>", size.ws_row, size.ws_row, size.ws_col, key);
}

static void stop(void)
{
	leave();
	kill(0, SIGTSTP); /* and then continued */
	enter();
}

int screen_run(void)
{
	const struct sigaction action = { .sa_handler = handle };
	unsigned char key = 0;
	ssize_t got;

	sigaction(SIGWINCH, &action, NULL);
	enter();
	do {
		draw(key);
		got = read(0, &key, 1);
		if (got == 1 && key == 032)
			stop();
	} while ((got == 1 && key != 'q') || (got < 0 && errno == EINTR));
	leave();
	return got == 1 ? 7 : 1;
}
