/* SPDX-License-Identifier: MIT */
/*
 * The relay of one child.  Called by session.c once the child runs.  It never blocks on
 * the connection or on a pipe, so that a ghost that does not read cannot delay its own
 * credit, the child's end or the loss of the link; and it takes from a pipe only what it has
 * credit for, one frame at a time, so that it holds at most 64 KiB.
 */
#define _GNU_SOURCE
#include "server/session_relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/protocol.h"
#include "server/descendants.h"
#include "server/descriptor.h"
#include "server/handover.h"
#include "server/log.h"

#define CREDIT_LIMIT_BYTES 0x7fffffffu
#define CLOSE_TIMEOUT_MS 2000

struct channel {
	int fd; /* read end of the child's pipe; -1 once closed */
	uint32_t credit_bytes;
	uint32_t left_bytes; /* after the child's end: what was in the pipe then */
	bool ended;	     /* EOF is sent, or in the buffer */
};

enum phase {
	PHASE_RELAYING, /* until EXITED is in the buffer */
	PHASE_CLOSING,	/* EXITED is on its way, then the ghost's close */
	PHASE_CLOSED,	/* only descendants are left */
	PHASE_LOST,	/* the link, the listener or the session itself is to end: kill all */
};

struct relay {
	enum phase phase;
	int connection;
	int listener; /* the channel to it */
	int signals;
	pid_t child;
	bool child_ended;
	bool childless; /* no descendant is left */
	int status;
	int64_t close_deadline_ns;
	unsigned turn; /* which channel goes first: neither starves the other */
	struct channel channels[RF_CHANNELS];
	size_t received;      /* bytes in `in` */
	size_t pending, sent; /* bytes in `out`, and how many of them have gone */
	char in[512];
	struct {
		struct rf_frame_header header;
		char payload[RF_FRAME_MAX_BYTES];
	} out;
};

/* One child per session; static, since its 64 KiB are touched only as far as frames fill them. */
static struct relay relay;

static void lose(struct relay *r, const char *why)
{
	if (r->phase == PHASE_LOST)
		return;
	rf_log("%s: ending the child and its descendants", why);
	r->phase = PHASE_LOST;
}

/* The connection fails while the ghost may still wait for something: a lost link. */
static void lose_connection(struct relay *r, const char *why)
{
	if (r->phase == PHASE_RELAYING || r->pending)
		lose(r, why);
	else if (r->phase == PHASE_CLOSING)
		r->phase = PHASE_CLOSED;
}

static void put_frame(struct relay *r, enum rf_frame_type type, unsigned channel, size_t bytes)
{
	r->out.header = (struct rf_frame_header){ .type = (uint8_t)type,
						  .channel = (uint16_t)channel,
						  .length_bytes = (uint32_t)bytes };
	r->pending = sizeof(r->out.header) + bytes;
	r->sent = 0;
}

/* Sends what is in the buffer as far as the connection takes it. */
static void flush_frame(struct relay *r)
{
	while (r->pending) {
		ssize_t sent = send(r->connection, (const char *)&r->out + r->sent,
				    r->pending - r->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0) {
			lose(r, "the connection is lost");
			return;
		}
		r->sent += (size_t)sent;
		if (r->sent == r->pending)
			r->pending = 0;
	}
}

static void end_channel(struct relay *r, unsigned number)
{
	struct channel *channel = &r->channels[number];

	rf_descriptor_close(&channel->fd);
	channel->ended = true;
	put_frame(r, RF_FRAME_EOF, number, 0);
}

