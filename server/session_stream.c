/* SPDX-License-Identifier: MIT */
/*
 * One channel: its life, its events, and bytes from frames to our end of the child's pipe or
 * socket; session_stream_output.c has the other direction.  Called by session_streams.c.  Nothing
 * here blocks.  Events are edges: may_give says that there may be something to read, until a read
 * finds nothing.
 */
#define _GNU_SOURCE
#include "server/session_stream_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/report.h"
#include "server/descriptor.h"
#include "server/session_message.h"
#include "server/unix_diag.h"

/* A socket tells when a whole piece was read; where the kernel tells no more, one at a time. */
#define SOCKET_PIECE_BYTES 16384u
/* Each piece wakes the child.  Of a large window more than a few are under way nevertheless. */
#define SOCKET_PIECES 8u
#define SOCKET_LARGE_PIECE_BYTES 65536u
/* What a socket holds in any case. */
#define SOCKET_LIMIT_BYTES (4 * RF_CHANNEL_AHEAD_BYTES)
/* Of this size are large pieces. */
#define MUCH_TAKEN_BYTES (RF_CHANNEL_AHEAD_BYTES / 4)
/* A child that has taken so much in large pieces gets a larger window; so does one
 * whose writing has been taken by the original, more than that holds. */
#define SHORT_BYTES (4 * RF_CHANNEL_AHEAD_BYTES)
#define SHORT_OUTPUT_BYTES (4 * RF_CHANNEL_CREDIT_BYTES)

/* For questions about the child's sockets, of all channels; -1 = cannot be asked, or not tried. */
static int diag = -1;

uint32_t rf_stream_ask_peer(int fd)
{
	static bool was_tried;

	if (!was_tried)
		diag = rf_unix_diag_open();
	was_tried = true;
	return diag < 0 ? 0 : rf_unix_diag_peer(diag, fd);
}

bool rf_stream_can_ask(void)
{
	(void)rf_stream_ask_peer(-1);
	return diag >= 0;
}

bool rf_stream_find_peer(struct rf_stream *stream)
{
	stream->peer = rf_stream_ask_peer(stream->fd);
	return stream->peer != 0;
}

bool rf_stream_is_gone(uint32_t inode)
{
	return rf_unix_diag_unread(diag, inode) == -ENOENT;
}

/*
 * A pipe to the child has half of the window: one that was full tells when it is read from, so the
 * other half follows while the ghost hears of the first.  A pipe from the child is larger while it
 * is busy.
 */
static void fit_pipe(struct rf_stream *stream)
{
	uint32_t wanted = stream->takes ? stream->limit_bytes / 2 : stream->limit_bytes;
	int bytes;

	if (stream->is_socket || stream->accept.is_listener || stream->fd < 0 ||
	    stream->pipe_bytes == wanted)
		return;
	/* Refused growth only is slower; one that holds too much shrinks when that is read. */
	bytes = fcntl(stream->fd, F_SETPIPE_SZ, wanted);
	stream->pipe_bytes = bytes < 0 ? 0 : (uint32_t)bytes;
}

void rf_stream_open(struct rf_stream *stream, uint32_t kind, int fd)
{
	uint32_t type = kind & RF_STREAM_TYPE;

	*stream = (struct rf_stream){
		.fd = fd,
		.is_socket = type != RF_STREAM_PIPE && type != RF_STREAM_LISTENER,
		.accept.is_listener = type == RF_STREAM_LISTENER,
		.accept.keeps_messages = kind & RF_STREAM_CONNECTIONS_KEEP_MESSAGES,
		.messages.child = -1,
		.gives = kind & RF_STREAM_WRITE,
		.takes = kind & RF_STREAM_READ,
		.credit_bytes = RF_CHANNEL_CREDIT_BYTES,
		.limit_bytes = RF_CHANNEL_AHEAD_BYTES,
		.pipe_bytes = RF_CHANNEL_AHEAD_BYTES, /* as they are made */
	};
	if (stream->is_socket && !(kind & RF_STREAM_HAS_NO_PEER))
		stream->peer = rf_stream_ask_peer(fd);
	rf_message_open(stream, kind);
	fit_pipe(stream);
}

