/* SPDX-License-Identifier: MIT */
/*
 * Sockets for correspondents.  Called by session_message.c.
 */
#define _GNU_SOURCE
#include "server/session_peers.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rfork/report.h"
#include "server/descriptor.h"
#include "server/shell_protocol.h"

struct rf_session_peers *rf_session_peers_new(int name)
{
	struct rf_session_peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		return NULL;
	peers->name = name;
	peers->epoll = -1;
	for (unsigned i = 0; i < RF_SESSION_PEERS_MAX; i++)
		peers->places[i].fd = -1;
	return peers;
}

void rf_session_peers_free(struct rf_session_peers *peers)
{
	for (unsigned i = 0; peers && i < RF_SESSION_PEERS_MAX; i++)
		rf_descriptor_close(&peers->places[i].fd);
	free(peers);
}

/* The kernel finds a name for it, of so few bytes that it fits where a program keeps one of
 * AF_INET. */
static int open_socket(const struct rf_session_peers *peers)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un own = { .sun_family = AF_UNIX }, child = { .sun_family = AF_UNIX };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
				     .data.u64 = peers->channel };
	int no = 0, buffer_bytes = RF_MESSAGE_MAX_BYTES, error;

	if (fd < 0)
		return -errno;
	rf_format(child.sun_path, sizeof(child.sun_path), "/proc/self/fd/%d", peers->name);
	(void)setsockopt(fd, SOL_SOCKET, RF_SO_PASSRIGHTS, &no, sizeof(no));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	if (connect(fd, (const struct sockaddr *)&child, sizeof(child)) == 0 &&
	    bind(fd, (const struct sockaddr *)&own, sizeof(own.sun_family)) == 0 &&
	    epoll_ctl(peers->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static bool has_input(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return poll(&polled, 1, 0) > 0 && polled.revents & POLLIN;
}

static bool is_busy(const struct rf_session_peer *place)
{
	int queued = 0;

	return has_input(place->fd) || (ioctl(place->fd, SIOCOUTQ, &queued) == 0 && queued > 1);
}

/* A place for a new one: a free one, or that of the oldest who has nothing under way; NULL if
 * there is none. */
static struct rf_session_peer *find_place(struct rf_session_peers *peers)
{
	struct rf_session_peer *oldest = NULL;

	for (unsigned i = 0; i < RF_SESSION_PEERS_MAX; i++) {
		struct rf_session_peer *place = &peers->places[i];

		if (place->fd < 0)
			return place;
		if ((!oldest || place->used < oldest->used) && !is_busy(place))
			oldest = place;
	}
	return oldest;
}

int rf_session_peers_find(struct rf_session_peers *peers, uint32_t number)
{
	struct rf_session_peer *place;
	int fd;

	peers->clock++;
	for (unsigned i = 0; i < RF_SESSION_PEERS_MAX; i++) {
		place = &peers->places[i];
		if (place->fd < 0 || place->number != number)
			continue;
		place->used = peers->clock;
		return place->fd;
	}
	place = find_place(peers);
	if (!place)
		return -EAGAIN;
	fd = open_socket(peers);
	if (fd < 0)
		return fd;
	rf_descriptor_close(&place->fd);
	*place = (struct rf_session_peer){ .fd = fd, .number = number, .used = peers->clock };
	return fd;
}

int rf_session_peers_next(struct rf_session_peers *peers, uint32_t *number)
{
	for (unsigned i = 0; i < RF_SESSION_PEERS_MAX; i++) {
		unsigned at = (peers->turn + i) % RF_SESSION_PEERS_MAX;
		struct rf_session_peer *place = &peers->places[at];

		if (place->fd < 0 || !has_input(place->fd))
			continue;
		peers->turn = at + 1;
		place->used = ++peers->clock;
		*number = place->number;
		return place->fd;
	}
	return -EAGAIN;
}
