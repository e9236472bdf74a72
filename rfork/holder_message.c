/* SPDX-License-Identifier: MIT */
/*
 * Messages between a program and the holders of its checkpoints.  Used by both sides: no malloc,
 * no errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "rfork/holder.h"
#include "rfork/sys.h"

union passed {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(RF_HOLDER_MAX_FDS * sizeof(int))];
};

int rf_holder_send(int control, const void *message, size_t bytes, const int *fds, size_t count)
{
	union passed passed = { .header = { .cmsg_len = CMSG_LEN(count * sizeof(*fds)),
					    .cmsg_level = SOL_SOCKET,
					    .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)message, bytes };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (count) {
		memcpy(CMSG_DATA(&passed.header), fds, count * sizeof(*fds));
		header.msg_control = &passed;
		header.msg_controllen = CMSG_SPACE(count * sizeof(*fds));
	}
	do
		sent = rf_sys_sendmsg(control, &header, MSG_NOSIGNAL);
	while (sent == -EINTR);
	return sent < 0 ? (int)sent : 0;
}

long rf_holder_receive(int control, void *message, size_t bytes, int *fds, size_t capacity,
		       size_t *count)
{
	union passed passed;
	struct iovec iov = { message, bytes };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = capacity ? &passed : NULL,
				 .msg_controllen = capacity ? CMSG_SPACE(capacity * sizeof(*fds))
							    : 0 };
	const struct cmsghdr *first;
	long got;

	*count = 0;
	do
		got = rf_syscall(SYS_recvmsg, control, &header, MSG_CMSG_CLOEXEC);
	while (got == -EINTR);
	first = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
	if (first && first->cmsg_type == SCM_RIGHTS) {
		*count = (first->cmsg_len - CMSG_LEN(0)) / sizeof(*fds);
		*count = *count < capacity ? *count : capacity;
		memcpy(fds, CMSG_DATA(first), *count * sizeof(*fds));
	}
	return got;
}