void rf_stream_close(struct rf_stream *stream)
{
	rf_descriptor_close(&stream->fd);
	stream->gives = stream->takes = false;
	stream->used_bytes = stream->unread_bytes = 0;
	rf_message_close(stream);
	rf_stream_trim(stream);
}

void rf_stream_release(struct rf_stream *stream)
{
	if (stream->gives || stream->takes || stream->unread_bytes)
		return;
	rf_descriptor_close(&stream->fd);
	rf_message_close(stream);
}

short rf_stream_poll_now(const struct rf_stream *stream)
{
	struct pollfd polled = { .fd = stream->fd, .events = POLLIN | POLLRDHUP };

	return poll(&polled, 1, 0) > 0 ? polled.revents : 0;
}

/* -- from the ghost to the child -------------------------------------------------------------- */

/*
 * Once the child has closed the socket, or where the kernel cannot be asked about it, there is our
 * own queue.  It is empty when the child has read everything, and also when it has closed the
 * socket; but then poll says so, and an error tells that there was something left.  The kernel
 * wakes us while the last piece, which has been read, still counts as one byte (sock_wfree()).
 */
static uint32_t count_unread_socket(struct rf_stream *stream)
{
	long unread = stream->peer && !stream->is_message ? rf_unix_diag_unread(diag, stream->peer)
							  : -ENODATA;
	int queued = 0;
	short events;

	if (unread >= 0)
		return (uint32_t)unread < stream->unread_bytes ? (uint32_t)unread
							       : stream->unread_bytes;
	if (ioctl(rf_message_sender(stream), SIOCOUTQ, &queued) < 0 || queued > 1)
		return stream->unread_bytes;
	events = rf_stream_poll_now(stream);
	/* no error tells of a message without bytes (unix_release_sock()): it counts as not read */
	if (events & POLLERR || (stream->messages.is_empty && events & POLLHUP))
		stream->is_reset = true;
	return stream->is_reset ? stream->unread_bytes : 0;
}

static uint32_t count_unread_pipe(const struct rf_stream *stream)
{
	int held = 0;

	if (ioctl(stream->fd, FIONREAD, &held) < 0 || held < 0)
		return stream->unread_bytes;
	/* more than we wrote: the child has opened its own pipe for writing */
	return (uint32_t)held < stream->unread_bytes ? (uint32_t)held : stream->unread_bytes;
}

void rf_stream_sample(struct rf_stream *stream)
{
	uint32_t unread;

	if (!stream->unread_bytes || stream->fd < 0)
		return;
	unread = stream->is_socket ? count_unread_socket(stream) : count_unread_pipe(stream);
	stream->taken_bytes += stream->unread_bytes - unread;
	/* What a closed socket held is never taken any more, and the ghost waits for it no
	 * longer. */
	if (stream->is_reset && unread)
		stream->tell_no_reader = stream->may_give = true;
	stream->unread_bytes = stream->is_reset ? 0 : unread;
	rf_stream_release(stream);
}

/* The child reads no more: what it has left stays with the ghost. */
void rf_stream_stop_taking(struct rf_stream *stream)
{
	if (!stream->takes)
		return;
	rf_stream_sample(stream);
	stream->takes = false;
	stream->used_bytes = stream->unread_bytes = 0;
	stream->tell_no_reader = stream->may_give = true;
	rf_stream_release(stream);
}

static size_t piece_bytes(const struct rf_stream *stream)
{
	size_t bytes = stream->limit_bytes / SOCKET_PIECES;

	if (!stream->peer || bytes < SOCKET_PIECE_BYTES)
		return SOCKET_PIECE_BYTES;
	return bytes < SOCKET_LARGE_PIECE_BYTES ? bytes : SOCKET_LARGE_PIECE_BYTES;
}

