/* SPDX-License-Identifier: MIT */
/*
 * Frames of a session's connection.  Called by session_relay.c.  It never blocks: a batch stays
 * until the connection has taken it, and meanwhile nothing new is put.
 */
#define _GNU_SOURCE
#include "server/session_link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/descriptor.h"

#define PAGE_BYTES 4096u

void rf_link_open(struct rf_link *link, int fd, unsigned dead_after_s)
{
	int domain = AF_UNIX;
	socklen_t bytes = sizeof(domain);

	link->fd = fd;
	link->pipe[0] = link->pipe[1] = -1;
	/* splice(2) knows no other way not to wait; without it a ghost that does not read holds us up */
	link->has_no_pipe = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0;
	link->dead_after_s = dead_after_s;
	link->is_tcp = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 &&
		       (domain == AF_INET || domain == AF_INET6);
}

void rf_link_close(struct rf_link *link)
{
	rf_descriptor_close(&link->fd);
	rf_descriptor_close(&link->pipe[0]);
	rf_descriptor_close(&link->pipe[1]);
}

/* -- output ----------------------------------------------------------------------------------- */

bool rf_link_is_busy(const struct rf_link *link)
{
	return link->control_bytes || link->data_bytes || link->pipe_bytes;
}

void rf_link_put(struct rf_link *link, enum rf_frame_type type, unsigned flags, unsigned channel,
		 const void *payload, size_t bytes)
{
	struct rf_frame_header header = { .type = (uint8_t)type,
					  .flags = (uint8_t)flags,
					  .channel = (uint16_t)channel,
					  .length_bytes = (uint32_t)bytes };

	memcpy(link->control + link->control_bytes, &header, sizeof(header));
	if (bytes)
		memcpy(link->control + link->control_bytes + sizeof(header), payload, bytes);
	link->control_bytes += sizeof(header) + bytes;
}

void rf_link_put_data(struct rf_link *link, enum rf_frame_type type, unsigned flags,
		      unsigned channel, size_t bytes)
{
	link->data.header = (struct rf_frame_header){ .type = (uint8_t)type,
						      .flags = (uint8_t)flags,
						      .channel = (uint16_t)channel,
						      .length_bytes = (uint32_t)bytes };
	link->data_bytes = sizeof(link->data.header) + bytes;
	link->is_used = true;
}

int rf_link_pipe(struct rf_link *link)
{
	if (link->pipe[1] < 0 && !link->has_no_pipe)
		link->has_no_pipe = pipe2(link->pipe, O_CLOEXEC | O_NONBLOCK) < 0;
	return link->pipe[1];
}

void rf_link_put_pipe(struct rf_link *link, unsigned channel, size_t bytes)
{
	link->data.header = (struct rf_frame_header){ .type = RF_FRAME_DATA,
						      .channel = (uint16_t)channel,
						      .length_bytes = (uint32_t)bytes };
	link->data_bytes = sizeof(link->data.header);
	link->pipe_bytes = bytes;
}

/* Sends what is in memory; how much, or a negative errno. */
static ssize_t send_memory(struct rf_link *link)
{
	size_t control =
		link->sent_bytes < link->control_bytes ? link->control_bytes - link->sent_bytes : 0;
	size_t skip = control ? 0 : link->sent_bytes - link->control_bytes;
	struct iovec iov[2] = {
		{ link->control + link->sent_bytes, control },
		{ (char *)&link->data + skip, link->data_bytes - skip },
	};
	struct msghdr message = { .msg_iov = control ? iov : iov + 1,
				  .msg_iovlen = control ? 2 : 1 };
	ssize_t sent = sendmsg(link->fd, &message,
			       MSG_DONTWAIT | MSG_NOSIGNAL | (link->pipe_bytes ? MSG_MORE : 0));

	return sent < 0 ? -errno : sent;
}

static ssize_t send_pipe(struct rf_link *link)
{
	ssize_t sent = splice(link->pipe[0], NULL, link->fd, NULL, link->pipe_bytes, 0);

	return sent < 0 ? -errno : sent;
}

