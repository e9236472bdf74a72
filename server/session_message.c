/* SPDX-License-Identifier: MIT */
/*
 * Messages between frames and our end of the child's socket.  Called by session_stream.c, which has
 * what all channels have in common.  Nothing here blocks.
 */
#define _GNU_SOURCE
#include "server/session_message.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "server/descriptor.h"
#include "server/log.h"
#include "server/session_peers.h"

void rf_message_open(struct rf_stream *stream, uint32_t kind)
{
	int buffer_bytes = RF_MESSAGE_MAX_BYTES;
	uint32_t type = kind & RF_STREAM_TYPE;

	stream->messages.is_datagram = type == RF_STREAM_DATAGRAM;
	stream->is_message = stream->messages.is_datagram || type == RF_STREAM_SEQPACKET;
	if (!stream->is_message)
		return;
	stream->messages.sender = stream->messages.receiver = -1;
	if (kind & RF_STREAM_HAS_NO_PEER) {
		stream->messages.peers = rf_session_peers_new(stream->fd);
		return;
	}
	/* as much as the kernel allows; a message for which that is not enough is told then */
	(void)setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
}

void rf_message_close(struct rf_stream *stream)
{
	if (!stream->is_message)
		return;
	rf_descriptor_close(&stream->messages.child);
	rf_session_peers_free(stream->messages.peers);
	stream->messages.peers = NULL;
	stream->messages.in_bytes = 0;
	stream->messages.is_whole = false;
	rf_message_trim(stream);
}

int rf_message_hold(struct rf_stream *stream, int child)
{
	if (!stream->messages.is_datagram || stream->messages.child >= 0) {
		rf_descriptor_close(&child);
		return -EBADMSG;
	}
	stream->messages.child = child;
	return 0;
}

void rf_message_let_go(struct rf_stream *stream)
{
	if (!stream->messages.is_datagram || stream->messages.is_closed || stream->fd < 0)
		return;
	rf_stream_sample(stream);
	rf_descriptor_close(&stream->messages.child);
	if (rf_stream_has_peer(stream))
		return;
	/* what was not read is gone with the socket, and still there at home */
	stream->unread_bytes = 0;
	stream->messages.is_closed = stream->may_give = true;
}

void rf_message_watch(struct rf_stream *stream, int epoll, unsigned channel)
{
	if (!stream->messages.peers)
		return;
	stream->messages.peers->epoll = epoll;
	stream->messages.peers->channel = channel;
}

int rf_message_sender(const struct rf_stream *stream)
{
	return stream->messages.peers ? stream->messages.sender : stream->fd;
}

/* What comes before the bytes of a message. */
static size_t head_of(const struct rf_stream *stream)
{
	return stream->messages.peers ? RF_MESSAGE_PEER_BYTES : 0;
}

/* -- from the ghost to the child -------------------------------------------------------------- */

/* Our socket for a message, by the correspondent before its bytes, if there is one; or a
 * negative errno. */
static int find_sender(struct rf_stream *stream, const char *message)
{
	uint32_t number;

	if (!stream->messages.peers)
		return stream->fd;
	memcpy(&number, message, sizeof(number));
	stream->messages.sender = rf_session_peers_find(stream->messages.peers, number);
	return stream->messages.sender;
}

/* What becomes of a message that the child's socket did not take: -EAGAIN if that may change,
 * else 0. */
static int judge_failure(struct rf_stream *stream, int error, size_t bytes)
{
	if (error == EAGAIN || error == EINTR || error == EMFILE || error == ENFILE)
		return -EAGAIN;
	if (error == EPERM && stream->messages.peers) {
		/* the child has chosen a peer, and hears no others */
		stream->taken_bytes = 1;
		return 0;
	}
	if (error == EMSGSIZE)
		rf_log("a message of %zu bytes is longer than this machine's sockets allow", bytes);
	rf_stream_stop_taking(stream);
	return 0;
}

