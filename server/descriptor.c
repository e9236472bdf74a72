/* SPDX-License-Identifier: MIT */
/*
 * Passing, moving and closing descriptors.  Called by handover.c, session.c and spawn.c.
 */
#define _GNU_SOURCE
#include "server/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int rf_descriptor_send(int socket, struct iovec *iov, size_t count, int fd)
{
	union control control = { 0 };
	struct msghdr message = { .msg_iov = iov,
				  .msg_iovlen = count,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	ssize_t sent;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* The padding has room for a second descriptor; a sender that fills it is not to leave it open. */
static int take_descriptors(struct msghdr *message, int *fd)
{
	int fds[2] = { -1, -1 };
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	bool is_starved;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(fds, CMSG_DATA(header),
		       header->cmsg_len >= CMSG_LEN(sizeof(fds)) ? sizeof(fds) : sizeof(fds[0]));
	*fd = fds[0];
	if (fds[1] < 0 && !(message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	/* the kernel drops what it has no number for, and says no more than this */
	is_starved = fds[0] < 0 && message->msg_flags & MSG_CTRUNC;
	rf_descriptor_close(fd);
	rf_descriptor_close(&fds[1]);
	return is_starved ? -EMFILE : -EBADMSG;
}

static long receive(int socket, struct iovec *iov, size_t count, int flags, int *fd)
{
	union control control = { 0 };
	struct msghdr message = { .msg_iov = iov,
				  .msg_iovlen = count,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t got;
	int error;

	*fd = -1;
	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	error = take_descriptors(&message, fd);
	if (error < 0)
		return error;
	return got == 0 && *fd < 0 ? -ECONNRESET : got;
}

int rf_descriptor_receive(int socket, struct iovec *iov, size_t count, size_t bytes)
{
	int fd;
	long got = receive(socket, iov, count, 0, &fd);

	if (got < 0)
		return (int)got;
	if ((size_t)got != bytes || fd < 0) {
		rf_descriptor_close(&fd);
		return -EBADMSG;
	}
	return fd;
}

long rf_descriptor_receive_now(int socket, struct iovec *iov, size_t count, int *fd)
{
	return receive(socket, iov, count, MSG_DONTWAIT, fd);
}

int rf_descriptor_raise(int *fd, int lowest)
{
	int raised = fcntl(*fd, F_DUPFD_CLOEXEC, lowest);

	if (raised < 0)
		return -errno;
	close(*fd);
	*fd = raised;
	return 0;
}

void rf_descriptor_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
