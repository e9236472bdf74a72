/* SPDX-License-Identifier: MIT */
/*
 * Carries the child's standard output and error to the originals, with a bounded
 * buffer for each, and ends as the child ended.  Called by ghost.c once the child
 * runs; uses system calls only.
 */
#define _GNU_SOURCE
#include "rfork/ghost_relay.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/sys.h"

/* What a pipe takes after POLLOUT without waiting (PIPE_BUF), and a share of a terminal's room. */
#define PIPE_PIECE_BYTES 4096u
#define TTY_PIECE_BYTES 512u
/* Credit goes back in pieces of this size, or when the buffer is empty. */
#define CREDIT_PIECE_BYTES (RF_CHANNEL_CREDIT_BYTES / 4)

_Noreturn static void die_by_signal(int signal)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} action = { 0 };
	uint64_t bit = UINT64_C(1) << (signal - 1);

	rf_syscall(SYS_rt_sigaction, signal, &action, NULL, sizeof(uint64_t));
	rf_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, NULL, sizeof(uint64_t));
	rf_syscall(SYS_kill, rf_syscall(SYS_getpid), signal);
	rf_sys_exit(128 + signal); /* a signal that does not kill cannot have ended the child */
}

_Noreturn static void end_as(uint32_t status)
{
	if (WIFSIGNALED(status))
		die_by_signal(WTERMSIG(status));
	rf_sys_exit(WEXITSTATUS(status));
}

/* -- originals ---------------------------------------------------------------------------- */

static void classify(struct rf_relay_channel *channel)
{
	struct stat status;
	struct termios termios;

	channel->kind = RF_RELAY_FILE;
	if (channel->fd < 0 || rf_sys_fstat(channel->fd, &status) < 0)
		return;
	if (S_ISSOCK(status.st_mode))
		channel->kind = RF_RELAY_SOCKET;
	else if (S_ISFIFO(status.st_mode))
		channel->kind = RF_RELAY_PIPE;
	else if (rf_sys_ioctl(channel->fd, TCGETS, &termios) == 0)
		channel->kind = RF_RELAY_TTY;
}

