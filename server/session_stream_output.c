/* SPDX-License-Identifier: MIT */
/*
 * One channel from the child to the ghost: frames of what there is to read at our end.  Called by
 * session_streams.c; never blocks.
 */
#define _GNU_SOURCE
#include "server/session_stream_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/descriptor.h"
#include "server/session_message.h"

#define CREDIT_LIMIT_BYTES 0x7fffffffu
/* More than a terminal's buffers hold, which do not tell how much that is. */
#define TERMINAL_BYTES ((uint32_t)128 << 10)
/* From here on moving pages costs less than copying them. */
#define MUCH_BYTES 16384

int rf_stream_take_window(struct rf_stream *stream, uint32_t credit_bytes)
{
	if (credit_bytes > CREDIT_LIMIT_BYTES - stream->credit_bytes)
		return -EBADMSG;
	stream->credit_bytes += credit_bytes;
	if (stream->gives_much)
		stream->passed_bytes += credit_bytes;
	stream->may_give = stream->may_give || stream->gives;
	return 0;
}

static ssize_t read_some(struct rf_stream *stream, enum rf_stream_limit limit, char *payload,
			 size_t bytes)
{
	ssize_t got;

	if (stream->pty)
		return rf_pty_read(stream->pty, limit != RF_STREAM_ALL, payload, bytes);
	do
		got = stream->is_socket ? recv(stream->fd, payload, bytes, MSG_DONTWAIT)
					: read(stream->fd, payload, bytes);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == ECONNRESET)
		stream->is_reset = true; /* said only once */
	return got < 0 ? -errno : got;
}

/* Drops what there is to read, without waiting; -EAGAIN if more may come. */
static ssize_t drop_readable(struct rf_stream *stream)
{
	static char dropped[16384];
	ssize_t got;

	do
		got = stream->is_message
			      ? rf_message_drop(stream)
			      : read_some(stream, RF_STREAM_ALL, dropped, sizeof(dropped));
	while (got > 0);
	return got;
}

/* Nobody reads the original any more: the child is to get SIGPIPE or EPIPE.  Not ECONNRESET, which
 * it would get if something were left in the socket that is closed; and a socket that stays full
 * would not tell a child that waits for room. */
void rf_stream_take_no_reader(struct rf_stream *stream)
{
	if (!stream->gives)
		return;
	stream->gives = false;
	stream->left_bytes = 0;
	if (stream->is_socket && shutdown(stream->fd, SHUT_RD) == 0)
		(void)drop_readable(stream);
	rf_stream_release(stream);
}

