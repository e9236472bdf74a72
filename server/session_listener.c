/* SPDX-License-Identifier: MIT */
/*
 * Connections that we make to the child's listening sockets.  Called by session_streams.c.  Nobody
 * else can make one: the name of the socket was removed before the child ran, and we hold what it
 * named.
 */
#define _GNU_SOURCE
#include "server/session_listener.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rfork/report.h"
#include "server/descriptor.h"
#include "server/log.h"

/* -- making a connection ----------------------------------------------------------------------- */

/* A connected socket, or a negative errno. */
static int connect_to_child(const struct rf_stream *listener)
{
	int type = listener->accept.keeps_messages ? SOCK_SEQPACKET : SOCK_STREAM;
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int no = 0, error;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, RF_SO_PASSRIGHTS, &no, sizeof(no));
	rf_format(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", listener->fd);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static unsigned find_number(const struct rf_streams *streams, unsigned from)
{
	while (from < RF_CHANNELS_MAX && streams->channels[from])
		from++;
	return from;
}

static int watch(const struct rf_streams *streams, unsigned number)
{
	const struct rf_stream *stream = streams->channels[number];
	struct epoll_event event = { .events = rf_stream_events(stream), .data.u64 = number };

	return epoll_ctl(streams->epoll, EPOLL_CTL_ADD, stream->fd, &event) < 0 ? -errno : 0;
}

/* Adds a connection as a channel that waits for the child; takes fd. */
static int add_connection(struct rf_streams *streams, unsigned listener, unsigned number, int fd)
{
	bool keeps_messages = streams->channels[listener]->accept.keeps_messages;
	uint32_t stream = keeps_messages ? RF_STREAM_SEQPACKET : RF_STREAM_SOCKET;
	int error = rf_streams_add(streams, number, stream | RF_STREAM_READ | RF_STREAM_WRITE, fd);

	if (error < 0)
		return error;
	streams->channels[number]->accept = (struct rf_stream_accept){ .is_connection = true,
								       .is_pending = true,
								       .number = listener };
	error = watch(streams, number);
	if (error < 0)
		rf_streams_remove(streams, number);
	return error;
}

/* Whether what could not be done now may be done later. */
static bool is_passing(int error)
{
	return error == -EAGAIN || error == -EINTR || error == -EMFILE || error == -ENFILE ||
	       error == -ENOMEM || error == -ENOBUFS;
}

/* Puts what is offered into the child's queue, if there is a number and a descriptor for it. */
static void connect_offered(struct rf_streams *streams, unsigned channel)
{
	struct rf_stream *listener = streams->channels[channel];
	unsigned number = find_number(streams, listener->accept.from);
	int fd, error;

	listener->has_written = true; /* it is looked again soon, in either case */
	if (number == RF_CHANNELS_MAX)
		return;
	fd = connect_to_child(listener);
	error = fd < 0 ? fd : add_connection(streams, channel, number, fd);
	if (error == 0) {
		listener->accept.is_offered = false;
		listener->accept.number = number;
		listener->unread_bytes = listener->window_bytes = 1;
	} else if (!is_passing(error)) {
		if (error != -ECONNREFUSED)
			rf_log("connecting to the child: %s", strerrordesc_np(-error));
		rf_listener_stop(streams, channel);
	}
}

int rf_listener_offer(struct rf_streams *streams, unsigned channel, const char *payload)
{
	struct rf_stream *listener = streams->channels[channel];
	struct rf_stream_accept *accept = &listener->accept;
	struct rf_frame_connection offer;

	memcpy(&offer, payload, sizeof(offer));
	if (!accept->is_listener || accept->is_offered || accept->number ||
	    offer.channel <= RF_CHANNEL_TERMINAL || offer.channel > RF_CHANNELS_MAX)
		return -EBADMSG;
	if (!listener->takes)
		return 0; /* it crossed with our word that nobody accepts */
	accept->is_offered = true;
	accept->from = offer.channel;
	connect_offered(streams, channel);
	rf_streams_note(streams, channel);
	return 0;
}

/* -- what becomes of it ------------------------------------------------------------------------ */

enum fate { WAITS, ACCEPTED, REFUSED };

/* A socket in the queue of a listening one has no inode yet.  That of one which the child has
 * closed is gone; if it never was accepted, because the child has closed the listening socket,
 * there is an error, too. */
static enum fate find_fate(struct rf_stream *connection)
{
	struct pollfd polled = { .fd = connection->fd, .events = POLLIN | POLLRDHUP };

	if (rf_stream_find_peer(connection))
		return ACCEPTED;
	if (poll(&polled, 1, 0) <= 0 || !(polled.revents & POLLHUP))
		return WAITS;
	return polled.revents & POLLERR ? REFUSED : ACCEPTED;
}

void rf_listener_sample(struct rf_streams *streams, unsigned channel)
{
	struct rf_stream *listener = streams->channels[channel], *connection;

	if (listener->accept.is_offered)
		connect_offered(streams, channel);
	if (!listener->unread_bytes)
		return;
	connection = streams->channels[listener->accept.number];
	switch (find_fate(connection)) {
	case WAITS:
		break;
	case ACCEPTED:
		listener->unread_bytes = 0;
		listener->taken_bytes = 1;
		connection->accept.is_pending = false;
		connection->may_give = true;
		rf_streams_note(streams, listener->accept.number);
		break;
	case REFUSED:
		rf_listener_stop(streams, channel);
		break;
	}
}

void rf_listener_check(struct rf_streams *streams, unsigned channel)
{
	const struct rf_stream *listener = streams->channels[channel];

	if (!listener->takes || !rf_stream_is_gone(listener->named))
		return;
	rf_listener_stop(streams, channel);
	rf_streams_note(streams, channel);
}

bool rf_listener_let_through(struct rf_streams *streams, unsigned channel)
{
	const struct rf_stream *stream = streams->channels[channel];
	unsigned listener = stream->accept.number;

	if (!stream->accept.is_pending)
		return true;
	rf_listener_sample(streams, listener);
	rf_streams_note(streams, listener);
	return streams->channels[channel] && !streams->channels[channel]->accept.is_pending;
}

void rf_listener_stop(struct rf_streams *streams, unsigned channel)
{
	struct rf_stream *listener = streams->channels[channel];
	struct rf_stream_accept *accept = &listener->accept;

	if (!accept->is_listener || !listener->takes)
		return;
	listener->takes = false; /* before the sample, which may lead here */
	accept->is_offered = false;
	if (listener->unread_bytes)
		rf_listener_sample(streams, channel);
	if (listener->unread_bytes)
		rf_streams_remove(streams, accept->number);
	if (listener->unread_bytes)
		accept->number = 0;
	listener->unread_bytes = 0;
	listener->tell_no_reader = listener->may_give = true;
	rf_descriptor_close(&listener->fd);
}

int rf_listener_take_closed(struct rf_streams *streams, unsigned channel)
{
	const struct rf_stream_accept *accept = &streams->channels[channel]->accept;

	/* the ghost must know of it: it was told of by then */
	if (!accept->is_connection || streams->channels[accept->number]->accept.number == channel)
		return -EBADMSG;
	rf_streams_remove(streams, channel);
	for (unsigned i = 0; i < streams->count; i++) {
		if (!streams->channels[i] || !streams->channels[i]->accept.is_offered)
			continue;
		connect_offered(streams, i); /* there may be room now */
		rf_streams_note(streams, i);
	}
	return 0;
}