/* Writes without waiting for a reader: O_NONBLOCK would belong to the caller's side too. */
static ssize_t write_some(struct rf_relay_channel *channel, const void *data, size_t bytes)
{
	struct iovec iov = { (void *)data, bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t put;

	switch (channel->kind) {
	case RF_RELAY_SOCKET:
		return rf_sys_sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	case RF_RELAY_PIPE:
		put = rf_syscall(SYS_pwritev2, channel->fd, &iov, 1, -1L, 0, RWF_NOWAIT);
		if (put != -EOPNOTSUPP)
			return put;
		/* a FIFO opened by path: POLLOUT promises room for this much */
		return rf_sys_write(channel->fd, data,
				    bytes < PIPE_PIECE_BYTES ? bytes : PIPE_PIECE_BYTES);
	case RF_RELAY_TTY:
		return rf_sys_write(channel->fd, data,
				    bytes < TTY_PIECE_BYTES ? bytes : TTY_PIECE_BYTES);
	case RF_RELAY_FILE:
		break;
	}
	return rf_sys_write(channel->fd, data, bytes);
}

/* -- channels --------------------------------------------------------------------------------- */

static void return_credit(struct rf_relay *relay, unsigned number)
{
	struct rf_relay_channel *channel = &relay->channels[number];
	struct rf_frame_window window = { .credit_bytes = channel->owed };

	if (channel->owed == 0 || (channel->used && channel->owed < CREDIT_PIECE_BYTES))
		return;
	channel->owed = 0;
	/* A failure shows as the end of the connection, which is read below. */
	rf_frame_send(relay->connection, RF_FRAME_WINDOW, 0, number, &window, sizeof(window),
		      RF_NO_DEADLINE);
}

/* Nobody reads the original any more: the child is to get SIGPIPE, as it would at home. */
static void abandon(struct rf_relay *relay, unsigned number)
{
	struct rf_relay_channel *channel = &relay->channels[number];

	channel->fd = -1;
	channel->used = 0;
	rf_frame_send(relay->connection, RF_FRAME_EOF, 0, number, NULL, 0, RF_NO_DEADLINE);
}

static void write_out(struct rf_relay *relay, unsigned number)
{
	struct rf_relay_channel *channel = &relay->channels[number];
	uint32_t straight = RF_CHANNEL_CREDIT_BYTES - channel->start;
	ssize_t put = write_some(channel, channel->buffer + channel->start,
				 channel->used < straight ? channel->used : straight);

	if (put == -EAGAIN || put == -EINTR)
		return;
	if (put < 0) {
		abandon(relay, number);
		return;
	}
	channel->start = (channel->start + (uint32_t)put) % RF_CHANNEL_CREDIT_BYTES;
	channel->used -= (uint32_t)put;
	channel->owed += (uint32_t)put;
	return_credit(relay, number);
}

/* -- the connection ----------------------------------------------------------------------------- */

_Noreturn static void lose_link(void)
{
	die_by_signal(SIGKILL);
}

static void read_exactly(struct rf_relay *relay, void *buffer, size_t bytes)
{
	if (rf_io_read_full(relay->connection, buffer, bytes, RF_NO_DEADLINE) < 0)
		lose_link();
}

static void take_data(struct rf_relay *relay, const struct rf_frame_header *header)
{
	struct rf_relay_channel *channel = &relay->channels[header->channel];
	uint32_t end = (channel->start + channel->used) % RF_CHANNEL_CREDIT_BYTES;
	uint32_t first = RF_CHANNEL_CREDIT_BYTES - end;

	if (header->length_bytes == 0 || header->length_bytes > RF_FRAME_MAX_BYTES ||
	    header->length_bytes > RF_CHANNEL_CREDIT_BYTES - channel->used - channel->owed)
		lose_link(); /* malformed, or more than the credit: the node is broken */
	if (first > header->length_bytes)
		first = header->length_bytes;
	read_exactly(relay, channel->buffer + end, first);
	read_exactly(relay, channel->buffer, header->length_bytes - first);
	if (channel->fd >= 0)
		channel->used += header->length_bytes;
}

/* Writes out what is left, then ends as the child did. */
_Noreturn static void finish(struct rf_relay *relay, uint32_t status)
{
	for (unsigned number = 0; number < RF_CHANNELS; number++) {
		struct rf_relay_channel *channel = &relay->channels[number];

		while (channel->fd >= 0 && channel->used) {
			if (channel->kind != RF_RELAY_FILE)
				rf_io_wait(channel->fd, POLLOUT, RF_NO_DEADLINE);
			write_out(relay, number);
		}
	}
	end_as(status);
}

static void take_frame(struct rf_relay *relay)
{
	struct rf_frame_header header;
	struct rf_frame_exited exited;

	read_exactly(relay, &header, sizeof(header));
	if (header.flags || header.channel >= RF_CHANNELS)
		lose_link();
	switch (header.type) {
	case RF_FRAME_DATA:
		take_data(relay, &header);
		break;
	case RF_FRAME_EOF:
		if (header.length_bytes)
			lose_link();
		break;
	case RF_FRAME_EXITED:
		if (header.length_bytes != sizeof(exited))
			lose_link();
		read_exactly(relay, &exited, sizeof(exited));
		finish(relay, exited.status);
	default:
		lose_link();
	}
}

_Noreturn void rf_ghost_relay(struct rf_relay *relay)
{
	struct pollfd fds[1 + RF_CHANNELS];

	for (unsigned number = 0; number < RF_CHANNELS; number++)
		classify(&relay->channels[number]);
	for (;;) {
		fds[0] = (struct pollfd){ .fd = relay->connection, .events = POLLIN };
		for (unsigned number = 0; number < RF_CHANNELS; number++) {
			struct rf_relay_channel *channel = &relay->channels[number];

			fds[1 + number] = (struct pollfd){ .fd = channel->used ? channel->fd : -1,
							   .events = POLLOUT };
		}
		if (rf_sys_poll(fds, 1 + RF_CHANNELS, -1) < 0)
			continue;
		for (unsigned number = 0; number < RF_CHANNELS; number++)
			if (fds[1 + number].revents)
				write_out(relay, number);
		if (fds[0].revents)
			take_frame(relay);
	}
}
