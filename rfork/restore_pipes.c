/* SPDX-License-Identifier: MIT */
/*
 * Makes the image's own pipes, with what is in them.  Called by whoever becomes an image.
 */
#define _GNU_SOURCE
#include "rfork/restore_pipes.h"

#include <errno.h>

#include "rfork/sys.h"

/* In packet mode each write is one; a pipe of the same capacity has room for all. */
static int fill(int fd, const struct rf_reader_pipe *pipe)
{
	const unsigned char *next = pipe->contents, *end = next + pipe->image.bytes;
	int mode = O_NONBLOCK | (pipe->image.packets ? O_DIRECT : 0);
	uint32_t packet = 0;
	int error = (int)rf_syscall(SYS_fcntl, fd, F_SETFL, mode);

	while (next < end && error >= 0) {
		size_t bytes = pipe->image.packets ? pipe->lengths[packet++] : (size_t)(end - next);
		ssize_t put = rf_sys_write(fd, next, bytes);

		if (put < 0)
			return (int)put;
		if ((size_t)put < bytes)
			return -ENOSPC;
		next += put;
	}
	return error < 0 ? error : 0;
}

static int set_capacity(int fd, uint32_t capacity_bytes)
{
	long got = rf_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, capacity_bytes);

	if (got < 0)
		return (int)got;
	return got == (long)capacity_bytes ? 0 : -ENOBUFS;
}

static void close_both(struct rf_restore_pipe *pipe)
{
	for (unsigned i = 0; i < 2; i++)
		if (pipe->ends[i] >= 0)
			rf_sys_close(pipe->ends[i]);
	pipe->ends[0] = pipe->ends[1] = -1;
}

/* Both ends above all of the image's numbers, until these are due. */
static int make(struct rf_restore_pipe *pipe, const struct rf_reader_pipe *image, unsigned lowest)
{
	int ends[2];
	int error = (int)rf_syscall(SYS_pipe2, ends, O_CLOEXEC);

	if (error < 0)
		return error;
	pipe->is_made = true;
	for (unsigned i = 0; i < 2; i++) {
		pipe->ends[i] = (int)rf_syscall(SYS_fcntl, ends[i], F_DUPFD_CLOEXEC, lowest);
		rf_sys_close(ends[i]);
		if (pipe->ends[i] < 0)
			error = pipe->ends[i];
	}
	if (error == 0)
		error = set_capacity(pipe->ends[1], image->image.capacity_bytes);
	if (error == 0)
		error = fill(pipe->ends[1], image);
	if (error < 0)
		close_both(pipe);
	return error;
}

int rf_restore_take_pipe_end(struct rf_restore_pipe *pipe, const struct rf_reader_pipe *image,
			     const struct rf_image_descriptor *descriptor, unsigned lowest)
{
	unsigned mine = descriptor->stream & RF_STREAM_WRITE ? 1 : 0;
	int flags = (int)descriptor->status_flags & (O_NONBLOCK | O_DIRECT);
	int error = pipe->is_made ? 0 : make(pipe, image, lowest);
	int fd;

	if (error < 0)
		return error;
	fd = pipe->ends[mine];
	pipe->ends[mine] = -1;
	error = (int)rf_syscall(SYS_fcntl, fd, F_SETFL, flags);
	if (error >= 0)
		return fd;
	rf_sys_close(fd);
	return error;
}

void rf_restore_close_pipes(struct rf_restore_pipe *pipes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (pipes[i].is_made)
			close_both(&pipes[i]);
}
