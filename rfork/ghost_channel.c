/* SPDX-License-Identifier: MIT */
/*
 * Mirrors one original: writes what the child has written, and shows the child what there is
 * to read.  Called by ghost_relay.c.  Never changes a flag of the original, whose description the
 * caller shares, never waits for it, and takes from it only what the child has consumed.
 */
#define _GNU_SOURCE
#include "rfork/ghost_channel.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "rfork/ghost_message.h"
#include "rfork/sys.h"

/* What a pipe takes after POLLOUT without waiting (PIPE_BUF), and a share of a terminal's room. */
#define PIPE_PIECE_BYTES 4096u
#define TTY_PIECE_BYTES 512u
/* Credit goes back in pieces of this size: less would cost a frame for every line that the child writes. */
#define CREDIT_PIECE_BYTES (RF_CHANNEL_CREDIT_BYTES / 4)
/* Holds, with room for buffers that are not full, all that may be ahead. */
#define SCRATCH_PIPE_BYTES (4 * RF_CHANNEL_AHEAD_BYTES)

_Static_assert(RF_CHANNEL_AHEAD_BYTES <= RF_FRAME_MAX_BYTES, "a look fits in one buffer");

static enum rf_channel_kind find_kind(int fd, uint32_t stream)
{
	struct stat status;
	struct termios termios;

	if (rf_message_is_kept(stream))
		return RF_CHANNEL_MESSAGE;
	if (rf_sys_fstat(fd, &status) < 0)
		return RF_CHANNEL_FILE;
	if (S_ISSOCK(status.st_mode))
		return RF_CHANNEL_SOCKET;
	if (S_ISFIFO(status.st_mode))
		return RF_CHANNEL_PIPE;
	return rf_sys_ioctl(fd, TCGETS, &termios) == 0 ? RF_CHANNEL_TTY : RF_CHANNEL_FILE;
}

int rf_channel_prepare(struct rf_channel_tools *tools)
{
	int error = (int)rf_syscall(SYS_pipe2, tools->scratch, O_CLOEXEC | O_NONBLOCK);

	if (error < 0) {
		tools->scratch[0] = tools->scratch[1] = -1;
		return error;
	}
	/* less room only means more looks */
	rf_syscall(SYS_fcntl, tools->scratch[1], F_SETPIPE_SZ, SCRATCH_PIPE_BYTES);
	tools->null = rf_sys_open("/dev/null", O_WRONLY | O_CLOEXEC);
	return 0;
}

void rf_channel_open(struct rf_channel *channel, struct rf_channel_tools *tools, uint64_t number)
{
	/* Edges: what is ahead keeps the original readable, and must not keep us busy.  Regular files
	 * cannot be watched, and need not be. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				     .data.u64 = number };

	channel->epoll = tools->epoll;
	channel->kind = find_kind(channel->fd, channel->stream);
	channel->messages.is_datagram = (channel->stream & RF_STREAM_TYPE) == RF_STREAM_DATAGRAM;
	channel->reads = channel->stream & RF_STREAM_READ;
	channel->writes = channel->stream & RF_STREAM_WRITE;
	channel->may_look = channel->reads;
	rf_syscall(SYS_epoll_ctl, tools->epoll, EPOLL_CTL_ADD, channel->fd, &event);
}

static void close_if_done(struct rf_channel *channel)
{
	if (channel->fd < 0 || channel->writes || channel->reads)
		return;
	/* the caller has it open as well: closing alone would not end the watch */
	rf_syscall(SYS_epoll_ctl, channel->epoll, EPOLL_CTL_DEL, channel->fd, NULL);
	rf_sys_close(channel->fd);
	channel->fd = -1;
}

/* -- from the child ------------------------------------------------------------------------- */

static bool has_event(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return rf_sys_poll(&pollfd, 1, 0) > 0 && pollfd.revents & (events | POLLERR | POLLHUP);
}

