/* SPDX-License-Identifier: MIT */
/*
 * A program in rfork-pages' place: passes what the ghost gives it to a test, and what the test says
 * to the ghost (road_node.c).  So a ghost can be tested without any device.
 */
#define _GNU_SOURCE
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rfork/pages_protocol.h"

#define TEST_SOCKET "helper"

/* The test's socket is beside the name by which we were executed. */
static int connect_to_test(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	char path[sizeof(address.sun_path)];

	snprintf(path, sizeof(path), "%s", (const char *)getauxval(AT_EXECFN));
	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/" TEST_SOCKET, dirname(path));
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : fd;
}

/* The order, with the ring. */
static int pass_order(int test, struct rf_pages_order *order)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec piece = { order, sizeof(*order) };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	const int ring = RF_PAGES_RING_FD;

	memcpy(CMSG_DATA(&control.header), &ring, sizeof(ring));
	return sendmsg(test, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int main(void)
{
	struct rf_pages_message message;
	struct rf_pages_order order;
	struct pollfd fds[2] = { { .fd = RF_PAGES_SOCKET_FD, .events = POLLIN },
				 { .fd = connect_to_test(), .events = POLLIN } };

	if (fds[1].fd < 0 || recv(RF_PAGES_SOCKET_FD, &order, sizeof(order), 0) != sizeof(order) ||
	    pass_order(fds[1].fd, &order) < 0)
		return 1;
	for (;;) {
		ssize_t got;

		if (poll(fds, 2, -1) < 0 || fds[0].revents)
			return 0;
		got = recv(fds[1].fd, &message, sizeof(message), 0);
		if (got <= 0 || send(RF_PAGES_SOCKET_FD, &message, (size_t)got, MSG_NOSIGNAL) < 0)
			return 1;
	}
}