static uint32_t count_readable(const struct rf_stream *stream)
{
	int bytes = 0;

	return ioctl(stream->fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (uint32_t)bytes : 0;
}

void rf_stream_snapshot(struct rf_stream *stream)
{
	/* Nor has its event been heard yet, if the child has just closed the end. */
	if (stream->takes && !stream->is_socket && rf_stream_poll_now(stream) & POLLERR)
		rf_stream_stop_taking(stream);
	if (!stream->gives)
		return;
	if (stream->is_message)
		stream->left_bytes = RF_MESSAGES_SNAPSHOT_MAX;
	else
		stream->left_bytes = stream->pty ? TERMINAL_BYTES : count_readable(stream);
	/* The end of the stream counts as a byte: it was there as well. */
	if (rf_stream_poll_now(stream) & (POLLHUP | POLLRDHUP))
		stream->left_bytes++;
	stream->may_give = true;
}

bool rf_stream_has_peer(const struct rf_stream *stream)
{
	if (stream->named)
		return !rf_stream_is_gone(stream->named);
	return !stream->peer || rf_stream_ask_peer(stream->fd) != 0;
}

/* A socket that the child has shut down for writing is not closed.  Where the kernel cannot be
 * asked, both look the same once we have shut down the other direction; then it counts as closed,
 * which does no harm at home. */
static bool is_still_open(const struct rf_stream *stream)
{
	if (!stream->is_socket)
		return false;
	if (stream->peer)
		return rf_stream_ask_peer(stream->fd) != 0;
	return !stream->is_shut && !(rf_stream_poll_now(stream) & POLLHUP);
}

bool rf_stream_put_eof(struct rf_stream *stream, enum rf_stream_limit limit,
		       struct rf_stream_frame *frame)
{
	bool is_open = limit != RF_STREAM_FINAL && is_still_open(stream);

	*frame = (struct rf_stream_frame){ .type = RF_FRAME_EOF,
					   .flags = is_open ? RF_EOF_SHUTDOWN : 0 };
	stream->gives = false;
	if (!is_open)
		rf_stream_stop_taking(stream);
	rf_stream_release(stream);
	return true;
}

/* Without credit the end can be told, but not looked for by reading. */
static bool has_ended_unread(const struct rf_stream *stream)
{
	return rf_stream_poll_now(stream) & (POLLHUP | POLLRDHUP) && count_readable(stream) == 0;
}

/* Pages change hands, without a copy. */
static ssize_t move_some(const struct rf_stream *stream, int pipe, size_t bytes)
{
	ssize_t got;

	do
		got = splice(stream->fd, NULL, pipe, NULL, bytes, SPLICE_F_NONBLOCK);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static bool put_data(struct rf_stream *stream, enum rf_stream_limit limit, uint32_t bytes,
		     struct rf_stream_frame *frame, char *payload, int pipe)
{
	bool moves = stream->gives_much && pipe >= 0;
	ssize_t got = moves ? move_some(stream, pipe, bytes)
			    : read_some(stream, limit, payload, bytes);

	if (got == -EAGAIN && limit != RF_STREAM_FINAL) {
		stream->may_give = false;
		stream->left_bytes = 0;
		return false;
	}
	/* After the child's end someone else may have read what it left. */
	if (got <= 0)
		return rf_stream_put_eof(stream, limit, frame);
	stream->credit_bytes -= (uint32_t)got;
	stream->left_bytes -= (uint32_t)got < stream->left_bytes ? (uint32_t)got
								 : stream->left_bytes;
	stream->gives_much = !stream->is_socket && !stream->pty && got >= MUCH_BYTES;
	*frame = (struct rf_stream_frame){ .type = RF_FRAME_DATA,
					   .bytes = (size_t)got,
					   .is_in_pipe = moves };
	return true;
}

bool rf_stream_produce(struct rf_stream *stream, enum rf_stream_limit limit,
		       struct rf_stream_frame *frame, char *payload, int pipe)
{
	uint32_t bytes = RF_FRAME_MAX_BYTES;

	if (stream->tell_no_reader) {
		stream->tell_no_reader = false;
		*frame = (struct rf_stream_frame){ .type = RF_FRAME_NO_READER };
		return true;
	}
	if (!stream->gives) {
		stream->may_give = false;
		return false;
	}
	if (stream->is_message)
		return rf_message_produce(stream, limit, frame, payload);
	/* one is too few to read there, and the snapshot is more than the terminal held */
	if (stream->pty && stream->left_bytes == 1)
		stream->left_bytes = 0;
	if (limit != RF_STREAM_ALL && !stream->left_bytes)
		return limit == RF_STREAM_FINAL && rf_stream_put_eof(stream, limit, frame);
	if (limit != RF_STREAM_ALL && bytes > stream->left_bytes)
		bytes = stream->left_bytes;
	if (bytes > stream->credit_bytes)
		bytes = stream->credit_bytes;
	if (stream->pty && bytes == 1)
		bytes = 0; /* a carriage return is looked at with what follows it */
	if (bytes)
		return put_data(stream, limit, bytes, frame, payload, pipe);
	if (has_ended_unread(stream))
		return rf_stream_put_eof(stream, limit, frame);
	stream->may_give = false;
	return false;
}

void rf_stream_drain(struct rf_stream *stream)
{
	if (stream->gives && drop_readable(stream) == -EAGAIN)
		return;
	stream->gives = false;
	stream->may_give = stream->tell_no_reader = false;
	rf_stream_release(stream);
}
