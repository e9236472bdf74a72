/* SPDX-License-Identifier: MIT */
/*
 * rfork-pages: started by a ghost (rfork/ghost_helper.c) where pages go by RDMA, so that neither
 * libibverbs nor a device is ever part of a process whose memory is captured.  It maps the ghost's
 * ring, lets the node's queue pairs read it, and ends with its socket.  What is left then the
 * kernel takes back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rdma/pages.h"

static void tell(const struct rf_pages_message *message)
{
	/* a ghost that is gone needs no word */
	send(RF_PAGES_SOCKET_FD, message, sizeof(*message), MSG_NOSIGNAL);
}

_Noreturn void pages_lose(int error, const char *format, ...)
{
	struct rf_pages_message message = { .word = RF_PAGES_LOST,
					    .report.error = error ? error : EIO };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message.report.sentence, sizeof(message.report.sentence), format, arguments);
	va_end(arguments);
	tell(&message);
	_exit(1);
}

static void read_order(struct rf_pages_order *order)
{
	ssize_t got = recv(RF_PAGES_SOCKET_FD, order, sizeof(*order), 0);

	if (got == 0)
		_exit(0);
	if (got != (ssize_t)sizeof(*order) || order->connections > RF_ROAD_MAX_CONNECTIONS ||
	    (order->address.ss_family != AF_INET && order->address.ss_family != AF_INET6))
		pages_lose(EINVAL, "rfork-pages is started by rfork() alone");
}

static void tell_ready(const struct pages *pages)
{
	const struct sockaddr *own = rdma_get_local_addr(pages->listener);
	struct rf_pages_message message = {
		.word = RF_PAGES_READY,
		.family = own->sa_family,
		.port = ntohs(rdma_get_src_port(pages->listener)),
		.remote_key = pages->region->rkey,
		.remote_address = (uintptr_t)pages->ring,
	};

	if (own->sa_family == AF_INET)
		memcpy(message.address, &((const struct sockaddr_in *)own)->sin_addr, 4);
	else
		memcpy(message.address, &((const struct sockaddr_in6 *)own)->sin6_addr, 16);
	tell(&message);
}

static void unblock(int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		pages_lose(errno, "events of the RDMA device: %s", strerror(errno));
}

/* Until the ghost closes its end. */
static void serve(struct pages *pages)
{
	struct pollfd fds[] = { { .fd = RF_PAGES_SOCKET_FD, .events = POLLIN },
				{ .fd = pages->events->fd, .events = POLLIN },
				{ .fd = pages->listener->verbs->async_fd, .events = POLLIN } };

	unblock(fds[1].fd);
	unblock(fds[2].fd);
	do {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			pages_lose(errno, "poll: %s", strerror(errno));
		if (fds[1].revents)
			pages_hear_manager(pages);
		if (fds[2].revents)
			pages_hear_device(pages);
	} while (!fds[0].revents);
}

int main(void)
{
	static struct pages pages;

	read_order(&pages.order);
	pages_listen(&pages);
	tell_ready(&pages);
	serve(&pages);
	/* not through destructors of libraries, for which nobody waits */
	_exit(0);
}
