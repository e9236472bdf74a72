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
#include "rfork/ghost_pipe.h"
#include "rfork/sys.h"

/* What a pipe takes after POLLOUT without waiting (PIPE_BUF), and a share of a terminal's room. */
#define PIPE_PIECE_BYTES 4096u
#define TTY_PIECE_BYTES 512u
/* From here on pages are passed on instead of copied. */
#define SPLICE_BYTES 16384u
/* Holds, with room for buffers that are not full, all that may be ahead. */
#define SCRATCH_PIPE_BYTES (4 * RF_CHANNEL_AHEAD_BYTES)

static enum rf_channel_kind find_kind(int fd, uint32_t stream)
{
	struct stat status;
	struct termios termios;

	if (rf_message_is_kept(stream))
		return RF_CHANNEL_MESSAGE;
	if ((stream & RF_STREAM_TYPE) == RF_STREAM_LISTENER)
		return RF_CHANNEL_LISTENER;
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

	channel->tools = tools;
	channel->kind = find_kind(channel->fd, channel->stream);
	channel->messages.has_no_peer = channel->stream & RF_STREAM_HAS_NO_PEER;
	channel->messages.is_datagram = (channel->stream & RF_STREAM_TYPE) == RF_STREAM_DATAGRAM;
	channel->reads = channel->stream & RF_STREAM_READ;
	channel->writes = channel->stream & RF_STREAM_WRITE;
	channel->may_look = channel->reads;
	channel->limit = RF_CHANNEL_AHEAD_BYTES;
	channel->write_limit = RF_CHANNEL_NO_LIMIT;
	rf_syscall(SYS_epoll_ctl, tools->epoll, EPOLL_CTL_ADD, channel->fd, &event);
}

void rf_channel_leave(struct rf_channel *channel)
{
	if (channel->fd >= 0)
		rf_ghost_pipe_shrink(channel, channel->tools);
}

/*
 * The child has shut the socket down and read all of it, and has it still, as far as we know: so have we.  If
 * ours was the last descriptor, another session that looks at the socket next would find it closed, and
 * could not tell that it was shut down before.
 */
static bool is_kept(const struct rf_channel *channel)
{
	return channel->shuts && channel->at_end && !channel->is_accepted;
}

