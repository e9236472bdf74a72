/* SPDX-License-Identifier: MIT */
/*
 * Frames between a ghost and its node.  Called by ghost_relay.c and what it calls.  Small frames come
 * in one system call, many at a time; what is large goes straight to where it is wanted.
 */
#define _GNU_SOURCE
#include "rfork/ghost_link.h"

#include <errno.h>
#include <string.h>

#include "rfork/ghost_signals.h"
#include "rfork/sys.h"

/* How often a link with something under way is looked at; without anything under way the kernel's
 * keep-alive does it. */
#define LOOK_MS 5000

_Noreturn void rf_ghost_link_lose(void)
{
	rf_ghost_die(SIGKILL);
}

void rf_ghost_link_check(struct rf_ghost_link *link)
{
	if (rf_link_watch_is_dead(&link->watch, link->connection, RF_LINK_LOST_S))
		rf_ghost_link_lose();
}

int rf_ghost_link_timeout_ms(const struct rf_ghost_link *link)
{
	return rf_link_watch_has_queued(link->connection) ? LOOK_MS : -1;
}

static void wait_for(struct rf_ghost_link *link, short events)
{
	struct pollfd pollfd = { .fd = link->connection, .events = events };

	while (rf_sys_poll(&pollfd, 1, LOOK_MS) <= 0)
		rf_ghost_link_check(link);
}

/* -- out --------------------------------------------------------------------------------------- */

/* Sends all of a frame, behind which more follows at once or not; false when the connection has failed. */
static bool send_whole(struct rf_ghost_link *link, const struct rf_frame_header *header,
		       const void *payload, size_t bytes, int flags)
{
	size_t sent = 0;

	while (sent < sizeof(*header) + bytes) {
		size_t skip = sent < sizeof(*header) ? 0 : sent - sizeof(*header);
		struct iovec iov[2] = { { (char *)header + sent, sizeof(*header) - sent },
					{ (char *)payload + skip, bytes - skip } };
		bool is_begun = sent >= sizeof(*header);
		struct msghdr message = { .msg_iov = iov + is_begun,
					  .msg_iovlen = (size_t)2 - is_begun };
		ssize_t put = rf_sys_sendmsg(link->connection, &message,
					     MSG_NOSIGNAL | MSG_DONTWAIT | flags);

		if (put == -EAGAIN)
			wait_for(link, POLLOUT);
		else if (put < 0 && put != -EINTR)
			return false;
		else if (put > 0)
			sent += (size_t)put;
	}
	return true;
}

void rf_ghost_link_send_flagged(struct rf_ghost_link *link, enum rf_frame_type type, unsigned flags,
				unsigned channel, const void *payload, size_t bytes)
{
	struct rf_frame_header header = { .type = (uint8_t)type,
					  .flags = (uint8_t)flags,
					  .channel = (uint16_t)channel,
					  .length_bytes = (uint32_t)bytes };

	send_whole(link, &header, payload, bytes, 0);
}

void rf_ghost_link_send(struct rf_ghost_link *link, enum rf_frame_type type, unsigned channel,
			const void *payload, size_t bytes)
{
	rf_ghost_link_send_flagged(link, type, 0, channel, payload, bytes);
}

/* Sends the payload of a frame whose header is on its way. */
static void splice_whole(struct rf_ghost_link *link, int pipe, uint32_t bytes)
{
	while (bytes) {
		long put = rf_syscall(SYS_splice, pipe, NULL, link->connection, NULL, bytes, 0);

		if (put == -EAGAIN)
			wait_for(link, POLLOUT);
		else if (put <= 0 && put != -EINTR)
			rf_ghost_link_lose(); /* what was announced never comes */
		else if (put > 0)
			bytes -= (uint32_t)put;
	}
}

void rf_ghost_link_send_pipe(struct rf_ghost_link *link, unsigned channel, int pipe, uint32_t bytes)
{
	struct rf_frame_header header = { .type = RF_FRAME_DATA, .channel = (uint16_t)channel };

	for (; bytes; bytes -= header.length_bytes) {
		header.length_bytes = bytes < RF_FRAME_MAX_BYTES ? bytes : RF_FRAME_MAX_BYTES;
		if (!send_whole(link, &header, NULL, 0, MSG_MORE))
			rf_ghost_link_lose();
		splice_whole(link, pipe, header.length_bytes);
	}
}

/* -- in ---------------------------------------------------------------------------------------- */

bool rf_ghost_link_has_input(const struct rf_ghost_link *link)
{
	return link->input_bytes;
}

bool rf_ghost_link_has_ended(const struct rf_ghost_link *link)
{
	char byte;

	return !link->input_bytes && rf_syscall(SYS_recvfrom, link->connection, &byte, sizeof(byte),
						MSG_PEEK | MSG_DONTWAIT, NULL, NULL) == 0;
}

/* Receives something; how much. */
static size_t receive(struct rf_ghost_link *link, void *buffer, size_t bytes)
{
	for (;;) {
		ssize_t got = rf_syscall(SYS_recvfrom, link->connection, buffer, bytes,
					 MSG_DONTWAIT, NULL, NULL);

		if (got > 0)
			return (size_t)got;
		if (got == -EAGAIN)
			wait_for(link, POLLIN);
		else if (got != -EINTR)
			rf_ghost_link_lose();
	}
}

bool rf_ghost_link_has_more(struct rf_ghost_link *link)
{
	ssize_t got;

	if (link->input_bytes || !link->is_bulk)
		return link->input_bytes;
	link->is_bulk = false;
	got = rf_syscall(SYS_recvfrom, link->connection, link->input,
			 sizeof(struct rf_frame_header), MSG_DONTWAIT, NULL, NULL);
	link->input_start = 0;
	link->input_bytes = got > 0 ? (uint32_t)got : 0;
	return link->input_bytes; /* an end or an error is read again */
}

void rf_ghost_link_expect_bulk(struct rf_ghost_link *link)
{
	link->is_bulk = true;
}

uint32_t rf_ghost_link_pass(struct rf_ghost_link *link, int pipe, uint32_t bytes)
{
	long moved;

	do
		moved = rf_syscall(SYS_splice, link->connection, NULL, pipe, NULL, bytes,
				   SPLICE_F_NONBLOCK);
	while (moved == -EINTR);
	/* A second try would find a page that its reader has just freed, and wake that for the next one. */
	return moved > 0 ? (uint32_t)moved : 0;
}

static size_t take_input(struct rf_ghost_link *link, void *buffer, size_t bytes)
{
	if (bytes > link->input_bytes)
		bytes = link->input_bytes;
	memcpy(buffer, link->input + link->input_start, bytes);
	link->input_start += (uint32_t)bytes;
	link->input_bytes -= (uint32_t)bytes;
	return bytes;
}

void rf_ghost_link_read(struct rf_ghost_link *link, void *buffer, size_t bytes)
{
	char *next = buffer;

	while (bytes) {
		size_t got;

		if (!link->input_bytes && bytes < sizeof(link->input)) {
			link->input_start = 0;
			link->input_bytes = (uint32_t)receive(
				link, link->input, link->is_bulk ? bytes : sizeof(link->input));
			link->is_bulk = false;
		}
		got = link->input_bytes ? take_input(link, next, bytes)
					: receive(link, next, bytes);
		next += got;
		bytes -= got;
	}
}
