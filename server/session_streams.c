/* SPDX-License-Identifier: MIT */
/*
 * The table of channels: checks what the shell passes, and finds the channels that have something
 * to do without asking all of them.  Called by session.c and session_relay.c.
 */
#define _GNU_SOURCE
#include "server/session_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/report.h"
#include "server/descriptor.h"
#include "server/session_listener.h"
#include "server/session_message.h"

static void assign_bit(uint64_t *bits, unsigned number, bool value)
{
	uint64_t bit = UINT64_C(1) << number % 64;

	bits[number / 64] = value ? bits[number / 64] | bit : bits[number / 64] & ~bit;
}

/* The first bit from number `from` on that is set, or RF_CHANNELS_MAX. */
static unsigned find_bit(const uint64_t *bits, unsigned from)
{
	while (from < RF_CHANNELS_MAX) {
		uint64_t rest = bits[from / 64] >> from % 64;

		if (rest)
			return from + (unsigned)__builtin_ctzll(rest);
		from = (from / 64 + 1) * 64;
	}
	return RF_CHANNELS_MAX;
}

static struct rf_stream *find(const struct rf_streams *streams, unsigned channel)
{
	return channel < RF_CHANNELS_MAX ? streams->channels[channel] : NULL;
}

/* Few at a time: the kernel counts the pages of pipes for the user. */
static void grow(struct rf_streams *streams, unsigned channel)
{
	if (streams->grown_count == RF_STREAMS_GROWN_MAX)
		return;
	streams->grown[streams->grown_count++] = channel;
	rf_stream_grow(streams->channels[channel]);
}

/* After anything was done to a channel. */
void rf_streams_note(struct rf_streams *streams, unsigned channel)
{
	struct rf_stream *stream = streams->channels[channel];
	bool is_counted = stream->is_message || stream->accept.is_listener;

	if (rf_stream_is_short(stream))
		grow(streams, channel);
	assign_bit(streams->ready, channel, stream->may_give);
	assign_bit(streams->window, channel,
		   stream->unread_bytes || stream->taken_bytes || stream->ask_bytes ||
			   stream->accept.is_offered);
	if (is_counted ? stream->taken_bytes > 0 : rf_stream_has_much_taken(stream))
		streams->has_much_taken = true;
	streams->gives_much = streams->gives_much || stream->gives_much;
	streams->has_written = streams->has_written || stream->has_written;
	stream->has_written = false;
}

int rf_streams_add(struct rf_streams *streams, unsigned channel, uint32_t stream, int fd)
{
	struct rf_stream *new = malloc(sizeof(*new));

	if (!new) {
		close(fd);
		return -ENOMEM;
	}
	rf_stream_open(new, stream, fd);
	streams->channels[channel] = new;
	if (streams->count <= channel)
		streams->count = channel + 1;
	return 0;
}