/* Puts data or the end of a channel into the empty buffer; false if there is neither. */
static bool produce_data(struct relay *r, unsigned number)
{
	struct channel *channel = &r->channels[number];
	size_t bytes = RF_FRAME_MAX_BYTES;
	ssize_t got;

	if (channel->ended)
		return false;
	if (channel->fd < 0 || (r->child_ended && channel->left_bytes == 0)) {
		end_channel(r, number);
		return true;
	}
	if (bytes > channel->credit_bytes)
		bytes = channel->credit_bytes;
	if (r->child_ended && bytes > channel->left_bytes)
		bytes = channel->left_bytes;
	if (bytes == 0)
		return false;
	got = read(channel->fd, r->out.payload, bytes);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		/* After the child's end someone else may have read what it left. */
		if (errno == EAGAIN && r->child_ended)
			channel->left_bytes = 0;
		return errno == EAGAIN && r->child_ended ? produce_data(r, number) : false;
	}
	if (got <= 0) {
		end_channel(r, number);
		return true;
	}
	channel->credit_bytes -= (uint32_t)got;
	if (r->child_ended)
		channel->left_bytes -= (uint32_t)got;
	put_frame(r, RF_FRAME_DATA, number, (size_t)got);
	return true;
}

static void produce_exit(struct relay *r)
{
	struct rf_frame_exited exited = { .status = (uint32_t)r->status };

	memcpy(r->out.payload, &exited, sizeof(exited));
	put_frame(r, RF_FRAME_EXITED, 0, sizeof(exited));
	r->phase = PHASE_CLOSING;
}

/* Puts the next frame into the empty buffer; false if there is nothing to send now. */
static bool produce_frame(struct relay *r)
{
	bool all_ended = true;

	if (r->phase != PHASE_RELAYING)
		return false;
	r->turn++;
	for (unsigned i = 1; i < RF_CHANNELS; i++) {
		unsigned number = 1 + (r->turn + i) % (RF_CHANNELS - 1);

		if (produce_data(r, number))
			return true;
		all_ended = all_ended && r->channels[number].ended;
	}
	if (!all_ended || !r->child_ended)
		return false;
	produce_exit(r);
	return true;
}

static void send_frames(struct relay *r)
{
	do
		flush_frame(r);
	while (!r->pending && produce_frame(r));
	if (r->phase == PHASE_CLOSING && !r->pending && r->close_deadline_ns == RF_NO_DEADLINE) {
		shutdown(r->connection, SHUT_WR);
		r->close_deadline_ns = rf_io_deadline_ns(CLOSE_TIMEOUT_MS);
	}
}

static bool take_window(struct channel *channel, uint32_t credit_bytes)
{
	if (credit_bytes > CREDIT_LIMIT_BYTES - channel->credit_bytes)
		return false;
	channel->credit_bytes += credit_bytes;
	return true;
}

/* Nobody reads the channel at home any more: the child is to get SIGPIPE or EPIPE. */
static void abandon_channel(struct channel *channel)
{
	rf_descriptor_close(&channel->fd);
	channel->ended = true;
}

/* Takes the frame at the start of `in`; its length, 0 if it is not complete, or -EBADMSG.  WINDOW
 * and EOF are all that a ghost may send. */
static long take_frame(struct relay *r, const char *in, size_t bytes)
{
	struct rf_frame_header header;
	struct rf_frame_window window;

	if (bytes < sizeof(header))
		return 0;
	memcpy(&header, in, sizeof(header));
	if (header.flags || header.channel >= RF_CHANNELS)
		return -EBADMSG;
	if (header.type == RF_FRAME_EOF && header.length_bytes == 0) {
		abandon_channel(&r->channels[header.channel]);
		return sizeof(header);
	}
	if (header.type != RF_FRAME_WINDOW || header.length_bytes != sizeof(window))
		return -EBADMSG;
	if (bytes < sizeof(header) + sizeof(window))
		return 0;
	memcpy(&window, in + sizeof(header), sizeof(window));
	if (!take_window(&r->channels[header.channel], window.credit_bytes))
		return -EBADMSG;
	return sizeof(header) + sizeof(window);
}

static void take_frames(struct relay *r)
{
	size_t used = 0;
	long taken;

	while ((taken = take_frame(r, r->in + used, r->received - used)) > 0)
		used += (size_t)taken;
	if (taken < 0) {
		lose(r, "the ghost sent a malformed frame");
		return;
	}
	r->received -= used;
	memmove(r->in, r->in + used, r->received);
}

static void receive_frames(struct relay *r)
{
	ssize_t got =
		recv(r->connection, r->in + r->received, sizeof(r->in) - r->received, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		lose_connection(r, "the connection is lost");
		return;
	}
	if (r->phase != PHASE_RELAYING)
		return; /* credit that nobody needs any more */
	r->received += (size_t)got;
	take_frames(r);
}

