/* SPDX-License-Identifier: MIT */
/*
 * Called by ghost_relay.c.  The ghost never reads a terminal, nor sets its mode, while its process
 * group is in the background there: the terminal is another's then.
 */
#define _GNU_SOURCE
#include "rfork/ghost_terminal.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>

#include "rfork/report.h"
#include "rfork/sys.h"

int rf_ghost_terminal_open(struct rf_ghost_terminal *own, const struct rf_terminal *terminal)
{
	const int flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	char path[32];
	int fd;

	rf_format(path, sizeof(path), "/proc/self/fd/%d", terminal->standard);
	fd = rf_sys_open(terminal->is_controlling ? "/dev/tty" : path, flags);
	/* another user's terminal: what the caller was given */
	if (fd < 0 && !terminal->is_controlling)
		fd = (int)rf_syscall(SYS_fcntl, terminal->standard, F_DUPFD_CLOEXEC, 0);
	*own = (struct rf_ghost_terminal){ .is_open = fd >= 0,
					   .is_controlling = terminal->is_controlling,
					   .may_look = true };
	return fd;
}

/* -- state ------------------------------------------------------------------------------------ */

static short poll_now(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return rf_sys_poll(&pollfd, 1, 0) > 0 ? pollfd.revents : 0;
}

static bool is_foreground(const struct rf_ghost_terminal *own, int fd)
{
	return rf_terminal_is_foreground(fd, own->is_controlling);
}

static bool is_ready(const struct rf_ghost_terminal *own, int fd)
{
	return !own->ahead && poll_now(fd) & POLLIN && is_foreground(own, fd);
}

static void put_state(struct rf_ghost_terminal *own, int fd, struct rf_ghost_terminal_news *news)
{
	struct rf_frame_terminal *state = &news->state;

	*news = (struct rf_ghost_terminal_news){ .type = RF_FRAME_TERMINAL,
						 .payload = state,
						 .bytes = sizeof(*state) };
	rf_terminal_look(fd, own->is_controlling, state);
	if (own->wish_count)
		state->mode = own->wishes[own->wish_count - 1].mode;
	if (is_ready(own, fd))
		state->flags |= RF_TERMINAL_READY;
	state->flags |= own->flags;
	state->number = own->number;
	own->told = state->flags;
	own->flags = 0;
	own->must_tell = false;
}

/* -- the mode --------------------------------------------------------------------------------- */

/* What is about this line and not about the child: whether it is processed elsewhere, and how its
 * characters are sent, of which a pseudo-terminal knows one way only. */
static void keep_own(int fd, struct rf_terminal_mode *mode)
{
	const uint32_t control = CSIZE | PARENB;
	struct rf_terminal_mode now;

	if (rf_sys_ioctl(fd, TCGETS2, &now) < 0)
		return;
	mode->local = (mode->local & ~(uint32_t)EXTPROC) | (now.local & EXTPROC);
	mode->control = (mode->control & ~control) | (now.control & control);
}

static void set_mode(struct rf_ghost_terminal *own, int fd, struct rf_terminal_mode *mode)
{
	keep_own(fd, mode);
	rf_terminal_set_mode(fd, mode);
	own->is_raw = !(mode->local & ICANON);
	own->may_look = true;
}

static void drop_wish(struct rf_ghost_terminal *own, uint32_t index)
{
	own->wish_count--;
	for (uint32_t i = index; i < own->wish_count; i++)
		own->wishes[i] = own->wishes[i + 1];
}

/* In the background they wait, and hold up no output. */
static void set_modes(struct rf_ghost_terminal *own, int fd)
{
	while (own->wish_count && !own->wishes[0].after_bytes && fd >= 0 &&
	       is_foreground(own, fd)) {
		set_mode(own, fd, &own->wishes[0].mode);
		drop_wish(own, 0);
	}
}

uint32_t rf_ghost_terminal_limit(const struct rf_ghost_terminal *own)
{
	for (uint32_t i = 0; i < own->wish_count; i++)
		if (own->wishes[i].after_bytes)
			return own->wishes[i].after_bytes;
	return UINT32_MAX;
}

void rf_ghost_terminal_wrote(struct rf_ghost_terminal *own, int fd, uint32_t bytes)
{
	for (uint32_t i = 0; i < own->wish_count; i++)
		own->wishes[i].after_bytes -=
			bytes < own->wishes[i].after_bytes ? bytes : own->wishes[i].after_bytes;
	set_modes(own, fd);
}

static void add_wish(struct rf_ghost_terminal *own, uint32_t after_bytes,
		     const struct rf_terminal_mode *mode)
{
	if (own->wish_count == RF_GHOST_WISHES)
		drop_wish(own, RF_GHOST_WISHES - 1);
	own->wishes[own->wish_count].after_bytes = after_bytes;
	own->wishes[own->wish_count].mode = *mode;
	own->wish_count++;
}