int rf_streams_add_terminal(struct rf_streams *streams, struct rf_pty *pty)
{
	int fd = fcntl(pty->master, F_DUPFD_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	error = rf_streams_add(streams, RF_CHANNEL_TERMINAL, RF_STREAM_TERMINAL | RF_STREAM_WRITE,
			       fd);
	if (error == 0)
		streams->channels[RF_CHANNEL_TERMINAL]->pty = pty;
	return error;
}

void rf_streams_remove(struct rf_streams *streams, unsigned channel)
{
	for (unsigned i = 0; i < streams->grown_count; i++)
		if (streams->grown[i] == channel)
			streams->grown[i--] = streams->grown[--streams->grown_count];
	rf_stream_close(streams->channels[channel]);
	free(streams->channels[channel]);
	streams->channels[channel] = NULL;
	assign_bit(streams->ready, channel, false);
	assign_bit(streams->window, channel, false);
	while (streams->count && !streams->channels[streams->count - 1])
		streams->count--;
}

/* -- from the shell --------------------------------------------------------------------------- */

static int check_message(const struct rf_streams *streams, const struct rf_shell_stream *message)
{
	const uint32_t both = RF_STREAM_READ | RF_STREAM_WRITE;
	uint32_t type = message->stream & RF_STREAM_TYPE;
	uint32_t directions = message->stream & both;

	if (message->channel <= RF_CHANNEL_TERMINAL || message->channel >= RF_CHANNELS_MAX ||
	    !streams->channels[message->channel] != (message->end == RF_SHELL_END_SESSION))
		return -EBADMSG;
	if (type == RF_STREAM_LISTENER)
		return message->end == RF_SHELL_END_SESSION && directions == RF_STREAM_READ
			       ? 0
			       : -EBADMSG;
	if (message->stream & RF_STREAM_HAS_NO_PEER)
		return message->stream == (RF_STREAM_DATAGRAM | both | RF_STREAM_HAS_NO_PEER)
			       ? 0
			       : -EBADMSG;
	if (message->stream & ~(RF_STREAM_TYPE | both) || !directions)
		return -EBADMSG;
	if (message->end == RF_SHELL_END_CHILD)
		return type == RF_STREAM_DATAGRAM ? 0 : -EBADMSG;
	if (type == RF_STREAM_PIPE)
		return directions == both ? -EBADMSG : 0;
	return type <= RF_STREAM_SEQPACKET ? 0 : -EBADMSG;
}

static int type_of(uint32_t stream)
{
	switch (stream & RF_STREAM_TYPE) {
	case RF_STREAM_DATAGRAM:
		return SOCK_DGRAM;
	case RF_STREAM_SEQPACKET:
		return SOCK_SEQPACKET;
	default:
		return SOCK_STREAM;
	}
}

/* A socket whose peer is on this machine, so that no call on it waits for a network. */
static int check_socket(int fd, int wanted_type, bool needs_peer)
{
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof(int);
	int domain, type;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0 || domain != AF_UNIX ||
	    type != wanted_type)
		return -EBADMSG;
	if (!needs_peer)
		return 0;
	bytes = sizeof(peer);
	return getpeername(fd, (struct sockaddr *)&peer, &bytes) < 0 ? -EBADMSG : 0;
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* O_NONBLOCK belongs to the open file description, and who else may hold that one could take it
 * away again: the pipe is opened anew.  (A socket cannot be, and has MSG_DONTWAIT.) */
static int reopen_pipe(int fd, bool child_reads)
{
	struct stat status;
	char path[40];
	int flags = fcntl(fd, F_GETFL);
	int mode = child_reads ? O_WRONLY : O_RDONLY;
	int own;

	if (flags < 0 || fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode) ||
	    (flags & (O_ACCMODE | O_PATH)) != mode)
		return -EBADMSG;
	rf_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, mode | O_NONBLOCK | O_CLOEXEC);
	return own < 0 ? -errno : own;
}

/* Whether what we get of a socket is its name, because we are to connect to it. */
static bool is_named(uint32_t stream)
{
	return (stream & RF_STREAM_TYPE) == RF_STREAM_LISTENER || stream & RF_STREAM_HAS_NO_PEER;
}

/* The name is gone from its folder; only the kernel can tell what the child has taken, and whether it has the
 * socket still. */
static int receive_name(struct rf_streams *streams, const struct rf_shell_stream *message, int fd)
{
	int flags = fcntl(fd, F_GETFL), error;
	struct stat status;

	if (flags < 0 || !(flags & O_PATH) || fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode) ||
	    !message->inode) {
		close(fd);
		return -EBADMSG;
	}
	if (!rf_stream_can_ask()) {
		close(fd);
		return -EOPNOTSUPP;
	}
	error = rf_streams_add(streams, message->channel, message->stream, fd);
	if (error < 0)
		return error;
	streams->channels[message->channel]->named = message->inode;
	return message->stream & RF_STREAM_HAS_NO_PEER &&
			       !streams->channels[message->channel]->messages.peers
		       ? -ENOMEM
		       : 0;
}