/* 0 if the message is in the child's socket, or nowhere any more; -EAGAIN if there is no room. */
static int send_message(struct rf_stream *stream, const char *message, size_t bytes)
{
	size_t head = head_of(stream);
	int fd = find_sender(stream, message);

	if (fd < 0)
		return judge_failure(stream, -fd, bytes);
	if (send(fd, message + head, bytes - head, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return judge_failure(stream, errno, bytes);
	stream->unread_bytes = 1;
	stream->messages.is_empty = bytes == head;
	stream->has_written = true;
	return 0;
}

bool rf_message_flush(struct rf_stream *stream)
{
	struct rf_stream_messages *messages = &stream->messages;

	if (!stream->takes || !messages->is_whole)
		return true;
	if (send_message(stream, messages->in, messages->in_bytes) == -EAGAIN)
		return false;
	messages->is_whole = false;
	messages->in_bytes = 0;
	return true;
}

static int keep(struct rf_stream_messages *messages, const char *piece, size_t bytes)
{
	if (!messages->in) {
		void *in = mmap(NULL, RF_MESSAGE_MAX_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (in == MAP_FAILED)
			return -ENOMEM;
		messages->in = in;
	}
	memcpy(messages->in + messages->in_bytes, piece, bytes);
	messages->in_bytes += (uint32_t)bytes;
	return 0;
}

int rf_message_take(struct rf_stream *stream, const char *piece, size_t bytes, bool more)
{
	struct rf_stream_messages *messages = &stream->messages;
	int error;

	if (!stream->is_message || stream->has_eof || stream->window_bytes ||
	    (more && bytes != RF_FRAME_MAX_BYTES) ||
	    bytes > RF_MESSAGE_MAX_BYTES - messages->in_bytes ||
	    (stream->takes && messages->in_bytes + bytes < head_of(stream)))
		return -EBADMSG;
	if (!more)
		stream->window_bytes = 1;
	if (!stream->takes)
		return 0;
	if (!more && !messages->in_bytes && send_message(stream, piece, bytes) == 0)
		return 0;
	error = keep(messages, piece, bytes);
	if (error < 0 || more)
		return error;
	messages->is_whole = true;
	(void)rf_message_flush(stream);
	return 0;
}

/* -- from the child to the ghost -------------------------------------------------------------- */

/* Nothing was read: an end, or a message without bytes.  Other messages may be behind that one. */
static bool is_end(const struct rf_stream *stream)
{
	struct pollfd polled = { .fd = stream->fd, .events = POLLRDHUP };
	int held = 0;

	return !stream->messages.peers && poll(&polled, 1, 0) > 0 &&
	       polled.revents & (POLLRDHUP | POLLHUP) &&
	       !(ioctl(stream->fd, FIONREAD, &held) == 0 && held > 0);
}

/* Finds the socket to read from; -EAGAIN if there is nothing in any. */
static int find_receiver(struct rf_stream *stream)
{
	struct rf_stream_messages *messages = &stream->messages;

	if (!messages->peers)
		messages->receiver = stream->fd;
	else if (messages->receiver < 0)
		messages->receiver = rf_session_peers_next(messages->peers, &messages->from);
	return messages->receiver;
}

/* The length of what comes next, which stays; -ENODATA at the end, -EAGAIN, or another errno. */
static long peek(struct rf_stream *stream)
{
	int fd = find_receiver(stream);
	ssize_t bytes;

	if (fd < 0)
		return fd;
	do
		bytes = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	while (bytes < 0 && errno == EINTR);
	if (bytes < 0 && errno == ECONNRESET) {
		stream->is_reset = !stream->messages.peers; /* said only once */
		return peek(stream);
	}
	if (bytes < 0) {
		stream->messages.receiver = -1;
		return -errno;
	}
	return bytes == 0 && is_end(stream) ? -ENODATA : bytes + (long)head_of(stream);
}

/* Receives a message of so many bytes, with the correspondent before it, if there is one;
 * false if it has gone, which cannot be. */
static bool receive(struct rf_stream *stream, char *message, size_t bytes)
{
	struct rf_stream_messages *messages = &stream->messages;
	size_t head = head_of(stream);
	ssize_t got = recv(messages->receiver, message + head, bytes - head, MSG_DONTWAIT);

	memcpy(message, &messages->from, head);
	messages->receiver = -1;
	return got == (ssize_t)(bytes - head);
}

/* Reads into memory of its own what one frame does not take. */
static int receive_long(struct rf_stream *stream, size_t bytes)
{
	struct rf_stream_messages *messages = &stream->messages;
	void *out = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (out == MAP_FAILED)
		return -ENOMEM;
	if (!receive(stream, out, bytes)) {
		munmap(out, bytes);
		return -EAGAIN;
	}
	messages->out = out;
	messages->out_bytes = (uint32_t)bytes;
	messages->sent_bytes = 0;
	return 0;
}

static bool put_piece(struct rf_stream_messages *messages, struct rf_stream_frame *frame,
		      char *payload)
{
	uint32_t left = messages->out_bytes - messages->sent_bytes;
	uint32_t bytes = left > RF_FRAME_MAX_BYTES ? RF_FRAME_MAX_BYTES : left;

	memcpy(payload, messages->out + messages->sent_bytes, bytes);
	messages->sent_bytes += bytes;
	*frame = (struct rf_stream_frame){ .type = RF_FRAME_MESSAGE,
					   .flags = bytes < left ? RF_MESSAGE_MORE : 0,
					   .bytes = bytes };
	if (bytes == left) {
		munmap(messages->out, messages->out_bytes);
		messages->out = NULL;
	}
	return true;
}

static bool put_message(struct rf_stream *stream, size_t bytes, struct rf_stream_frame *frame,
			char *payload)
{
	if (bytes > RF_FRAME_MAX_BYTES) {
		/* for want of memory it is tried again at the next event */
		stream->may_give = receive_long(stream, bytes) == 0;
		if (!stream->may_give)
			return false;
		stream->credit_bytes -= rf_message_cost((uint32_t)bytes);
		return put_piece(&stream->messages, frame, payload);
	}
	if (!receive(stream, payload, bytes))
		return false;
	stream->credit_bytes -= rf_message_cost((uint32_t)bytes);
	*frame = (struct rf_stream_frame){ .type = RF_FRAME_MESSAGE, .bytes = bytes };
	return true;
}

/* Nothing to read now. */
static bool wait_for_more(struct rf_stream *stream, enum rf_stream_limit limit,
			  struct rf_stream_frame *frame)
{
	if (limit == RF_STREAM_FINAL || stream->messages.is_closed)
		return rf_stream_put_eof(stream, limit, frame);
	stream->may_give = false;
	stream->left_bytes = 0;
	return false;
}

bool rf_message_produce(struct rf_stream *stream, enum rf_stream_limit limit,
			struct rf_stream_frame *frame, char *payload)
{
	long bytes;

	if (stream->messages.out)
		return put_piece(&stream->messages, frame, payload);
	if (limit != RF_STREAM_ALL && !stream->left_bytes)
		return limit == RF_STREAM_FINAL && rf_stream_put_eof(stream, limit, frame);
	while ((bytes = peek(stream)) > (long)RF_MESSAGE_MAX_BYTES) {
		rf_log("a message of %ld bytes is dropped: too long", bytes);
		(void)rf_message_drop(stream);
	}
	if (bytes == -EAGAIN)
		return wait_for_more(stream, limit, frame);
	if (bytes < 0)
		return rf_stream_put_eof(stream, limit, frame);
	if (rf_message_cost((uint32_t)bytes) > stream->credit_bytes) {
		stream->may_give = false;
		return false;
	}
	if (limit != RF_STREAM_ALL)
		stream->left_bytes--;
	return put_message(stream, (size_t)bytes, frame, payload);
}

int rf_message_drop(struct rf_stream *stream)
{
	long bytes = peek(stream);

	if (bytes < 0)
		return bytes == -ENODATA ? 0 : (int)bytes;
	(void)recv(stream->messages.receiver, NULL, 0, MSG_DONTWAIT);
	stream->messages.receiver = -1;
	return 1;
}

void rf_message_trim(struct rf_stream *stream)
{
	struct rf_stream_messages *messages = &stream->messages;

	if (messages->in && !messages->in_bytes) {
		munmap(messages->in, RF_MESSAGE_MAX_BYTES);
		messages->in = NULL;
	}
	if (messages->out && stream->fd < 0) {
		munmap(messages->out, messages->out_bytes);
		messages->out = NULL;
	}
}