static void child_ended(struct relay *r, int status)
{
	r->child_ended = true;
	r->status = status;
	for (unsigned i = 1; i < RF_CHANNELS; i++) {
		int bytes = 0;

		if (r->channels[i].fd >= 0 && ioctl(r->channels[i].fd, FIONREAD, &bytes) == 0)
			r->channels[i].left_bytes = (uint32_t)bytes;
	}
	if (WIFSIGNALED(status))
		rf_log("child died by signal %d", WTERMSIG(status));
	else
		rf_log("child exited with %d", WEXITSTATUS(status));
	/* Before EXITED: who hears of the end may ask for the next child at once. */
	rf_handover_tell(r->listener, RF_NEWS_OVER);
}

static void reap(struct relay *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == r->child)
			child_ended(r, status);
	r->childless = pid < 0 && errno == ECHILD;
}

static void take_signals(struct relay *r)
{
	struct signalfd_siginfo info;

	while (read(r->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGTERM)
			lose(r, "the server ends");
	reap(r);
}

static int milliseconds_left(const struct relay *r)
{
	int64_t left_ns;

	if (r->phase != PHASE_CLOSING || r->close_deadline_ns == RF_NO_DEADLINE)
		return -1;
	left_ns = r->close_deadline_ns - rf_io_now_ns();
	return left_ns <= 0 ? 0 : (int)(left_ns / 1000000) + 1;
}

/* A pipe is watched only while what it holds could be sent; poll reports its hang-up always. */
static int watched_pipe(const struct relay *r, unsigned number)
{
	const struct channel *channel = &r->channels[number];

	return r->pending || r->child_ended || !channel->credit_bytes ? -1 : channel->fd;
}

static void wait_for_events(struct relay *r)
{
	struct pollfd polled[] = {
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = r->listener, .events = POLLIN },
		{ .fd = r->connection, .events = (short)(POLLIN | (r->pending ? POLLOUT : 0)) },
		{ .fd = watched_pipe(r, 1), .events = POLLIN },
		{ .fd = watched_pipe(r, 2), .events = POLLIN },
	};
	int ready = poll(polled, sizeof(polled) / sizeof(polled[0]), milliseconds_left(r));

	if (ready < 0 && errno != EINTR) {
		lose(r, "waiting for events failed");
		return;
	}
	if (ready == 0 && r->phase == PHASE_CLOSING)
		r->phase = PHASE_CLOSED;
	if (ready <= 0)
		return;
	if (polled[2].revents & ~POLLOUT)
		receive_frames(r);
	if (polled[0].revents)
		take_signals(r);
	/* The listener sends nothing after the hand-over: this is its end. */
	if (polled[1].revents)
		lose(r, "the listener ended");
}

void rf_session_relay(int connection, int channel, int signals, struct rf_shell *shell)
{
	struct relay *r = &relay;

	r->connection = connection;
	r->listener = channel;
	r->signals = signals;
	r->child = shell->pid;
	r->close_deadline_ns = RF_NO_DEADLINE;
	for (unsigned i = 0; i < RF_CHANNELS; i++) {
		r->channels[i].fd = shell->output[i];
		r->channels[i].credit_bytes = RF_CHANNEL_CREDIT_BYTES;
		shell->output[i] = -1;
	}
	reap(r); /* a signal that the session has taken already may have meant the child */
	while (r->phase != PHASE_LOST && !(r->phase == PHASE_CLOSED && r->childless)) {
		send_frames(r);
		if (r->phase == PHASE_CLOSED)
			rf_descriptor_close(&r->connection);
		if (r->phase != PHASE_LOST && !(r->phase == PHASE_CLOSED && r->childless))
			wait_for_events(r);
	}
	if (r->phase == PHASE_LOST && rf_descendants_end(r->child_ended ? 0 : r->child) < 0) {
		/* The listener does it: our end by a signal makes it look for orphans. */
		rf_log("descendants cannot be listed");
		raise(SIGKILL);
	}
	rf_descriptor_close(&r->connection);
}