int rf_streams_receive(struct rf_streams *streams, const struct rf_shell_stream *message, int fd)
{
	int error = check_message(streams, message);
	int own = -1;

	if (error == 0 && message->end == RF_SHELL_END_SESSION && is_named(message->stream))
		return receive_name(streams, message, fd);
	if (error == 0 && (message->stream & RF_STREAM_TYPE) != RF_STREAM_PIPE) {
		error = check_socket(fd, type_of(message->stream), !is_named(message->stream));
		if (error == 0 && message->end == RF_SHELL_END_CHILD)
			return rf_message_hold(streams->channels[message->channel], fd);
		if (error == 0)
			error = set_nonblocking(fd);
	} else if (error == 0) {
		own = reopen_pipe(fd, message->stream & RF_STREAM_READ);
		close(fd);
		fd = own;
		error = own < 0 ? own : 0;
	}
	if (error < 0) {
		rf_descriptor_close(&fd);
		return error;
	}
	return rf_streams_add(streams, message->channel, message->stream, fd);
}

/* -- all of them ------------------------------------------------------------------------------ */

void rf_streams_close(struct rf_streams *streams)
{
	while (streams->count)
		rf_streams_remove(streams, streams->count - 1);
	memset(streams, 0, sizeof(*streams));
}

int rf_streams_watch(struct rf_streams *streams, int epoll)
{
	streams->epoll = epoll;
	for (unsigned i = 0; i < streams->count; i++) {
		struct rf_stream *stream = streams->channels[i];
		struct epoll_event event = { .data.u64 = i };

		if (!stream)
			continue;
		rf_message_watch(stream, epoll, i);
		if (stream->named)
			continue;
		event.events = rf_stream_events(stream);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, stream->fd, &event) < 0)
			return -errno;
	}
	return 0;
}

void rf_streams_event(struct rf_streams *streams, unsigned channel, uint32_t events)
{
	struct rf_stream *stream = find(streams, channel);

	if (!stream || !rf_listener_let_through(streams, channel))
		return;
	rf_stream_event(stream, events);
	if (streams->is_detached)
		rf_stream_drain(stream);
	rf_streams_note(streams, channel);
}

void rf_streams_detach(struct rf_streams *streams)
{
	streams->is_detached = true;
	for (unsigned i = 0; i < streams->count; i++) {
		if (!streams->channels[i])
			continue;
		rf_listener_stop(streams, i);
		rf_stream_take_eof(streams->channels[i]);
		rf_stream_drain(streams->channels[i]);
		rf_streams_note(streams, i);
	}
}

int rf_streams_take(struct rf_streams *streams, const struct rf_frame_header *header,
		    const char *payload)
{
	struct rf_stream *stream = find(streams, header->channel);
	struct rf_frame_window window;
	struct rf_frame_ahead ahead;
	int error = 0;

	if (!stream || stream->accept.is_pending)
		return 0;
	if (stream->accept.is_listener && header->type != RF_FRAME_CONNECTION)
		return -EBADMSG;
	switch (header->type) {
	case RF_FRAME_CONNECTION:
		return rf_listener_offer(streams, header->channel, payload);
	case RF_FRAME_CLOSED:
		return rf_listener_take_closed(streams, header->channel);
	case RF_FRAME_DATA:
		error = rf_stream_take_data(stream, payload, header->length_bytes);
		break;
	case RF_FRAME_MESSAGE:
		error = rf_message_take(stream, payload, header->length_bytes,
					header->flags & RF_MESSAGE_MORE);
		break;
	case RF_FRAME_WINDOW:
		memcpy(&window, payload, sizeof(window));
		error = rf_stream_take_window(stream, window.credit_bytes);
		break;
	case RF_FRAME_AHEAD:
		memcpy(&ahead, payload, sizeof(ahead));
		error = rf_stream_take_ahead(stream, ahead.limit_bytes);
		break;
	case RF_FRAME_EOF:
		rf_stream_take_eof(stream);
		break;
	case RF_FRAME_NO_READER:
		rf_stream_take_no_reader(stream);
		break;
	}
	rf_streams_note(streams, header->channel);
	return error;
}

void rf_streams_let_go(struct rf_streams *streams)
{
	for (unsigned i = 0; i < streams->count; i++) {
		if (!streams->channels[i])
			continue;
		rf_message_let_go(streams->channels[i]);
		rf_streams_note(streams, i);
	}
	rf_streams_check_listeners(streams);
}