static void close_if_done(struct rf_channel *channel)
{
	if (channel->fd < 0 || channel->writes || channel->reads || is_kept(channel))
		return;
	/* the caller has it open as well: closing alone would not end the watch */
	rf_syscall(SYS_epoll_ctl, channel->tools->epoll, EPOLL_CTL_DEL, channel->fd, NULL);
	rf_channel_leave(channel);
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
	case RF_CHANNEL_LISTENER:
		return -EPROTOTYPE; /* ghost_message.c writes those, and nobody to a listener */
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
		long put;

		if (bytes > channel->write_limit)
			bytes = channel->write_limit;
		put = write_piece(channel, channel->buffer + channel->start, bytes);
		if (put < 0) {
			rf_channel_abandon_output(channel);
			return (int)put;
		}
		channel->start = (channel->start + (uint32_t)put) % RF_CHANNEL_CREDIT_BYTES;
		channel->used -= (uint32_t)put;
		if (channel->write_limit != RF_CHANNEL_NO_LIMIT)
			channel->write_limit -= (uint32_t)put;
		if ((uint32_t)put < bytes || channel->write_limit == 0)
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

bool rf_channel_may_pass(const struct rf_channel *channel, uint32_t bytes)
{
	return channel->kind == RF_CHANNEL_PIPE && channel->writes && !channel->ends &&
	       !channel->used && bytes >= SPLICE_BYTES &&
	       bytes <= RF_CHANNEL_CREDIT_BYTES - channel->owed;
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

/* In pieces: less would cost a frame for every line that the child writes. */
uint32_t rf_channel_take_credit(struct rf_channel *channel)
{
	uint32_t credit = channel->owed;

	if (credit < RF_CREDIT_PIECE_BYTES)
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

/* A stream takes nothing of no bytes, but looks first whether it would take any (unix_stream_sendmsg(),
 * tcp_sendmsg_locked()). */
bool rf_channel_is_shut(int fd)
{
	struct msghdr nothing = { 0 };

	return rf_sys_sendmsg(fd, &nothing, MSG_NOSIGNAL | MSG_DONTWAIT) == -EPIPE;
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

/* The first `skip` bytes of a socket go where the next ones overwrite them. */
static long peek_socket(const struct rf_channel *channel, const struct rf_channel_tools *tools,
			uint32_t skip, uint32_t bytes)
{
	struct iovec iov[RF_CHANNEL_AHEAD_MAX_BYTES / RF_FRAME_MAX_BYTES + 1];
	struct msghdr message = { .msg_iov = iov };
	uint32_t new = bytes - skip;

	for (; skip; skip -= (uint32_t)iov[message.msg_iovlen++].iov_len) {
		iov[message.msg_iovlen].iov_base = tools->buffer;
		iov[message.msg_iovlen].iov_len = skip < RF_FRAME_MAX_BYTES ? skip
									    : RF_FRAME_MAX_BYTES;
	}
	iov[message.msg_iovlen++] = (struct iovec){ tools->buffer, new };
	return rf_syscall(SYS_recvmsg, channel->fd, &message, MSG_PEEK | MSG_DONTWAIT);
}

static long peek_file(const struct rf_channel *channel, const struct rf_channel_tools *tools,
		      uint32_t skip, uint32_t bytes)
{
	long position = rf_syscall(SYS_lseek, channel->fd, 0, SEEK_CUR);
	long seen;

	if (position < 0)
		return position;
	seen = rf_sys_pread(channel->fd, tools->buffer, bytes - skip, (uint64_t)position + skip);
	return seen < 0 ? seen : seen + (long)skip;
}

/* Bytes in all that the original shows, at most `bytes`; those behind the first `skip` go to the buffer, or
 * to the scratch pipe.  0 when it is empty for ever. */
static long peek(const struct rf_channel *channel, const struct rf_channel_tools *tools,
		 uint32_t skip, uint32_t bytes)
{
	switch (channel->kind) {
	case RF_CHANNEL_SOCKET:
		return peek_socket(channel, tools, skip, bytes);
	case RF_CHANNEL_PIPE:
		return rf_ghost_pipe_peek(tools, channel->fd, skip, bytes);
	case RF_CHANNEL_FILE:
		return peek_file(channel, tools, skip, bytes);
	case RF_CHANNEL_MESSAGE:
	case RF_CHANNEL_LISTENER:
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

/* What a pipe or socket holds, with what is ahead; 0 if that cannot be told. */
static uint32_t count_held(const struct rf_channel *channel)
{
	int held = 0;

	if (channel->kind != RF_CHANNEL_PIPE && channel->kind != RF_CHANNEL_SOCKET)
		return 0;
	return rf_sys_ioctl(channel->fd, FIONREAD, &held) == 0 && held > 0 ? (uint32_t)held : 0;
}

/*
 * A look passes all that is ahead.  While the child has much to read it is put off until that pays: when
 * more is there, or when the child has taken some, which the node tells as soon as it is much.
 */
static bool is_too_early(const struct rf_channel *channel)
{
	return channel->ahead >= channel->limit / 4 * 3 && channel->kind != RF_CHANNEL_FILE &&
	       !channel->is_ending && count_held(channel) < channel->ahead + channel->limit / 16;
}

/* At the end what is ahead is still to be taken. */
void rf_channel_leave_input(struct rf_channel *channel)
{
	if (!channel->at_end || channel->ahead)
		return;
	channel->reads = false;
	close_if_done(channel);
}

/* The end is behind what is ahead.  A pipe of many small buffers may hold more than the scratch pipe has
 * room to show: that comes when what is ahead has been taken. */
static long find_end(struct rf_channel *channel)
{
	if (channel->kind == RF_CHANNEL_PIPE && count_held(channel) > channel->ahead)
		return -EAGAIN;
	channel->at_end = true;
	rf_channel_leave_input(channel);
	return 0;
}

/* Copies what costs more as a splice. */
static bool leave_in_scratch(const struct rf_channel *channel, const struct rf_channel_tools *tools,
			     uint32_t bytes)
{
	if (channel->kind != RF_CHANNEL_PIPE)
		return false;
	if (bytes >= SPLICE_BYTES)
		return true;
	rf_ghost_pipe_fetch(tools, bytes);
	return false;
}

long rf_channel_look(struct rf_channel *channel, struct rf_channel_tools *tools,
		     bool *is_in_scratch)
{
	uint32_t bytes = channel->limit - channel->ahead;
	bool had_ended;
	long seen;

	channel->may_look = false;
	if (!channel->reads || channel->at_end || channel->ahead >= channel->limit ||
	    is_too_early(channel))
		return -EAGAIN;
	if (channel->kind != RF_CHANNEL_PIPE && bytes > RF_FRAME_MAX_BYTES)
		bytes = RF_FRAME_MAX_BYTES;
	had_ended = has_ended(channel); /* before the look: what came in between is seen by it */
	do
		seen = peek(channel, tools, channel->ahead, channel->ahead + bytes);
	while (seen == -EINTR);
	if (seen > (long)channel->ahead) {
		seen -= channel->ahead;
		channel->ahead += (uint32_t)seen;
		channel->may_look = true;
		*is_in_scratch = leave_in_scratch(channel, tools, (uint32_t)seen);
		return seen;
	}
	/* tee(2) also says 0 when somebody else has just emptied the pipe */
	if (!had_ended && (seen == -EAGAIN || seen > 0 || (seen == 0 && !has_ended(channel))))
		return -EAGAIN;
	return find_end(channel);
}

/* Takes at most `bytes` from the original; how many, 0 or a negative errno when there are none. */
static long take_some(struct rf_channel *channel, struct rf_channel_tools *tools, uint32_t bytes)
{
	switch (channel->kind) {
	case RF_CHANNEL_SOCKET:
		return rf_syscall(SYS_recvfrom, channel->fd, tools->buffer,
				  bytes < RF_FRAME_MAX_BYTES ? bytes : RF_FRAME_MAX_BYTES,
				  MSG_DONTWAIT, NULL, NULL);
	case RF_CHANNEL_PIPE:
		return rf_ghost_pipe_drop(tools, channel->fd, bytes);
	case RF_CHANNEL_FILE:
		return rf_syscall(SYS_lseek, channel->fd, bytes, SEEK_CUR) < 0 ? -ESPIPE
									       : (long)bytes;
	case RF_CHANNEL_MESSAGE:
	case RF_CHANNEL_LISTENER:
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

int rf_channel_set_limit(struct rf_channel *channel, struct rf_channel_tools *tools,
			 uint32_t limit_bytes)
{
	if (limit_bytes < RF_CHANNEL_AHEAD_BYTES || limit_bytes > RF_CHANNEL_AHEAD_MAX_BYTES)
		return -EBADMSG;
	channel->limit = limit_bytes;
	channel->may_look = channel->reads && !channel->at_end;
	if (channel->kind != RF_CHANNEL_PIPE || channel->fd < 0)
		return 0;
	if (limit_bytes > RF_CHANNEL_AHEAD_BYTES)
		rf_ghost_pipe_grow(channel, tools, limit_bytes);
	else
		rf_ghost_pipe_shrink(channel, tools);
	return 0;
}

void rf_channel_stop_input(struct rf_channel *channel)
{
	channel->reads = false;
	channel->may_look = false;
	channel->at_end = false; /* for the child, it is closed */
	channel->ahead = 0;
	close_if_done(channel);
}