int rf_link_flush(struct rf_link *link)
{
	while (rf_link_is_busy(link)) {
		bool in_memory = link->sent_bytes < link->control_bytes + link->data_bytes;
		ssize_t sent = in_memory ? send_memory(link) : send_pipe(link);

		if (sent == -EINTR)
			continue;
		if (sent < 0)
			return sent == -EAGAIN ? 0 : (int)sent;
		if (in_memory)
			link->sent_bytes += (size_t)sent;
		else
			link->pipe_bytes -= (size_t)sent;
		if (!link->pipe_bytes && link->sent_bytes == link->control_bytes + link->data_bytes)
			link->sent_bytes = link->control_bytes = link->data_bytes = 0;
	}
	return 0;
}

/* -- input ------------------------------------------------------------------------------------ */

long rf_link_receive(struct rf_link *link)
{
	ssize_t got = recv(link->fd, link->in + link->received, sizeof(link->in) - link->received,
			   MSG_DONTWAIT);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	link->received += (size_t)got;
	link->is_used = true;
	return got;
}

/* What a ghost may send, and how long it is; a fixed length. */
static long length_of(const struct rf_frame_header *header)
{
	switch (header->type) {
	case RF_FRAME_WINDOW:
		return sizeof(struct rf_frame_window);
	case RF_FRAME_AHEAD:
		return sizeof(struct rf_frame_ahead);
	case RF_FRAME_SIGNAL:
		return header->channel ? -EBADMSG : (long)sizeof(struct rf_frame_signal);
	case RF_FRAME_TERMINAL:
		return header->channel == RF_CHANNEL_TERMINAL
			       ? (long)sizeof(struct rf_frame_terminal)
			       : -EBADMSG;
	case RF_FRAME_PONG:
	case RF_FRAME_DETACH:
	case RF_FRAME_GO:
		return header->channel ? -EBADMSG : 0;
	case RF_FRAME_CONNECTION:
		return sizeof(struct rf_frame_connection);
	case RF_FRAME_EOF:
	case RF_FRAME_NO_READER:
	case RF_FRAME_CLOSED:
		return 0;
	default:
		return -EBADMSG;
	}
}

long rf_link_find_frame(const struct rf_link *link, size_t used, struct rf_frame_header *header)
{
	size_t bytes = link->received - used;

	if (bytes < sizeof(*header))
		return 0;
	memcpy(header, link->in + used, sizeof(*header));
	if (header->flags & ~(header->type == RF_FRAME_MESSAGE ? RF_MESSAGE_MORE : 0))
		return -EBADMSG;
	if (header->type == RF_FRAME_DATA || header->type == RF_FRAME_MESSAGE) {
		if ((header->length_bytes == 0 && header->type == RF_FRAME_DATA) ||
		    header->length_bytes > RF_FRAME_MAX_BYTES)
			return -EBADMSG;
	} else if ((long)header->length_bytes != length_of(header)) {
		return -EBADMSG;
	}
	if (bytes - sizeof(*header) < header->length_bytes)
		return 0;
	return (long)(sizeof(*header) + header->length_bytes);
}

void rf_link_drop(struct rf_link *link, size_t bytes)
{
	link->received -= bytes;
	memmove(link->in, link->in + bytes, link->received);
}

/* -- the other side --------------------------------------------------------------------------- */

bool rf_link_is_acknowledged(const struct rf_link *link)
{
	/* A batch that waits although nothing is queued has not been sent at all. */
	if (link->is_tcp && rf_link_is_busy(link) && !rf_link_watch_has_queued(link->fd))
		return false;
	return rf_link_watch_is_acknowledged(link->fd);
}

bool rf_link_is_dead(struct rf_link *link)
{
	return rf_link_watch_is_dead(&link->watch, link->fd, link->dead_after_s);
}

/* Whole pages only: what shares a page with something else stays. */
static void discard(char *buffer, size_t bytes)
{
	uintptr_t start = ((uintptr_t)buffer + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
	uintptr_t end = ((uintptr_t)buffer + bytes) & ~(uintptr_t)(PAGE_BYTES - 1);

	(void)madvise((void *)start, end - start, MADV_DONTNEED);
}

void rf_link_trim(struct rf_link *link)
{
	if (!link->is_used || link->received || rf_link_is_busy(link))
		return;
	discard(link->in, sizeof(link->in));
	discard(link->data.payload, sizeof(link->data.payload));
	link->is_used = false;
}
