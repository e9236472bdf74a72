/* SPDX-License-Identifier: MIT */
/*
 * Asks the kernel about one AF_UNIX socket at a time, by its inode.  Called by session_stream.c.
 * The answer to a question is in the queue when the question has been sent, so nothing here waits.
 */
#define _GNU_SOURCE
#include "server/unix_diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANY_COOKIE UINT32_MAX

struct question {
	struct nlmsghdr header;
	struct unix_diag_req request;
};

union answer {
	struct nlmsghdr header;
	char bytes[1024];
};

/* Leaves the answer of an earlier question that failed half-way behind. */
static int ask(int diag, uint32_t inode, uint32_t show, union answer *answer)
{
	static uint32_t sequence;
	struct question question = {
		.header = { .nlmsg_len = sizeof(question),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST,
			    .nlmsg_seq = ++sequence },
		.request = { .sdiag_family = AF_UNIX,
			     .udiag_states = UINT32_MAX,
			     .udiag_ino = inode,
			     .udiag_show = show,
			     .udiag_cookie = { ANY_COOKIE, ANY_COOKIE } },
	};
	ssize_t got;

	if (send(diag, &question, sizeof(question), 0) < 0)
		return -errno;
	do {
		got = recv(diag, answer, sizeof(*answer), MSG_DONTWAIT);
		if (got < 0)
			return -errno;
		if (!NLMSG_OK(&answer->header, (uint32_t)got))
			return -EPROTO;
	} while (answer->header.nlmsg_seq != question.header.nlmsg_seq);
	if (answer->header.nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(&answer->header))->error;
	return answer->header.nlmsg_type == SOCK_DIAG_BY_FAMILY ? 0 : -EPROTO;
}

/* Copies an attribute of `bytes` bytes; -ENODATA if it is not there. */
static int find_attribute(const union answer *answer, unsigned type, void *value, size_t bytes)
{
	const struct unix_diag_msg *message = NLMSG_DATA(&answer->header);
	const struct rtattr *attribute = (const struct rtattr *)(message + 1);
	uint32_t left = answer->header.nlmsg_len - (uint32_t)NLMSG_LENGTH(sizeof(*message));

	if (answer->header.nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return -EPROTO;
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type != type || RTA_PAYLOAD(attribute) != bytes)
			continue;
		memcpy(value, RTA_DATA(attribute), bytes);
		return 0;
	}
	return -ENODATA;
}

uint32_t rf_unix_diag_peer(int diag, int fd)
{
	union answer answer;
	struct stat status;
	uint32_t peer;

	if (fstat(fd, &status) < 0 || status.st_ino > UINT32_MAX ||
	    ask(diag, (uint32_t)status.st_ino, UDIAG_SHOW_PEER, &answer) < 0 ||
	    find_attribute(&answer, UNIX_DIAG_PEER, &peer, sizeof(peer)) < 0)
		return 0;
	return peer;
}

long rf_unix_diag_unread(int diag, uint32_t inode)
{
	struct unix_diag_rqlen queues;
	union answer answer;
	int error = ask(diag, inode, UDIAG_SHOW_RQLEN, &answer);

	if (error == 0)
		error = find_attribute(&answer, UNIX_DIAG_RQLEN, &queues, sizeof(queues));
	return error < 0 ? error : (long)queues.udiag_rqueue;
}

/* A kernel whose module is missing says of every socket what it says of one that is gone. */
static bool has_answers(int diag)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat status;
	bool has;

	if (fd < 0)
		return true; /* no descriptor for a try: most kernels do */
	has = fstat(fd, &status) == 0 && rf_unix_diag_unread(diag, (uint32_t)status.st_ino) >= 0;
	close(fd);
	return has;
}

int rf_unix_diag_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	if (has_answers(fd))
		return fd;
	close(fd);
	return -ENOENT;
}