int rf_ghost_terminal_take_mode(struct rf_ghost_terminal *own, int fd, uint32_t waiting_bytes,
				const struct rf_frame_mode *mode)
{
	if (mode->flags & ~RF_MODE_KNOWN_FLAGS || !mode->flags)
		return -EBADMSG;
	if (!own->is_open || fd < 0)
		return 0;
	own->number = mode->number;
	if (mode->flags & RF_MODE_FLUSH_INPUT && is_foreground(own, fd))
		rf_syscall(SYS_ioctl, fd, TCFLSH, TCIFLUSH);
	if (mode->flags & RF_MODE_CHANGED)
		add_wish(own, waiting_bytes, &mode->mode);
	set_modes(own, fd);
	return 0;
}

/* -- what is typed ---------------------------------------------------------------------------- */

/* 0 is the end of a line that was not begun (^D), nothing at all in a mode without lines, or the
 * end of the terminal. */
static bool put_end(struct rf_ghost_terminal *own, int fd, struct rf_ghost_terminal_news *news)
{
	struct rf_terminal_mode mode = { 0 };

	if (poll_now(fd) & POLLHUP) {
		*news = (struct rf_ghost_terminal_news){ .type = RF_FRAME_EOF };
		own->is_open = false;
		return true;
	}
	if (rf_sys_ioctl(fd, TCGETS2, &mode) < 0 || !(mode.local & ICANON))
		return false;
	own->ahead = 1;
	own->flags |= RF_TERMINAL_END_OF_FILE;
	put_state(own, fd, news);
	return true;
}

/* Takes what can be read now: a line, or in a mode without lines whatever there is. */
static bool put_input(struct rf_ghost_terminal *own, int fd, unsigned char *buffer,
		      struct rf_ghost_terminal_news *news)
{
	ssize_t got = rf_sys_read(fd, buffer, RF_TERMINAL_AHEAD_BYTES);

	if (got <= 0)
		return got == 0 && put_end(own, fd, news);
	own->ahead = (uint32_t)got;
	own->told &= ~RF_TERMINAL_READY;
	*news = (struct rf_ghost_terminal_news){ .type = RF_FRAME_DATA,
						 .payload = buffer,
						 .bytes = (uint32_t)got };
	return true;
}

/* Nobody is to wait for what is not there. */
static void give_up_input(struct rf_ghost_terminal *own)
{
	own->may_look = false;
	own->must_tell = own->must_tell || own->is_asked || own->told & RF_TERMINAL_READY;
	own->is_asked = false;
}

static bool look(struct rf_ghost_terminal *own, int fd, unsigned char *buffer,
		 struct rf_ghost_terminal_news *news)
{
	short events = poll_now(fd);

	if (events & POLLHUP)
		return put_end(own, fd, news);
	if (own->ahead || !(events & POLLIN) || !is_foreground(own, fd)) {
		give_up_input(own);
		return false;
	}
	if (own->is_asked || own->is_raw) {
		own->is_asked = false;
		if (put_input(own, fd, buffer, news))
			return true;
		give_up_input(own);
		return false;
	}
	own->must_tell = own->must_tell || !(own->told & RF_TERMINAL_READY);
	own->may_look = false;
	return false;
}

bool rf_ghost_terminal_next(struct rf_ghost_terminal *own, int fd, unsigned char *buffer,
			    struct rf_ghost_terminal_news *news)
{
	if (!own->is_open || fd < 0)
		return false;
	set_modes(own, fd);
	if (own->may_look && look(own, fd, buffer, news))
		return true;
	if (!own->must_tell)
		return false;
	put_state(own, fd, news);
	return true;
}

/* -- frames of the node ----------------------------------------------------------------------- */

int rf_ghost_terminal_take_ask(struct rf_ghost_terminal *own, int fd,
			       const struct rf_frame_ask *ask)
{
	if (ask->signal != SIGTTIN && ask->signal != SIGTTOU)
		return -EBADMSG;
	if (!own->is_open || fd < 0)
		return 0;
	own->flags |= RF_TERMINAL_ANSWER;
	own->must_tell = own->may_look = true;
	/* its read goes on with what there is, and does not wait for more than that */
	own->is_asked = ask->signal == SIGTTIN;
	return 0;
}

void rf_ghost_terminal_take_take(struct rf_ghost_terminal *own)
{
	own->is_asked = own->may_look = true;
}

int rf_ghost_terminal_take_consumed(struct rf_ghost_terminal *own, uint32_t bytes)
{
	if (bytes > own->ahead)
		return -EBADMSG;
	own->ahead -= bytes;
	own->may_look = own->may_look || !own->ahead;
	return 0;
}

void rf_ghost_terminal_check(struct rf_ghost_terminal *own, int fd)
{
	if (own->is_open && fd >= 0 && own->told & RF_TERMINAL_READY && !is_ready(own, fd))
		own->must_tell = true;
}

/* Others use the terminal meanwhile, and set its mode to theirs. */
void rf_ghost_terminal_stop(struct rf_ghost_terminal *own)
{
	own->is_raw = own->is_asked = false;
}

void rf_ghost_terminal_continue(struct rf_ghost_terminal *own)
{
	own->must_tell = own->may_look = own->is_open;
}
