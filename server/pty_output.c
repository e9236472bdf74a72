/* SPDX-License-Identifier: MIT */
/*
 * What the child has written to its terminal.  The driver here has processed it, and the one at
 * home will: with OPOST and ONLCR each newline has got a carriage return, which is taken out
 * again, so that home gets the very bytes.
 *
 * The mode is no part of the stream of bytes; but which mode bytes were written in decides how
 * they are undone, and at home how they are shown.  Bytes that may be of either mode come out
 * right if both undo nothing and the terminal at home adds nothing.  So the news that returns are
 * no longer added goes before the bytes that are there, and the news that they are goes after
 * them.
 */
#define _GNU_SOURCE
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "rfork/io.h"
#include "rfork/sys.h"
#include "server/pty_internal.h"

/* More than a terminal's buffers hold. */
#define BUFFERED_BYTES ((size_t)128 << 10)
#define RETURN_NS INT64_C(2000000)
/* Of which most are only changes of the mode. */
#define PACKETS_AT_ONCE 64

/* Home is to have this mode, if it is another one than before. */
static void pass_on(struct rf_pty *pty, const struct rf_terminal_mode *mode)
{
	if (memcmp(mode, &pty->mode, sizeof(*mode)) == 0)
		return; /* our own doing */
	pty->mode = pty->home = *mode;
	pty->news |= RF_MODE_CHANGED;
	pty->undoes_returns = rf_pty_adds_returns(mode);
}

/* Looks at the mode that the child has set, and passes it on. */
static void note_mode(struct rf_pty *pty)
{
	struct rf_terminal_mode mode, before = pty->mode;

	pty->is_due = false;
	if (!rf_pty_get_mode(pty, &mode))
		return;
	if (!(mode.local & EXTPROC) && rf_pty_is_open(pty)) {
		rf_pty_set_mode(pty, &mode); /* the child has set a mode from scratch */
		pty->mode = before;
	}
	mode.local &= ~(uint32_t)EXTPROC;
	pass_on(pty, &mode);
}

/* All but what is done with output goes home at once: whether keys are echoed cannot wait. */
static void note_status(struct rf_pty *pty, unsigned char status)
{
	struct rf_terminal_mode mode;

	if (status & TIOCPKT_FLUSHREAD)
		pty->news |= RF_MODE_FLUSH_INPUT;
	if (!(status & TIOCPKT_IOCTL) || !rf_pty_get_mode(pty, &mode))
		return;
	if (pty->undoes_returns || !rf_pty_adds_returns(&mode)) {
		note_mode(pty);
		return;
	}
	pty->is_due = true;
	pty->due_bytes = BUFFERED_BYTES;
	mode.local &= ~(uint32_t)EXTPROC;
	mode.output = pty->mode.output;
	pass_on(pty, &mode);
}

/* Takes out what the driver has added, in place; the number of bytes that are left.  A return at
 * the end waits for what comes next. */
static size_t undo_returns(struct rf_pty *pty, char *buffer, size_t bytes)
{
	size_t kept = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (buffer[i] == '\r' && (i + 1 == bytes || buffer[i + 1] == '\n')) {
			pty->has_return = i + 1 == bytes;
			continue;
		}
		buffer[kept++] = buffer[i];
	}
	return kept;
}

/* A packet is a status, or the status 0 and data.  The number of bytes of data, 0 if there is
 * only a status, or a negative errno. */
static ssize_t read_packet(struct rf_pty *pty, char *buffer, size_t bytes)
{
	unsigned char status = 0;
	struct iovec iov[] = { { &status, 1 }, { buffer, bytes } };
	ssize_t got;

	do
		got = rf_sys_readv(pty->master, iov, 2);
	while (got == -EINTR);
	if (got <= 0)
		return got < 0 ? got : -EIO;
	if (status)
		note_status(pty, status);
	return got - 1;
}

static bool has_status(const struct rf_pty *pty)
{
	struct pollfd polled = { .fd = pty->master, .events = POLLPRI };

	return rf_sys_poll(&polled, 1, 0) > 0 && polled.revents & POLLPRI;
}

static void drop_return(struct rf_pty *pty)
{
	pty->has_return = pty->is_return_due = false;
	pty->return_ns = RF_NO_DEADLINE;
}

/* Reads behind a return that waits; the number of bytes with it.  The kernel shows a status before
 * data, but does not end a read where the mode changes: what came while it read is looked
 * at before the data are undone. */
static ssize_t read_data(struct rf_pty *pty, char *buffer, size_t bytes)
{
	size_t held = pty->has_return;
	ssize_t got = read_packet(pty, buffer + held, bytes - held);

	if (got <= 0)
		return got;
	if (has_status(pty))
		(void)read_packet(pty, NULL, 0);
	if (held)
		buffer[0] = '\r';
	drop_return(pty);
	return got + (ssize_t)held;
}

/*
 * Nothing more is there, or never will be: what has waited for it waits no longer.  But the
 * newline to a return may be in another of the terminal's buffers, and on its way; not if the
 * child has stopped or ended.
 */
static ssize_t finish_reading(struct rf_pty *pty, ssize_t error, bool is_settled, char *buffer)
{
	if (pty->has_return && error == -EAGAIN && !is_settled && !pty->is_return_due) {
		if (pty->return_ns == RF_NO_DEADLINE)
			pty->return_ns = rf_io_now_ns() + RETURN_NS;
		return error;
	}
	if (pty->has_return) {
		drop_return(pty);
		buffer[0] = '\r';
		return 1;
	}
	if (pty->is_due)
		note_mode(pty);
	return error;
}

/* Data that were read while a change of the mode is due. */
static void count_due(struct rf_pty *pty, size_t bytes)
{
	if (pty->is_due && bytes >= pty->due_bytes)
		note_mode(pty);
	else if (pty->is_due)
		pty->due_bytes -= bytes;
}

ssize_t rf_pty_read(struct rf_pty *pty, bool is_settled, char *buffer, size_t bytes)
{
	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		ssize_t got = read_data(pty, buffer, bytes);

		if (got < 0)
			return finish_reading(pty, got, is_settled, buffer);
		count_due(pty, (size_t)got);
		if (pty->undoes_returns)
			got = (ssize_t)undo_returns(pty, buffer, (size_t)got);
		if (got > 0)
			return got;
	}
	pty->return_ns = 0; /* a child that changes its mode all the time; others want their turn */
	return -EAGAIN;
}

void rf_pty_release_return(struct rf_pty *pty)
{
	pty->is_return_due = pty->has_return;
	pty->return_ns = RF_NO_DEADLINE;
}