/* Writes without waiting for a reader: O_NONBLOCK would belong to the caller's side too. */
static ssize_t write_some(struct rf_channel *channel, const void *data, size_t bytes)
{
	struct iovec iov = { (void *)data, bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t put;

	switch (channel->kind) {
	case RF_CHANNEL_SOCKET:
		return rf_sys_sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	case RF_CHANNEL_PIPE:
		put = rf_syscall(SYS_pwritev2, channel->fd, &iov, 1, -1L, 0, RWF_NOWAIT);
		if (put != -EOPNOTSUPP)
			return put;
		/* a FIFO opened by path: POLLOUT promises room for this much */
		if (!has_event(channel->fd, POLLOUT))
			return -EAGAIN;
		return rf_sys_write(channel->fd, data,
				    bytes < PIPE_PIECE_BYTES ? bytes : PIPE_PIECE_BYTES);
	case RF_CHANNEL_MESSAGE:
		return -EPROTOTYPE; /* ghost_message.c writes those */
	case RF_CHANNEL_TTY:
		if (!has_event(channel->fd, POLLOUT))
			return -EAGAIN;
		return rf_sys_write(channel->fd, data,
				    bytes < TTY_PIECE_BYTES ? bytes : TTY_PIECE_BYTES);
	case RF_CHANNEL_FILE:
		break;
	}
	return rf_sys_write(channel->fd, data, bytes);
}

/* Nobody reads the original any more. */
void rf_channel_abandon_output(struct rf_channel *channel)
{
	channel->writes = false;
	channel->used = 0;
	close_if_done(channel);
}

void rf_channel_finish_output(struct rf_channel *channel)
{
	if (!channel->ends || channel->used)
		return;
	if (channel->shuts && channel->fd >= 0)
		rf_syscall(SYS_shutdown, channel->fd, SHUT_WR);
	rf_channel_abandon_output(channel);
}

/* Writes as much of one piece as the original takes; how much, or a negative errno but -EAGAIN. */
static long write_piece(struct rf_channel *channel, const unsigned char *data, uint32_t bytes)
{
	uint32_t done = 0;

	while (done < bytes) {
		ssize_t put = write_some(channel, data + done, bytes - done);

		if (put == -EINTR)
			continue;
		if (put == -EAGAIN)
			break;
		if (put < 0)
			return put;
		done += (uint32_t)put;
	}
	channel->owed += done;
	return done;
}

int rf_channel_flush(struct rf_channel *channel)
{
	if (channel->kind == RF_CHANNEL_MESSAGE)
		return rf_message_flush(channel);
	while (channel->used) {
		uint32_t straight = RF_CHANNEL_CREDIT_BYTES - channel->start;
		uint32_t bytes = channel->used < straight ? channel->used : straight;
		long put = write_piece(channel, channel->buffer + channel->start, bytes);

		if (put < 0) {
			rf_channel_abandon_output(channel);
			return (int)put;
		}
		channel->start = (channel->start + (uint32_t)put) % RF_CHANNEL_CREDIT_BYTES;
		channel->used -= (uint32_t)put;
		if ((uint32_t)put < bytes)
			return 0;
	}
	rf_channel_finish_output(channel);
	return 0;
}

static int keep(struct rf_channel *channel, const unsigned char *data, uint32_t bytes)
{
	uint32_t end = (channel->start + channel->used) % RF_CHANNEL_CREDIT_BYTES;
	uint32_t first = RF_CHANNEL_CREDIT_BYTES - end;

	if (!channel->buffer) {
		long address = rf_sys_mmap(0, RF_CHANNEL_CREDIT_BYTES, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (address < 0 && address > -4096)
			return (int)address;
		channel->buffer = (unsigned char *)address;
	}
	if (first > bytes)
		first = bytes;
	memcpy(channel->buffer + end, data, first);
	memcpy(channel->buffer, data + first, bytes - first);
	channel->used += bytes;
	return 0;
}

int rf_channel_put(struct rf_channel *channel, const unsigned char *data, uint32_t bytes)
{
	long put = 0;

	if (bytes > RF_CHANNEL_CREDIT_BYTES - channel->used - channel->owed)
		return -EBADMSG;
	if (!channel->writes || channel->ends)
		return 0; /* it crossed with our word that nobody reads */
	if (!channel->used)
		put = write_piece(channel, data, bytes);
	if (put < 0) {
		rf_channel_abandon_output(channel);
		return (int)put;
	}
	return (uint32_t)put < bytes ? keep(channel, data + put, bytes - (uint32_t)put) : 0;
}

uint32_t rf_channel_take_credit(struct rf_channel *channel)
{
	uint32_t credit = channel->owed;

	if (credit < CREDIT_PIECE_BYTES)
		return 0;
	channel->owed = 0;
	return credit;
}

bool rf_channel_has_no_reader(const struct rf_channel *channel, uint32_t events)
{
	return (channel->kind == RF_CHANNEL_PIPE && events & EPOLLERR) ||
	       (channel->kind == RF_CHANNEL_SOCKET && events & (EPOLLERR | EPOLLHUP)) ||
	       (channel->kind == RF_CHANNEL_MESSAGE && !channel->messages.is_datagram &&
		events & (EPOLLERR | EPOLLHUP));
}

void rf_channel_end_output(struct rf_channel *channel, bool shut)
{
	channel->ends = true;
	channel->shuts = shut;
	rf_channel_finish_output(channel);
}

void rf_channel_rest(struct rf_channel *channel)
{
	if (channel->kind == RF_CHANNEL_MESSAGE) {
		rf_message_rest(channel);
		return;
	}
	if (!channel->buffer || channel->used)
		return;
	rf_sys_munmap((uintptr_t)channel->buffer, RF_CHANNEL_CREDIT_BYTES);
	channel->buffer = NULL;
	channel->start = 0;
}

/* -- to the child --------------------------------------------------------------------------- */

static void read_exactly(int fd, void *buffer, size_t bytes)
{
	char *next = buffer;

	while (bytes) {
		ssize_t got = rf_sys_read(fd, next, bytes);

		if (got <= 0 && got != -EINTR)
			return; /* it held as much a moment ago, and is ours alone */
		next += got > 0 ? got : 0;
		bytes -= got > 0 ? (size_t)got : 0;
	}
}

/* Drops bytes of the scratch pipe: pages change hands, without a copy where /dev/null could be opened. */
static void drop_scratch(struct rf_channel_tools *tools, size_t bytes)
{
	while (bytes && tools->null >= 0) {
		long moved = rf_syscall(SYS_splice, tools->scratch[0], NULL, tools->null, NULL,
					bytes, 0);

		if (moved <= 0 && moved != -EINTR)
			break;
		bytes -= moved > 0 ? (size_t)moved : 0;
	}
	if (bytes)
		read_exactly(tools->scratch[0], tools->buffer, bytes);
}

/* Bytes in all that the original shows, at most `bytes`; those behind the first `skip` go to the start of
 * the buffer.  0 when it is empty for ever. */
static long peek(struct rf_channel *channel, struct rf_channel_tools *tools, uint32_t skip,
		 uint32_t bytes)
{
	long position, seen;

	switch (channel->kind) {
	case RF_CHANNEL_SOCKET:
		seen = rf_syscall(SYS_recvfrom, channel->fd, tools->buffer, bytes,
				  MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
		if (skip && seen > (long)skip)
			memmove(tools->buffer, tools->buffer + skip, (size_t)seen - skip);
		return seen;
	case RF_CHANNEL_PIPE:
		seen = rf_syscall(SYS_tee, channel->fd, tools->scratch[1], bytes,
				  SPLICE_F_NONBLOCK);
		if (seen <= 0)
			return seen;
		drop_scratch(tools, seen < (long)skip ? (size_t)seen : skip);
		if (seen > (long)skip)
			read_exactly(tools->scratch[0], tools->buffer, (size_t)seen - skip);
		return seen;
	case RF_CHANNEL_FILE:
		position = rf_syscall(SYS_lseek, channel->fd, 0, SEEK_CUR);
		if (position < 0)
			return position;
		seen = rf_sys_pread(channel->fd, tools->buffer, bytes - skip,
				    (uint64_t)position + skip);
		return seen < 0 ? seen : seen + (long)skip;
	case RF_CHANNEL_MESSAGE:
	case RF_CHANNEL_TTY:
		break;
	}
	return 0;
}

/* Nothing new was seen; whether nothing will ever come. */
static bool has_ended(const struct rf_channel *channel)
{
	struct pollfd pollfd = { .fd = channel->fd, .events = POLLRDHUP };

	if (channel->kind == RF_CHANNEL_FILE)
		return true;
	return rf_sys_poll(&pollfd, 1, 0) > 0 &&
	       pollfd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL);
}

/* A pipe of many small buffers may hold more than the scratch pipe has room to show: that comes when
 * what is ahead has been taken. */
static bool has_hidden_bytes(const struct rf_channel *channel)
{
	int held = 0;

	return channel->kind == RF_CHANNEL_PIPE &&
	       rf_sys_ioctl(channel->fd, FIONREAD, &held) == 0 && held > (int)channel->ahead;
}

/* At the end what is ahead is still to be taken. */
void rf_channel_leave_input(struct rf_channel *channel)
{
	if (!channel->at_end || channel->ahead)
		return;
	channel->reads = false;
	close_if_done(channel);
}

long rf_channel_look(struct rf_channel *channel, struct rf_channel_tools *tools)
{
	bool had_ended;
	long seen;

	channel->may_look = false;
	if (!channel->reads || channel->at_end || channel->ahead == RF_CHANNEL_AHEAD_BYTES)
		return -EAGAIN;
	had_ended = has_ended(channel); /* before the look: what came in between is seen by it */
	do
		seen = peek(channel, tools, channel->ahead, RF_CHANNEL_AHEAD_BYTES);
	while (seen == -EINTR);
	if (seen > (long)channel->ahead) {
		seen -= channel->ahead;
		channel->ahead += (uint32_t)seen;
		channel->may_look = true;
		return seen;
	}
	/* tee(2) also says 0 when somebody else has just emptied the pipe */
	if (!had_ended && (seen == -EAGAIN || seen > 0 || (seen == 0 && !has_ended(channel))))
		return -EAGAIN;
	if (has_hidden_bytes(channel))
		return -EAGAIN;
	channel->at_end = true;
	rf_channel_leave_input(channel);
	return 0;
}

/* Takes at most `bytes` from the original; how many, 0 or a negative errno when there are none. */
static long take_some(struct rf_channel *channel, struct rf_channel_tools *tools, uint32_t bytes)
{
	long moved;

	switch (channel->kind) {
	case RF_CHANNEL_SOCKET:
		return rf_syscall(SYS_recvfrom, channel->fd, tools->buffer, bytes, MSG_DONTWAIT,
				  NULL, NULL);
	case RF_CHANNEL_PIPE:
		moved = rf_syscall(SYS_splice, channel->fd, NULL, tools->scratch[1], NULL, bytes,
				   SPLICE_F_NONBLOCK);
		if (moved > 0)
			drop_scratch(tools, (size_t)moved);
		return moved;
	case RF_CHANNEL_FILE:
		return rf_syscall(SYS_lseek, channel->fd, bytes, SEEK_CUR) < 0 ? -ESPIPE
									       : (long)bytes;
	case RF_CHANNEL_MESSAGE:
	case RF_CHANNEL_TTY:
		break;
	}
	return 0;
}

int rf_channel_consume(struct rf_channel *channel, struct rf_channel_tools *tools, uint32_t bytes)
{
	if (bytes > channel->ahead)
		return -EBADMSG;
	channel->ahead -= bytes;
	while (bytes && channel->fd >= 0) {
		long took = take_some(channel, tools, bytes);

		if (took == -EINTR)
			continue;
		if (took <= 0)
			break; /* another reader was faster: whose they were nobody can say */
		bytes -= (uint32_t)took;
	}
	channel->may_look = channel->reads && !channel->at_end;
	rf_channel_leave_input(channel);
	return 0;
}

void rf_channel_stop_input(struct rf_channel *channel)
{
	channel->reads = false;
	channel->may_look = false;
	channel->ahead = 0;
	close_if_done(channel);
}
