/* SPDX-License-Identifier: MIT */
/*
 * Finds the terminal of the calling process and speaks with its driver.  Called by rfork.c and
 * ghost_terminal.c; changes nothing but what it is told to.
 */
#include "rfork/terminal.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <linux/termios.h>
#include <string.h>

#include "rfork/sys.h"

_Static_assert(sizeof(struct termios2) == sizeof(struct rf_terminal_mode), "one for the other");

/* The master of a pseudo-terminal speaks of its other end as a terminal does, but is none. */
static uint32_t find_device(int fd)
{
	struct termios2 termios;
	unsigned device = 0;
	int number;

	if (rf_sys_ioctl(fd, TCGETS2, &termios) < 0 || rf_sys_ioctl(fd, TIOCGPTN, &number) == 0 ||
	    rf_sys_ioctl(fd, TIOCGDEV, &device) < 0)
		return 0;
	return device;
}

void rf_terminal_find(struct rf_terminal *terminal)
{
	int own = rf_sys_open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	*terminal = (struct rf_terminal){ .standard = -1 };
	if (own >= 0) {
		terminal->device = find_device(own);
		terminal->is_controlling = true;
		rf_terminal_look(own, true, &terminal->state);
		rf_sys_close(own);
	}
	for (int fd = 0; fd < (int)RF_CHANNELS_STANDARD && !terminal->device; fd++) {
		terminal->device = find_device(fd);
		terminal->is_controlling = false;
		terminal->standard = fd;
		rf_terminal_look(fd, false, &terminal->state);
	}
}

bool rf_terminal_is(const struct rf_terminal *terminal, int fd)
{
	return terminal->device && find_device(fd) == terminal->device;
}

/* The kernel tells the group only to those whose controlling terminal it is; one that was ours
 * belongs to others after the end of the session's leader. */
bool rf_terminal_is_foreground(int fd, bool is_controlling)
{
	int group = 0;

	if (rf_sys_ioctl(fd, TIOCGPGRP, &group) < 0)
		return !is_controlling;
	return group == rf_syscall(SYS_getpgid, 0);
}

int rf_terminal_look(int fd, bool is_controlling, struct rf_frame_terminal *state)
{
	struct winsize size = { 0 };
	int error = rf_sys_ioctl(fd, TCGETS2, &state->mode);

	if (error < 0)
		return error;
	rf_sys_ioctl(fd, TIOCGWINSZ, &size);
	state->size = (struct rf_terminal_size){ size.ws_row, size.ws_col, size.ws_xpixel,
						 size.ws_ypixel };
	state->flags &= ~RF_TERMINAL_FOREGROUND;
	if (rf_terminal_is_foreground(fd, is_controlling))
		state->flags |= RF_TERMINAL_FOREGROUND;
	return 0;
}

int rf_terminal_set_mode(int fd, const struct rf_terminal_mode *mode)
{
	return rf_sys_ioctl(fd, TCSETS2, (void *)mode);
}