void rf_streams_check_listeners(struct rf_streams *streams)
{
	for (unsigned i = 0; i < streams->count; i++)
		if (streams->channels[i] && streams->channels[i]->accept.is_listener)
			rf_listener_check(streams, i);
}

void rf_streams_snapshot(struct rf_streams *streams, bool final)
{
	if (streams->limit == RF_STREAM_FINAL)
		return;
	streams->limit = final ? RF_STREAM_FINAL : RF_STREAM_SNAPSHOT;
	for (unsigned i = 0; i < streams->count; i++) {
		if (final && streams->channels[i])
			rf_listener_stop(streams, i);
		if (!streams->channels[i] || streams->channels[i]->accept.is_pending)
			continue;
		rf_stream_snapshot(streams->channels[i]);
		rf_streams_note(streams, i);
	}
}

void rf_streams_release_snapshot(struct rf_streams *streams)
{
	if (streams->limit == RF_STREAM_SNAPSHOT)
		streams->limit = RF_STREAM_ALL;
}

/* The first frame of the channels from `from` up to, not including, `to`. */
static bool produce_between(struct rf_streams *streams, unsigned from, unsigned to,
			    struct rf_stream_frame *frame, char *payload, int pipe)
{
	for (unsigned i = find_bit(streams->ready, from); i < to;
	     i = find_bit(streams->ready, i + 1)) {
		bool found = rf_stream_produce(streams->channels[i], streams->limit, frame, payload,
					       pipe);

		rf_streams_note(streams, i);
		if (!found)
			continue;
		frame->channel = i;
		streams->turn = i + 1;
		return true;
	}
	return false;
}

bool rf_streams_produce(struct rf_streams *streams, struct rf_stream_frame *frame, char *payload,
			int pipe)
{
	unsigned turn = streams->turn;

	return produce_between(streams, turn, RF_CHANNELS_MAX, frame, payload, pipe) ||
	       produce_between(streams, 0, turn, frame, payload, pipe);
}

bool rf_streams_are_sent(const struct rf_streams *streams)
{
	bool is_final = streams->limit == RF_STREAM_FINAL;

	for (unsigned i = 0; i < streams->count; i++) {
		const struct rf_stream *stream = streams->channels[i];

		if (stream &&
		    ((stream->gives && (is_final || stream->left_bytes)) || stream->tell_no_reader))
			return false;
	}
	return true;
}

bool rf_streams_are_open(const struct rf_streams *streams)
{
	for (unsigned i = 0; i < streams->count; i++) {
		const struct rf_stream *stream = streams->channels[i];

		if (stream && (stream->gives || stream->takes || stream->tell_no_reader))
			return true;
	}
	return false;
}

void rf_streams_tell(struct rf_streams *streams, rf_news_visitor visit, void *argument)
{
	for (unsigned i = find_bit(streams->window, 0); i < RF_CHANNELS_MAX;
	     i = find_bit(streams->window, i + 1)) {
		struct rf_stream *stream = streams->channels[i];
		struct rf_stream_news news;

		if (stream->accept.is_listener)
			rf_listener_sample(streams, i);
		else
			rf_stream_sample(stream);
		news = rf_stream_tell(stream);
		if (news.taken_bytes || news.limit_bytes)
			visit(argument, i, &news);
		rf_streams_note(streams, i);
	}
	streams->has_much_taken = false;
}

bool rf_streams_shrink(struct rf_streams *streams)
{
	unsigned kept = 0;
	bool has_news = false;

	for (unsigned i = 0; i < streams->grown_count; i++) {
		unsigned channel = streams->grown[i];

		if (rf_stream_shrink(streams->channels[channel]))
			has_news = true;
		else
			streams->grown[kept++] = channel;
		rf_streams_note(streams, channel);
	}
	streams->grown_count = kept;
	return has_news;
}

bool rf_streams_have_unread(const struct rf_streams *streams)
{
	return find_bit(streams->window, 0) < RF_CHANNELS_MAX;
}

void rf_streams_trim(struct rf_streams *streams)
{
	for (unsigned i = 0; i < streams->count; i++)
		if (streams->channels[i])
			rf_stream_trim(streams->channels[i]);
}
