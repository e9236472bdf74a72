/* SPDX-License-Identifier: MIT */
/*
 * What is typed at home: on its way to the child, how much of it the child has read, and whether
 * the child asks for more.
 */
#define _GNU_SOURCE
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/sys.h"
#include "server/pty_internal.h"
#include "server/pty_readers.h"

/* How soon it is looked again whether the child reads; twice as long each time, so that who has
 * typed ahead waits no longer than it takes the child to read, and half of that. */
#define LOOK_FIRST_NS INT64_C(2000000)
#define LOOK_LAST_NS INT64_C(1000000000)

/* -- to the child ----------------------------------------------------------------------------- */

static void flush(struct rf_pty *pty)
{
	while (pty->used_bytes) {
		ssize_t put =
			rf_sys_write(pty->master, pty->input + pty->start_bytes, pty->used_bytes);

		if (put == -EINTR)
			continue;
		if (put <= 0)
			return; /* an event tells when there is room */
		pty->start_bytes += (uint32_t)put;
		pty->used_bytes -= (uint32_t)put;
	}
	pty->start_bytes = 0;
}

static void give(struct rf_pty *pty, const char *data, size_t bytes)
{
	memmove(pty->input, pty->input + pty->start_bytes, pty->used_bytes);
	pty->start_bytes = 0;
	memcpy(pty->input + pty->used_bytes, data, bytes);
	pty->used_bytes += (uint32_t)bytes;
	pty->unread_bytes += (uint32_t)bytes;
	flush(pty);
}

/* With EXTPROC a lone end-of-file character is a read of nothing, once.  In a mode without lines
 * there is no such thing. */
static void give_end(struct rf_pty *pty)
{
	char end = (char)pty->mode.characters[VEOF];

	if (pty->mode.local & ICANON && end)
		give(pty, &end, 1);
	else
		pty->taken_bytes++;
}

/* The ghost sends nothing before it has heard that everything was read. */
static bool is_out_of_turn(const struct rf_pty *pty)
{
	return pty->unread_bytes || pty->taken_bytes;
}

int rf_pty_take_data(struct rf_pty *pty, const char *data, size_t bytes)
{
	if (bytes > RF_TERMINAL_AHEAD_BYTES || is_out_of_turn(pty))
		return -EBADMSG;
	if (rf_pty_is_open(pty))
		give(pty, data, bytes);
	pty->is_ready = false;
	return 0;
}

static uint32_t count_unread(const struct rf_pty *pty)
{
	struct pollfd polled = { .fd = pty->slave, .events = POLLIN };
	int held = 0;

	/* poll() waits for what is on its way from our end to theirs, FIONREAD does not */
	if (rf_sys_poll(&polled, 1, 0) < 0 || rf_sys_ioctl(pty->slave, FIONREAD, &held) < 0)
		return pty->unread_bytes;
	return pty->used_bytes + (uint32_t)held;
}

/* Only when all of it has been read, so that a reader of single bytes costs no frame for each. */
static void sample(struct rf_pty *pty)
{
	if (!pty->unread_bytes || count_unread(pty))
		return;
	pty->taken_bytes += pty->unread_bytes;
	pty->unread_bytes = 0;
}

uint32_t rf_pty_take_consumed(struct rf_pty *pty)
{
	uint32_t taken;

	if (rf_pty_is_open(pty))
		sample(pty);
	taken = pty->taken_bytes;
	pty->taken_bytes = 0;
	return taken;
}

void rf_pty_event(struct rf_pty *pty)
{
	if (!rf_pty_is_open(pty))
		return;
	flush(pty);
	sample(pty);
	if (pty->is_ended && !pty->unread_bytes)
		give_end(pty);
}

void rf_pty_detach(struct rf_pty *pty)
{
	if (!rf_pty_is_open(pty))
		return;
	pty->is_ended = true;
	pty->is_ready = pty->is_take_due = false;
	pty->look_ns = RF_NO_DEADLINE;
	rf_pty_set_foreground(pty, true);
	rf_pty_event(pty);
}

/* -- from home -------------------------------------------------------------------------------- */

/* A mode that was set at home before the ghost heard of the child's last wish is out of date. */
static void take_mode(struct rf_pty *pty, const struct rf_frame_terminal *home)
{
	struct rf_terminal_mode mode = home->mode;

	mode.local &= ~(uint32_t)EXTPROC;
	if (home->number != pty->number || pty->news || pty->is_due ||
	    memcmp(&mode, &pty->home, sizeof(mode)) == 0)
		return;
	rf_pty_set_mode(pty, &mode);
}

int rf_pty_take_state(struct rf_pty *pty, const struct rf_frame_terminal *home)
{
	if (home->flags & ~RF_TERMINAL_KNOWN_FLAGS || home->reserved)
		return -EBADMSG;
	if (!rf_pty_is_open(pty))
		return 0;
	if (home->flags & RF_TERMINAL_END_OF_FILE && is_out_of_turn(pty))
		return -EBADMSG;
	take_mode(pty, home);
	rf_pty_set_size(pty, &home->size);
	rf_pty_set_foreground(pty, home->flags & RF_TERMINAL_FOREGROUND);
	if (home->flags & RF_TERMINAL_END_OF_FILE)
		give_end(pty);
	pty->is_ready = home->flags & RF_TERMINAL_READY;
	pty->look_interval_ns = LOOK_FIRST_NS;
	pty->look_ns = pty->is_ready ? 0 : RF_NO_DEADLINE;
	return 0;
}

void rf_pty_look(struct rf_pty *pty, int64_t now_ns)
{
	pty->look_ns = RF_NO_DEADLINE;
	if (!pty->is_ready)
		return;
	if (rf_pty_has_reader(pty)) {
		pty->is_ready = false; /* until the ghost says more */
		pty->is_take_due = true;
		return;
	}
	pty->look_ns = now_ns + pty->look_interval_ns;
	if (pty->look_interval_ns < LOOK_LAST_NS)
		pty->look_interval_ns *= 2;
}
