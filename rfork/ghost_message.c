/* SPDX-License-Identifier: MIT */
/*
 * Mirrors an original that keeps messages apart.  Called by ghost_channel.c and ghost_relay.c.  One
 * message at most is shown ahead: MSG_PEEK sees no second one, and SO_PEEK_OFF would belong to the
 * caller's socket too.
 */
#define _GNU_SOURCE
#include "rfork/ghost_message.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/digest.h"
#include "rfork/ghost_peers.h"
#include "rfork/sys.h"

/* One message that costs less than its bytes, and what the rest of the credit allows. */
#define STORE_BYTES (RF_MESSAGE_MAX_BYTES + RF_CREDIT_PIECE_BYTES + 4096u)
/* A socket tells an error of an earlier message once, and has room for another by then. */
#define ATTEMPTS 3

_Static_assert(STORE_BYTES > RF_CHANNEL_CREDIT_BYTES, "holds what the credit allows");
_Static_assert(2 * RF_MESSAGE_COST_MAX_BYTES > RF_CHANNEL_CREDIT_BYTES, "of which one is long");
_Static_assert(RF_MESSAGE_CREDIT_BYTES > sizeof(uint32_t), "so do the lengths before them");

bool rf_message_is_kept(uint32_t stream)
{
	uint32_t type = stream & RF_STREAM_TYPE;

	return type == RF_STREAM_DATAGRAM || type == RF_STREAM_SEQPACKET;
}

/* -- from the child ------------------------------------------------------------------------- */

/* Whether an error says that nothing can ever be sent, and not only what became of one datagram. */
static bool is_lasting(const struct rf_channel *channel, long error)
{
	socklen_t bytes = sizeof(int);
	int domain = 0;

	if (channel->messages.has_no_peer)
		return error == -EPIPE; /* others may be reached */
	switch (-error) {
	case EPIPE:
	case ENOTCONN:
	case EDESTADDRREQ:
		return true;
	case ECONNREFUSED: /* from a network, it may be otherwise the next time */
		rf_syscall(SYS_getsockopt, channel->fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes);
		return domain == AF_UNIX;
	}
	return false;
}

/* Room, but not for whom the message is for: no event will tell when he has some. */
static bool is_full_elsewhere(const struct rf_channel *channel)
{
	struct pollfd pollfd = { .fd = channel->fd, .events = POLLOUT };

	return channel->messages.has_no_peer && rf_sys_poll(&pollfd, 1, 0) > 0 &&
	       pollfd.revents & POLLOUT;
}

/* Finds for whom a message is, and what is behind his number; 0 or a negative errno. */
static int address_message(const struct rf_channel *channel, struct msghdr *message)
{
	const struct rf_ghost_peer *peer = NULL;
	struct iovec *iov = message->msg_iov;
	uint32_t number;

	if (!channel->messages.has_no_peer)
		return 0;
	memcpy(&number, iov->iov_base, sizeof(number));
	if (channel->messages.peers)
		peer = rf_ghost_peers_find(channel->messages.peers, number);
	if (!peer)
		return -EDESTADDRREQ;
	iov->iov_base = (char *)iov->iov_base + sizeof(number);
	iov->iov_len -= sizeof(number);
	message->msg_name = (void *)&peer->address;
	message->msg_namelen = peer->address_bytes;
	return 0;
}

