/* SPDX-License-Identifier: MIT */
/*
 * Pipes at home.  Called by ghost_channel.c.  Bytes are not copied where the kernel can pass the pages
 * on: tee(2) shows them, splice(2) drops and sends them.
 */
#define _GNU_SOURCE
#include "rfork/ghost_pipe.h"

#include <errno.h>

#include "rfork/sys.h"

static void read_exactly(int fd, void *buffer, size_t bytes)
{
	char *next = buffer;

	while (bytes) {
		ssize_t got = rf_sys_read(fd, next, bytes);

		if (got <= 0 && got != -EINTR)
			return; /* it held as much a moment ago, and is ours alone */
		next += got > 0 ? got : 0;
		bytes -= got > 0 ? (size_t)got : 0;
	}
}

/* Drops bytes of the scratch pipe, by reading them where /dev/null could not be opened. */
static void drop_scratch(const struct rf_channel_tools *tools, size_t bytes)
{
	while (bytes && tools->null >= 0) {
		long moved = rf_syscall(SYS_splice, tools->scratch[0], NULL, tools->null, NULL,
					bytes, 0);

		if (moved <= 0 && moved != -EINTR)
			break;
		bytes -= moved > 0 ? (size_t)moved : 0;
	}
	if (bytes)
		read_exactly(tools->scratch[0], tools->buffer, bytes);
}

long rf_ghost_pipe_peek(const struct rf_channel_tools *tools, int fd, uint32_t skip, uint32_t bytes)
{
	long seen = rf_syscall(SYS_tee, fd, tools->scratch[1], bytes, SPLICE_F_NONBLOCK);

	if (seen > 0 && skip)
		drop_scratch(tools, seen < (long)skip ? (size_t)seen : skip);
	return seen;
}

void rf_ghost_pipe_fetch(const struct rf_channel_tools *tools, size_t bytes)
{
	read_exactly(tools->scratch[0], tools->buffer, bytes);
}

long rf_ghost_pipe_drop(const struct rf_channel_tools *tools, int fd, uint32_t bytes)
{
	long moved;

	if (tools->null >= 0)
		return rf_syscall(SYS_splice, fd, NULL, tools->null, NULL, bytes,
				  SPLICE_F_NONBLOCK);
	moved = rf_syscall(SYS_splice, fd, NULL, tools->scratch[1], NULL, bytes, SPLICE_F_NONBLOCK);
	if (moved > 0)
		drop_scratch(tools, (size_t)moved);
	return moved;
}

/* -- room -------------------------------------------------------------------------------------- */

static int get_size(int fd)
{
	return (int)rf_syscall(SYS_fcntl, fd, F_GETPIPE_SZ);
}

static int set_size(int fd, int bytes)
{
	return (int)rf_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, bytes);
}

void rf_ghost_pipe_grow(struct rf_channel *channel, struct rf_channel_tools *tools, uint32_t bytes)
{
	int before = get_size(channel->fd), after;

	if (channel->grown_bytes || before <= 0 || before >= (int)bytes ||
	    tools->grown == RF_GHOST_PIPES_GROWN_MAX)
		return;
	after = set_size(channel->fd, (int)bytes);
	if (after < 0)
		return; /* the user has many large pipes: it only is slower */
	channel->pipe_bytes = before;
	channel->grown_bytes = after;
	tools->grown++;
	/* it has to hold all that is ahead beside what is new */
	if (tools->scratch[1] >= 0 && get_size(tools->scratch[1]) < after)
		set_size(tools->scratch[1], after);
}

void rf_ghost_pipe_shrink(struct rf_channel *channel, struct rf_channel_tools *tools)
{
	if (!channel->grown_bytes)
		return;
	if (get_size(channel->fd) == channel->grown_bytes)
		set_size(channel->fd, channel->pipe_bytes);
	channel->grown_bytes = 0;
	tools->grown--;
}
