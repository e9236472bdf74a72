/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing of the child's terminal, its mode, and who is in its foreground.
 *
 * EXTPROC, as of telnet's line mode: lines are edited, echoed and searched for signal characters
 * once, by the driver of the terminal at home; here what comes is taken as it is.  Packet mode
 * (TIOCPKT) tells us, together with EXTPROC, of every change of the mode.
 */
#define _GNU_SOURCE
#include "server/pty.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/termios.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/sys.h"
#include "server/descriptor.h"
#include "server/pty_internal.h"

#define OPEN_FLAGS (O_RDWR | O_NOCTTY | O_CLOEXEC)

static int open_slave(const struct rf_pty *pty, int flags)
{
	int fd = (int)rf_syscall(SYS_ioctl, pty->master, TIOCGPTPEER, flags);

	return fd < 0 ? -1 : fd;
}

int rf_pty_open(struct rf_pty *pty)
{
	int off = 0, on = 1;

	*pty = (struct rf_pty){ .slave = -1,
				.look_ns = RF_NO_DEADLINE,
				.return_ns = RF_NO_DEADLINE };
	pty->master = rf_sys_open("/dev/ptmx", OPEN_FLAGS | O_NONBLOCK);
	if (pty->master < 0) {
		int error = pty->master;

		pty->master = -1;
		return error;
	}
	if (rf_sys_ioctl(pty->master, TIOCSPTLCK, &off) == 0)
		pty->slave = open_slave(pty, OPEN_FLAGS | O_NONBLOCK);
	if (pty->slave >= 0 && rf_sys_ioctl(pty->slave, TIOCSCTTY, NULL) == 0 &&
	    rf_sys_ioctl(pty->master, TIOCPKT, &on) == 0)
		return 0;
	rf_pty_drop(pty);
	return -ENOTTY;
}

int rf_pty_open_slave(const struct rf_pty *pty)
{
	return open_slave(pty, OPEN_FLAGS);
}

bool rf_pty_is_open(const struct rf_pty *pty)
{
	return pty->slave >= 0;
}

/* The kernel tells our own process group, where these are blocked.  They must not stay: the child
 * may send us the same. */
static void forget_signals(void)
{
	const struct timespec now = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCONT);
	while (sigtimedwait(&set, NULL, &now) > 0)
		;
}

void rf_pty_drop(struct rf_pty *pty)
{
	if (pty->slave >= 0 && rf_sys_ioctl(pty->slave, TIOCNOTTY, NULL) == 0)
		forget_signals();
	rf_pty_close(pty);
}

void rf_pty_close(struct rf_pty *pty)
{
	rf_descriptor_close(&pty->slave);
	rf_descriptor_close(&pty->master);
	pty->look_ns = pty->return_ns = RF_NO_DEADLINE;
	pty->news = pty->taken_bytes = 0;
	pty->is_take_due = pty->is_due = false;
}

void rf_pty_leave(struct rf_pty *pty)
{
	if (pty->slave >= 0)
		rf_pty_set_foreground(pty, false);
	rf_descriptor_close(&pty->slave);
	pty->look_ns = RF_NO_DEADLINE;
	pty->is_ready = pty->is_take_due = false;
}

/* -- the mode --------------------------------------------------------------------------------- */

bool rf_pty_get_mode(const struct rf_pty *pty, struct rf_terminal_mode *mode)
{
	return rf_sys_ioctl(pty->master, TCGETS2, mode) == 0;
}

void rf_pty_set_mode(struct rf_pty *pty, const struct rf_terminal_mode *mode)
{
	struct rf_terminal_mode here = *mode;

	here.local |= EXTPROC;
	rf_sys_ioctl(pty->slave, TCSETS2, &here);
	rf_pty_get_mode(pty, &pty->mode);
	pty->mode.local &= ~(uint32_t)EXTPROC;
	pty->home = *mode;
	pty->home.local &= ~(uint32_t)EXTPROC;
	pty->undoes_returns = rf_pty_adds_returns(&pty->mode);
}

bool rf_pty_adds_returns(const struct rf_terminal_mode *mode)
{
	return (mode->output & (OPOST | ONLCR)) == (OPOST | ONLCR);
}

void rf_pty_set_size(const struct rf_pty *pty, const struct rf_terminal_size *size)
{
	struct winsize here = { size->rows, size->columns, size->width_pixels,
				size->height_pixels };

	/* which is a SIGWINCH for those in the foreground, if it is another one */
	rf_sys_ioctl(pty->master, TIOCSWINSZ, &here);
}

void rf_pty_begin(struct rf_pty *pty, const struct rf_frame_terminal *home, pid_t child)
{
	pty->child = child;
	rf_pty_set_mode(pty, &home->mode);
	rf_pty_set_size(pty, &home->size);
	rf_pty_set_foreground(pty, home->flags & RF_TERMINAL_FOREGROUND);
}

bool rf_pty_next_mode(struct rf_pty *pty, struct rf_frame_mode *mode)
{
	if (!pty->news)
		return false;
	*mode = (struct rf_frame_mode){ .flags = pty->news,
					.number = ++pty->number,
					.mode = pty->mode };
	pty->news = 0;
	return true;
}

/* -- the foreground --------------------------------------------------------------------------- */

static pid_t foreground_group(const struct rf_pty *pty)
{
	int group = 0;

	return rf_sys_ioctl(pty->slave, TIOCGPGRP, &group) == 0 ? group : 0;
}

/* The child's process group; it cannot be ours, but for a moment before it is made. */
static pid_t child_group(const struct rf_pty *pty)
{
	pid_t group = getpgid(pty->child);

	return group <= 0 || group == getpgrp() ? pty->child : group;
}

/* A child that has put another group there, as shells do, looks after its terminal itself. */
void rf_pty_set_foreground(const struct rf_pty *pty, bool is_foreground)
{
	int own = getpgrp(), childs = child_group(pty);
	pid_t now = foreground_group(pty);

	if (now == own || now == childs)
		rf_sys_ioctl(pty->slave, TIOCSPGRP, is_foreground ? &childs : &own);
}

bool rf_pty_send_signal(const struct rf_pty *pty, int number)
{
	return rf_pty_is_open(pty) && foreground_group(pty) != getpgrp() &&
	       rf_syscall(SYS_ioctl, pty->master, TIOCSIG, number) == 0;
}