/* Sends one message: 0 if that is over and done with, -EAGAIN, or an error that lasts. */
static int send_message(struct rf_channel *channel, const unsigned char *data, uint32_t bytes)
{
	struct iovec iov = { (void *)data, bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t put = address_message(channel, &message);
	bool is_tried = put < 0;

	for (unsigned i = 0; !is_tried && i < ATTEMPTS; i++) {
		do
			put = rf_sys_sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (put == -EINTR);
		if ((put == -EAGAIN && !is_full_elsewhere(channel)) ||
		    (put < 0 && is_lasting(channel, put)))
			return (int)put;
		is_tried = put >= 0;
	}
	if (put < 0)
		channel->messages.error = (int)put;
	channel->owed += rf_message_cost(bytes);
	return 0;
}

int rf_message_flush(struct rf_channel *channel)
{
	struct rf_channel_messages *messages = &channel->messages;

	while (channel->used) {
		const unsigned char *next = channel->buffer + messages->first;
		uint32_t bytes;
		int error;

		memcpy(&bytes, next, sizeof(bytes));
		error = send_message(channel, next + sizeof(bytes), bytes);
		if (error == -EAGAIN)
			return 0;
		if (error < 0) {
			rf_channel_abandon_output(channel);
			return error;
		}
		messages->first += (uint32_t)sizeof(bytes) + bytes;
		channel->used -= rf_message_cost(bytes);
	}
	rf_channel_finish_output(channel);
	return 0;
}

/* Moves what the store holds to its start. */
static void move_up(struct rf_channel *channel)
{
	struct rf_channel_messages *messages = &channel->messages;
	uint32_t waiting = messages->end - messages->first;
	uint32_t part = messages->has_part ? (uint32_t)sizeof(uint32_t) + messages->part_bytes : 0;

	memmove(channel->buffer, channel->buffer + messages->first, waiting + part);
	messages->first = 0;
	messages->end = waiting;
}

/* Adds a piece to the part at the end of the store. */
static int keep(struct rf_channel *channel, const unsigned char *piece, uint32_t bytes)
{
	struct rf_channel_messages *messages = &channel->messages;
	uint32_t at = (uint32_t)sizeof(uint32_t) + messages->part_bytes;

	if (!channel->buffer) {
		long address = rf_sys_mmap(0, STORE_BYTES, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (address < 0 && address > -4096)
			return (int)address;
		channel->buffer = (unsigned char *)address;
		messages->first = messages->end = 0;
	}
	if (messages->end + at + bytes > STORE_BYTES)
		move_up(channel);
	memcpy(channel->buffer + messages->end + at, piece, bytes);
	messages->part_bytes += bytes;
	messages->has_part = true;
	return 0;
}

/* The part is a message. */
static void complete(struct rf_channel *channel)
{
	struct rf_channel_messages *messages = &channel->messages;
	uint32_t bytes = messages->part_bytes;

	memcpy(channel->buffer + messages->end, &bytes, sizeof(bytes));
	messages->end += (uint32_t)sizeof(bytes) + bytes;
	channel->used += rf_message_cost(bytes);
	messages->part_bytes = 0;
	messages->has_part = false;
}

static bool is_sent(const struct rf_channel *channel)
{
	return channel->writes && !channel->ends;
}

static bool is_allowed(const struct rf_channel *channel, uint32_t bytes, bool more)
{
	uint32_t credit = RF_CHANNEL_CREDIT_BYTES - channel->used - channel->owed;
	uint32_t part = channel->messages.part_bytes;

	/* of what is dropped the pieces are not counted */
	if (channel->messages.has_no_peer && is_sent(channel) &&
	    part + bytes < RF_MESSAGE_PEER_BYTES)
		return false;
	return (!more || bytes == RF_FRAME_MAX_BYTES) && bytes <= RF_MESSAGE_MAX_BYTES - part &&
	       rf_message_cost(part + bytes) <= credit;
}

int rf_message_put(struct rf_channel *channel, const unsigned char *piece, uint32_t bytes,
		   bool more)
{
	int error = -EAGAIN;

	if (!is_allowed(channel, bytes, more))
		return -EBADMSG;
	if (!is_sent(channel)) {
		channel->messages.part_bytes = 0;
		channel->messages.has_part = false;
		return 0; /* it crossed with our word that nobody reads */
	}
	if (!more && !channel->messages.has_part && !channel->used)
		error = send_message(channel, piece, bytes);
	if (error == 0)
		return 0;
	if (error != -EAGAIN) {
		rf_channel_abandon_output(channel);
		return error;
	}
	error = keep(channel, piece, bytes);
	if (error < 0 || more)
		return error;
	complete(channel);
	return rf_message_flush(channel);
}

void rf_message_rest(struct rf_channel *channel)
{
	if (!channel->buffer || channel->used || (channel->messages.has_part && channel->writes))
		return;
	rf_sys_munmap((uintptr_t)channel->buffer, STORE_BYTES);
	channel->buffer = NULL;
	channel->messages.has_part = false;
}

/* -- to the child --------------------------------------------------------------------------- */

/* The number of who has sent a message; 0 if he cannot be answered. */
static uint32_t find_number(struct rf_channel *channel, const struct sockaddr_storage *sender,
			    socklen_t sender_bytes)
{
	long address;

	if (!channel->messages.peers) {
		address = rf_sys_mmap(0, sizeof(*channel->messages.peers), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (address < 0 && address > -4096)
			return 0;
		channel->messages.peers = (struct rf_ghost_peers *)address;
	}
	return rf_ghost_peers_number(channel->messages.peers, sender, sender_bytes);
}

/* The length of the next message, of which as much as fits comes into the buffer; for a socket
 * without a peer with the sender's number before it. */
static long peek(struct rf_channel *channel, unsigned char *buffer, size_t bytes)
{
	size_t head = channel->messages.has_no_peer ? RF_MESSAGE_PEER_BYTES : 0;
	struct iovec iov = { buffer + head, bytes - head };
	struct sockaddr_storage sender;
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint32_t number;
	long seen = -EINTR;

	/* a datagram socket tells here, too, what became of earlier ones */
	for (unsigned i = 0; seen < 0 && seen != -EAGAIN && i < ATTEMPTS; i++)
		do {
			message.msg_name = &sender;
			message.msg_namelen = sizeof(sender);
			seen = rf_syscall(SYS_recvmsg, channel->fd, &message,
					  MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
		} while (seen == -EINTR);
	if (seen < 0 || !head)
		return seen;
	number = find_number(channel, &sender, message.msg_namelen);
	memcpy(buffer, &number, sizeof(number));
	return seen + (long)head;
}

static bool is_shut(const struct rf_channel *channel)
{
	struct pollfd pollfd = { .fd = channel->fd, .events = POLLRDHUP };

	return rf_sys_poll(&pollfd, 1, 0) > 0 && pollfd.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

/* Nothing read is the end, or a message without bytes: then there may be others behind it. */
static bool is_end(const struct rf_channel *channel, bool was_shut, long seen)
{
	int held = 0;

	if (seen < 0)
		return !channel->messages.is_datagram && seen != -EAGAIN;
	if (channel->messages.has_no_peer)
		seen -= (long)RF_MESSAGE_PEER_BYTES;
	return seen == 0 && was_shut &&
	       !(rf_sys_ioctl(channel->fd, FIONREAD, &held) == 0 && held > 0);
}

static uint64_t digest_start(const struct rf_channel_tools *tools, long seen)
{
	size_t bytes = seen < (long)RF_FRAME_MAX_BYTES ? (size_t)seen : RF_FRAME_MAX_BYTES;

	return rf_digest64(tools->buffer, bytes);
}

/* Looks again at a message that the common buffer does not hold; -ENOMEM or -EMSGSIZE. */
static long look_at_long(struct rf_channel *channel, struct iovec *message)
{
	size_t bytes = message->iov_len;
	long address, seen;

	if (bytes > RF_MESSAGE_MAX_BYTES)
		return -EMSGSIZE;
	address = rf_sys_mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (address < 0 && address > -4096)
		return address;
	message->iov_base = (void *)address;
	seen = peek(channel, message->iov_base, bytes);
	if (seen == (long)bytes)
		return seen;
	rf_sys_munmap((uintptr_t)address, bytes);
	return -EAGAIN; /* another reader has taken it */
}

/* What cannot be shown is left to others, and the child gets no more. */
static int give_up(struct rf_channel *channel, int error)
{
	channel->messages.error = error;
	channel->at_end = true;
	rf_channel_leave_input(channel);
	return 0;
}

int rf_message_look(struct rf_channel *channel, const struct rf_channel_tools *tools,
		    struct iovec *message)
{
	bool was_shut;
	long seen;

	channel->may_look = false;
	if (!channel->reads || channel->at_end || channel->ahead)
		return -EAGAIN;
	was_shut = is_shut(channel); /* before the look: what came in between is seen by it */
	seen = peek(channel, tools->buffer, RF_FRAME_MAX_BYTES);
	if (is_end(channel, was_shut, seen))
		return give_up(channel, 0);
	if (seen < 0)
		return -EAGAIN;
	*message = (struct iovec){ tools->buffer, (size_t)seen };
	channel->messages.shown_bytes = (uint32_t)seen;
	channel->messages.shown_digest = digest_start(tools, seen);
	if (seen > (long)RF_FRAME_MAX_BYTES)
		seen = look_at_long(channel, message);
	if (seen == -EAGAIN)
		channel->may_look = true;
	if (seen < 0)
		return seen == -EAGAIN ? -EAGAIN : give_up(channel, (int)seen);
	channel->ahead = 1;
	return 1;
}

void rf_message_send(struct rf_ghost_link *link, unsigned channel, const struct iovec *message)
{
	const char *next = message->iov_base;
	size_t left = message->iov_len;

	for (; left > RF_FRAME_MAX_BYTES; left -= RF_FRAME_MAX_BYTES, next += RF_FRAME_MAX_BYTES)
		rf_ghost_link_send_flagged(link, RF_FRAME_MESSAGE, RF_MESSAGE_MORE, channel, next,
					   RF_FRAME_MAX_BYTES);
	rf_ghost_link_send(link, RF_FRAME_MESSAGE, channel, next, left);
}

void rf_message_forget(const struct rf_channel_tools *tools, const struct iovec *message)
{
	if (message->iov_base != tools->buffer)
		rf_sys_munmap((uintptr_t)message->iov_base, message->iov_len);
}

int rf_message_consume(struct rf_channel *channel, const struct rf_channel_tools *tools,
		       uint32_t count)
{
	const struct rf_channel_messages *messages = &channel->messages;
	long seen;

	if (count != 1 || !channel->ahead)
		return -EBADMSG;
	channel->ahead = 0;
	if (channel->fd < 0)
		return 0;
	/* if another reader was faster, the next message is not the one that the child has read */
	seen = peek(channel, tools->buffer, RF_FRAME_MAX_BYTES);
	if (seen == (long)messages->shown_bytes &&
	    digest_start(tools, seen) == messages->shown_digest)
		rf_syscall(SYS_recvfrom, channel->fd, tools->buffer, RF_FRAME_MAX_BYTES,
			   MSG_DONTWAIT, NULL, NULL);
	channel->may_look = channel->reads && !channel->at_end;
	return 0;
}