/* Writes what fits; the number of bytes, 0 if none does, or a negative errno. */
static ssize_t write_some(struct rf_stream *stream, const char *data, size_t bytes)
{
	ssize_t put;

	if (stream->is_socket) {
		if (!stream->peer)
			rf_stream_sample(stream);
		if (!stream->peer && stream->unread_bytes)
			return 0;
		if (bytes > piece_bytes(stream))
			bytes = piece_bytes(stream);
		put = send(stream->fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		put = write(stream->fd, data, bytes); /* SIGPIPE is blocked */
	}
	if (put < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	stream->unread_bytes += (uint32_t)put;
	stream->has_written = true;
	return put;
}

/* Only a write end makes the child wait for more, and only a read end is left to ask how much it
 * has taken: one takes the place of the other. */
static int become_observer(struct rf_stream *stream)
{
	char path[40];
	int fd;

	rf_format(path, sizeof(path), "/proc/self/fd/%d", stream->fd);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rf_descriptor_close(&stream->fd);
	stream->fd = fd;
	return 0;
}

/* After the last byte of the ghost: the child is to read end of file. */
static void finish_taking(struct rf_stream *stream)
{
	stream->takes = false;
	rf_stream_sample(stream);
	if (stream->fd < 0)
		return;
	if (stream->is_socket) {
		(void)shutdown(stream->fd, SHUT_WR);
		stream->is_shut = true;
	} else if (stream->unread_bytes && become_observer(stream) < 0) {
		/* Without /proc: who writes to the end means it to be read. */
		stream->taken_bytes += stream->unread_bytes;
		stream->unread_bytes = 0;
	}
	rf_stream_release(stream);
}

/* Moves the buffer on, as far as the child's end takes it. */
static void flush(struct rf_stream *stream)
{
	if (stream->is_message && !rf_message_flush(stream))
		return;
	while (stream->takes && stream->used_bytes) {
		ssize_t put = write_some(stream, stream->buffer + stream->start_bytes,
					 stream->used_bytes);

		if (put < 0)
			rf_stream_stop_taking(stream);
		if (put <= 0)
			return;
		stream->start_bytes += (uint32_t)put;
		stream->used_bytes -= (uint32_t)put;
	}
	if (stream->takes && stream->has_eof)
		finish_taking(stream);
}

/* Makes room for all that may be under way. */
static int fit_buffer(struct rf_stream *stream)
{
	void *buffer;

	if (stream->buffer_bytes >= stream->limit_bytes)
		return 0;
	buffer = stream->buffer ? mremap(stream->buffer, stream->buffer_bytes, stream->limit_bytes,
					 MREMAP_MAYMOVE)
				: mmap(NULL, stream->limit_bytes, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		return -ENOMEM;
	stream->buffer = buffer;
	stream->buffer_bytes = stream->limit_bytes;
	return 0;
}

static int keep(struct rf_stream *stream, const char *data, size_t bytes)
{
	if (fit_buffer(stream) < 0)
		return -ENOMEM;
	if (!stream->used_bytes)
		stream->start_bytes = 0;
	if (stream->start_bytes + stream->used_bytes + bytes > stream->buffer_bytes) {
		memmove(stream->buffer, stream->buffer + stream->start_bytes, stream->used_bytes);
		stream->start_bytes = 0;
	}
	memcpy(stream->buffer + stream->start_bytes + stream->used_bytes, data, bytes);
	stream->used_bytes += (uint32_t)bytes;
	return 0;
}

int rf_stream_take_data(struct rf_stream *stream, const char *data, size_t bytes)
{
	if (stream->is_message || stream->accept.is_listener || stream->has_eof ||
	    stream->window_bytes > stream->limit_bytes ||
	    bytes > stream->limit_bytes - stream->window_bytes)
		return -EBADMSG;
	stream->window_bytes += (uint32_t)bytes;
	/* Only a full pipe tells when it is read: others need not wait for the timer. */
	if (stream->unread_bytes >= stream->limit_bytes / 4)
		rf_stream_sample(stream);
	while (stream->takes && !stream->used_bytes && bytes) {
		ssize_t put = write_some(stream, data, bytes);

		if (put < 0)
			rf_stream_stop_taking(stream);
		if (put <= 0)
			break;
		data += put;
		bytes -= (size_t)put;
	}
	return stream->takes && bytes ? keep(stream, data, bytes) : 0;
}

void rf_stream_take_eof(struct rf_stream *stream)
{
	stream->has_eof = true;
	if (stream->takes)
		flush(stream);
}

void rf_stream_trim(struct rf_stream *stream)
{
	rf_message_trim(stream);
	if (!stream->buffer || stream->used_bytes)
		return;
	munmap(stream->buffer, stream->buffer_bytes);
	stream->buffer = NULL;
	stream->buffer_bytes = 0;
}

struct rf_stream_news rf_stream_tell(struct rf_stream *stream)
{
	struct rf_stream_news news = { .taken_bytes = stream->taken_bytes,
				       .limit_bytes = stream->ask_bytes };

	if (stream->accept.is_listener && stream->taken_bytes) {
		news.accepted = stream->accept.number;
		stream->accept.number = 0;
	}
	if (stream->taken_bytes >= MUCH_TAKEN_BYTES)
		stream->passed_bytes += stream->taken_bytes;
	stream->window_bytes -= stream->taken_bytes;
	stream->taken_bytes = 0;
	if (stream->ask_bytes)
		stream->asked_bytes = stream->ask_bytes;
	if (stream->ask_bytes > stream->limit_bytes)
		stream->limit_bytes = stream->ask_bytes;
	stream->ask_bytes = 0;
	fit_pipe(stream);
	return news;
}

/* A quarter of a small window, an eighth of a large one: neither side of the loop is to wait for
 * the other. */
bool rf_stream_has_much_taken(const struct rf_stream *stream)
{
	uint32_t share = stream->limit_bytes / 8;

	return stream->taken_bytes >= (share > MUCH_TAKEN_BYTES ? share : MUCH_TAKEN_BYTES);
}

bool rf_stream_is_short(const struct rf_stream *stream)
{
	return (stream->takes || stream->gives) && !stream->is_message && !stream->pty &&
	       !stream->accept.is_listener && !stream->asked_bytes && !stream->ask_bytes &&
	       stream->passed_bytes >= (stream->takes ? SHORT_BYTES : SHORT_OUTPUT_BYTES) &&
	       stream->limit_bytes == RF_CHANNEL_AHEAD_BYTES;
}

void rf_stream_grow(struct rf_stream *stream)
{
	stream->ask_bytes = stream->is_socket ? SOCKET_LIMIT_BYTES : RF_CHANNEL_AHEAD_MAX_BYTES;
}

bool rf_stream_shrink(struct rf_stream *stream)
{
	bool is_idle = !stream->passed_bytes && !stream->window_bytes && !stream->asked_bytes;

	stream->passed_bytes = 0;
	if (is_idle)
		stream->ask_bytes = RF_CHANNEL_AHEAD_BYTES;
	return is_idle;
}

/* What the ghost sends from now on keeps to the limit that it was told. */
int rf_stream_take_ahead(struct rf_stream *stream, uint32_t limit_bytes)
{
	if (!stream->asked_bytes || limit_bytes != stream->asked_bytes)
		return -EBADMSG;
	stream->asked_bytes = 0;
	stream->limit_bytes = limit_bytes;
	fit_pipe(stream);
	return 0;
}

/* -- events ----------------------------------------------------------------------------------- */

uint32_t rf_stream_events(const struct rf_stream *stream)
{
	if (stream->pty)
		return EPOLLET | EPOLLIN | EPOLLPRI | EPOLLOUT;
	return EPOLLET | (stream->gives ? EPOLLIN | EPOLLRDHUP : 0) |
	       (stream->takes ? EPOLLOUT : 0);
}

void rf_stream_event(struct rf_stream *stream, uint32_t events)
{
	bool has_no_reader = events & (stream->is_socket ? EPOLLHUP : EPOLLERR);

	if (stream->fd < 0)
		return;
	if (stream->is_socket && events & EPOLLERR && !stream->named)
		stream->is_reset = true;
	if (events & ~(uint32_t)EPOLLOUT)
		stream->may_give = stream->may_give || stream->gives;
	rf_stream_sample(stream);
	if (has_no_reader)
		rf_stream_stop_taking(stream);
	else if (events & EPOLLOUT)
		flush(stream);
}
