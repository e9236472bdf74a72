/* SPDX-License-Identifier: MIT */
/*
 * The loop of a ghost: frames of the node, signals, and what happens at the originals.
 * Called by ghost.c once the child runs; uses system calls only.  It waits for nobody but the
 * node, which always reads.
 */
#define _GNU_SOURCE
#include "rfork/ghost_relay.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "rfork/frame.h"
#include "rfork/ghost_accept.h"
#include "rfork/ghost_signals.h"
#include "rfork/ghost_streams.h"
#include "rfork/io.h"
#include "rfork/sys.h"

#define EVENTS 64
#define FRAMES_AT_ONCE 64
#define EVENT_CONNECTION (UINT64_C(1) << 32)
#define EVENT_SIGNALS (UINT64_C(1) << 33)

void rf_ghost_complain(const struct rf_relay *relay, const char *sentence)
{
	char line[sizeof(((struct rf_report *)0)->sentence) + 8];
	size_t bytes = rf_format(line, sizeof(line), "%s\n", sentence);
	int fd = relay->error_channel < relay->channel_count
			 ? relay->channels[relay->error_channel].fd
			 : -1;

	/* less than PIPE_BUF: what is ready takes it whole */
	if (fd >= 0 && rf_io_wait(fd, POLLOUT, rf_io_now_ns()) == 0)
		rf_io_write_full(fd, line, bytes, RF_NO_DEADLINE);
}

/* -- the terminal ----------------------------------------------------------------------------- */

static struct rf_channel *terminal_channel(struct rf_relay *relay)
{
	return &relay->channels[RF_CHANNEL_TERMINAL];
}

/* Sets the mode that the child wants, and sends what is typed and what has changed. */
static void serve_terminal(struct rf_relay *relay)
{
	struct rf_ghost_terminal_news news;

	while (rf_ghost_terminal_next(&relay->terminal, terminal_channel(relay)->fd,
				      relay->tools.buffer, &news))
		rf_ghost_link_send(&relay->link, news.type, RF_CHANNEL_TERMINAL, news.payload,
				   news.bytes);
}

static void check_broken(int result)
{
	if (result < 0)
		rf_ghost_link_lose(); /* the node breaks the rules */
}

static void take_mode(struct rf_relay *relay)
{
	struct rf_frame_mode mode;

	rf_ghost_link_read(&relay->link, &mode, sizeof(mode));
	check_broken(rf_ghost_terminal_take_mode(&relay->terminal, terminal_channel(relay)->fd,
						 terminal_channel(relay)->used, &mode));
}

static void take_ask(struct rf_relay *relay)
{
	struct rf_frame_ask ask;

	rf_ghost_link_read(&relay->link, &ask, sizeof(ask));
	check_broken(
		rf_ghost_terminal_take_ask(&relay->terminal, terminal_channel(relay)->fd, &ask));
}

/* An event at an original. */
static void take_event(struct rf_relay *relay, uint32_t number, uint32_t events)
{
	struct rf_channel *channel = &relay->channels[number];

	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		channel->is_ending = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		channel->may_look = channel->reads && !channel->at_end;
	if (number == RF_CHANNEL_TERMINAL)
		relay->terminal.may_look = true;
	if (channel->used) {
		rf_ghost_streams_flush(relay, number);
	} else if (channel->writes && rf_channel_has_no_reader(channel, events)) {
		rf_channel_end_output(channel, false);
		rf_ghost_link_send(&relay->link, RF_FRAME_NO_READER, number, NULL, 0);
	}
}

/* -- signals ---------------------------------------------------------------------------------- */

/* Continued: the node hears first what has become of the terminal, then of the signal. */
static void go_on(struct rf_relay *relay)
{
	relay->stopped = 0;
	rf_ghost_terminal_continue(&relay->terminal);
	serve_terminal(relay);
}

/* The terminal of the child has its own SIGWINCH. */
static bool is_new_size(const struct rf_relay *relay, const struct rf_frame_signal *signal)
{
	return signal->signal == SIGWINCH && signal->code == SI_KERNEL && relay->terminal.is_open;
}

static void forward_signals(struct rf_relay *relay)
{
	struct rf_frame_signal signal;

	while (rf_ghost_read_signal(relay->signals, &signal)) {
		if (signal.signal == SIGCONT)
			go_on(relay);
		if (is_new_size(relay, &signal)) {
			relay->terminal.must_tell = true;
			continue;
		}
		rf_ghost_link_send(&relay->link, RF_FRAME_SIGNAL, 0, &signal, sizeof(signal));
	}
}

static void take_signal(struct rf_relay *relay)
{
	struct rf_frame_signal signal;

	rf_ghost_link_read(&relay->link, &signal, sizeof(signal));
	if (rf_ghost_send_signal(relay->caller, &signal) < 0)
		rf_ghost_link_lose();
}

static void take_stop(struct rf_relay *relay)
{
	struct rf_frame_stopped stopped;

	rf_ghost_link_read(&relay->link, &stopped, sizeof(stopped));
	if (stopped.signal != SIGSTOP && stopped.signal != SIGTSTP && stopped.signal != SIGTTIN &&
	    stopped.signal != SIGTTOU)
		rf_ghost_link_lose();
	relay->stopped = stopped.signal;
	relay->held = SIZE_MAX; /* patience begins with the first look */
}

/*
 * Whether a reader still takes what the child had written before it stopped: at home it would have
 * stopped only then, and nobody could have the rest from a ghost that is stopped.  But a reader
 * that is stopped with the whole job takes nothing, and is not waited for.
 */
static bool is_being_read(struct rf_relay *relay)
{
	size_t held = 0;

	for (uint32_t number = 0; number < relay->channel_count; number++) {
		rf_ghost_streams_flush(relay, number);
		held += relay->channels[number].used;
	}
	if (held < relay->held)
		relay->stop_ns = rf_io_deadline_ns(RF_GHOST_PATIENCE_MS);
	relay->held = held;
	return held && rf_io_now_ns() < relay->stop_ns;
}

/* Stops as the child has: again, too, after a frame that was not about that. */
static void stop(struct rf_relay *relay)
{
	const struct rf_frame_signal continued = { .signal = SIGCONT };

	if (is_being_read(relay))
		return;
	forward_signals(relay);
	if (!relay->stopped)
		return;
	serve_terminal(relay);
	rf_ghost_terminal_stop(&relay->terminal);
	if (!rf_ghost_stop(relay->link.connection, relay->stopped))
		return;
	go_on(relay);
	rf_ghost_link_send(&relay->link, RF_FRAME_SIGNAL, 0, &continued, sizeof(continued));
}

/* -- the end ---------------------------------------------------------------------------------- */

/* An exit with a code, or a signal that ends processes: what waitpid() says of an end. */
static bool is_end(uint32_t status)
{
	unsigned signal = WTERMSIG(status);

	if (WIFEXITED(status))
		return (status & ~0xff00u) == 0;
	return WIFSIGNALED(status) && (status & ~0xffu) == 0 && signal <= 64 && signal != SIGSTOP &&
	       signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU && signal != SIGCONT;
}

/*
 * Somebody has to end now, as the child has; and somebody to go on, for the descendants that hold its
 * streams: an orphan, as they are.  True in the latter.
 */
static bool stay_behind(struct rf_relay *relay)
{
	struct rf_report report = { 0 };
	long pid = rf_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid < 0) {
		rf_report(&report, (int)-pid,
			  "rfork: what the remote child has left running is ended, fork: %m");
		rf_ghost_complain(relay, report.sentence);
	}
	if (pid != 0)
		return false;
	rf_syscall(SYS_epoll_ctl, relay->tools.epoll, EPOLL_CTL_DEL, relay->signals, NULL);
	rf_sys_close(relay->signals);
	rf_ghost_release_signals();
	relay->is_left = true;
	rf_ghost_streams_settle(relay);
	relay->stopped = 0;
	relay->terminal.is_open = false; /* the terminal is the caller's again, but for output */
	return true;
}

/* Writes out what is left, then ends as the child did.  Returns in the process that stays, if any. */
static void finish(struct rf_relay *relay, bool stays)
{
	struct rf_frame_exited exited;

	rf_ghost_link_read(&relay->link, &exited, sizeof(exited));
	if (!is_end(exited.status))
		rf_ghost_link_lose();
	if (!stays)
		rf_ghost_streams_leave(relay);
	rf_ghost_streams_flush_all(relay, false);
	if ((stays || rf_ghost_streams_have_rest(relay)) && stay_behind(relay))
		return;
	if (WIFSIGNALED(exited.status))
		rf_ghost_die(WTERMSIG(exited.status));
	rf_sys_exit(WEXITSTATUS(exited.status));
}

/* -- the loop --------------------------------------------------------------------------------- */

static uint32_t length_of(enum rf_frame_type type)
{
	switch (type) {
	case RF_FRAME_CONSUMED:
		return sizeof(struct rf_frame_consumed);
	case RF_FRAME_AHEAD:
		return sizeof(struct rf_frame_ahead);
	case RF_FRAME_CONNECTION:
		return sizeof(struct rf_frame_connection);
	case RF_FRAME_SIGNAL:
		return sizeof(struct rf_frame_signal);
	case RF_FRAME_STOPPED:
		return sizeof(struct rf_frame_stopped);
	case RF_FRAME_EXITED:
		return sizeof(struct rf_frame_exited);
	case RF_FRAME_MODE:
		return sizeof(struct rf_frame_mode);
	case RF_FRAME_ASK:
		return sizeof(struct rf_frame_ask);
	default:
		return 0;
	}
}

/* Without a child there is only what its descendants do with the streams. */
static bool is_of_a_child(enum rf_frame_type type)
{
	return type == RF_FRAME_SIGNAL || type == RF_FRAME_STOPPED || type == RF_FRAME_CONTINUED ||
	       type == RF_FRAME_EXITED;
}

static void take_connection(struct rf_relay *relay, uint32_t listener)
{
	struct rf_frame_connection connection;

	rf_ghost_link_read(&relay->link, &connection, sizeof(connection));
	if (rf_accept_take(relay, listener, connection.channel) < 0)
		rf_ghost_link_lose();
}

/* Which flags a frame may have. */
static unsigned flags_of(enum rf_frame_type type)
{
	switch (type) {
	case RF_FRAME_EOF:
		return RF_EOF_SHUTDOWN;
	case RF_FRAME_MESSAGE:
		return RF_MESSAGE_MORE;
	case RF_FRAME_EXITED:
		return RF_EXITED_STAYS;
	default:
		return 0;
	}
}

static void take_frame(struct rf_relay *relay)
{
	struct rf_frame_header header;
	struct rf_channel *channel;

	if (relay->is_left && rf_ghost_link_has_ended(&relay->link)) {
		rf_ghost_streams_leave(relay);
		rf_ghost_streams_flush_all(relay, true);
		rf_sys_exit(0); /* nobody on the node holds a stream any more */
	}
	rf_ghost_link_read(&relay->link, &header, sizeof(header));
	if (header.flags & ~flags_of(header.type) ||
	    (relay->is_left && is_of_a_child(header.type)) ||
	    (header.type != RF_FRAME_DATA && header.type != RF_FRAME_MESSAGE &&
	     header.length_bytes != length_of(header.type)))
		rf_ghost_link_lose();
	if (header.channel != RF_CHANNEL_TERMINAL && header.type >= RF_FRAME_MODE &&
	    header.type <= RF_FRAME_TAKE)
		rf_ghost_link_lose();
	channel = header.channel < relay->channel_count ? &relay->channels[header.channel] : NULL;
	switch (header.type) {
	case RF_FRAME_DATA:
	case RF_FRAME_MESSAGE:
		rf_ghost_streams_take_data(relay, &header);
		return;
	case RF_FRAME_EOF:
		/* the terminal is closed with the ghost: its mode may be set after its last output */
		if (channel && header.channel != RF_CHANNEL_TERMINAL)
			rf_channel_end_output(channel, header.flags & RF_EOF_SHUTDOWN);
		return;
	case RF_FRAME_NO_READER:
		if (channel)
			rf_channel_stop_input(channel);
		return;
	case RF_FRAME_CONSUMED:
		rf_ghost_streams_consume(relay, header.channel);
		return;
	case RF_FRAME_AHEAD:
		rf_ghost_streams_take_limit(relay, header.channel);
		return;
	case RF_FRAME_CONNECTION:
		take_connection(relay, header.channel);
		return;
	case RF_FRAME_SIGNAL:
		take_signal(relay);
		return;
	case RF_FRAME_STOPPED:
		take_stop(relay);
		return;
	case RF_FRAME_CONTINUED:
		go_on(relay); /* it woke us, if we had stopped */
		return;
	case RF_FRAME_MODE:
		take_mode(relay);
		return;
	case RF_FRAME_ASK:
		take_ask(relay);
		return;
	case RF_FRAME_TAKE:
		rf_ghost_terminal_take_take(&relay->terminal);
		return;
	case RF_FRAME_PING:
		rf_ghost_terminal_check(&relay->terminal, terminal_channel(relay)->fd);
		rf_ghost_link_send(&relay->link, RF_FRAME_PONG, 0, NULL, 0);
		return;
	case RF_FRAME_EXITED:
		finish(relay, header.flags & RF_EXITED_STAYS);
		return;
	default:
		rf_ghost_link_lose();
	}
}

/* At least one, and more of those that came with it, but others want their turn. */
static void take_frames(struct rf_relay *relay)
{
	int taken = 0;

	do
		take_frame(relay);
	while (++taken < FRAMES_AT_ONCE && rf_ghost_link_has_more(&relay->link));
}

static int watch(struct rf_relay *relay, int fd, uint64_t name)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = name };

	return (int)rf_syscall(SYS_epoll_ctl, relay->tools.epoll, EPOLL_CTL_ADD, fd, &event);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		rf_sys_close(*fd);
	*fd = -1;
}

void rf_ghost_close_relay(struct rf_relay *relay)
{
	close_fd(&relay->signals);
	close_fd(&relay->tools.epoll);
	close_fd(&relay->tools.scratch[0]);
	close_fd(&relay->tools.scratch[1]);
	close_fd(&relay->tools.null);
	close_fd(&terminal_channel(relay)->fd);
}

int rf_ghost_prepare_relay(struct rf_relay *relay)
{
	int error;

	relay->signals = rf_ghost_open_signals();
	relay->tools.epoll = (int)rf_syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
	if (relay->signals < 0 || relay->tools.epoll < 0)
		return relay->signals < 0 ? relay->signals : relay->tools.epoll;
	for (uint32_t number = 0; number < relay->channel_count; number++)
		if (relay->channels[number].stream == (RF_STREAM_PIPE | RF_STREAM_READ) &&
		    relay->tools.scratch[0] < 0) {
			error = rf_channel_prepare(&relay->tools);
			if (error < 0)
				return error;
		}
	error = watch(relay, relay->link.connection, EVENT_CONNECTION);
	return error < 0 ? error : watch(relay, relay->signals, EVENT_SIGNALS);
}

/* How long to wait for events: for ever, but for a link that may be lost, or a stop that waits. */
static int find_timeout(struct rf_relay *relay)
{
	if (relay->stopped)
		return RF_GHOST_PATIENCE_MS;
	for (uint32_t number = 0; number < relay->channel_count; number++)
		rf_channel_rest(&relay->channels[number]);
	return rf_ghost_link_timeout_ms(&relay->link);
}

/* One turn of the loop: each original, each event, and some frames. */
static void take_turn(struct rf_relay *relay)
{
	struct epoll_event events[EVENTS];
	bool has_frames = rf_ghost_link_has_input(&relay->link);
	int timeout_ms;
	long count;

	if (relay->stopped && !has_frames)
		stop(relay);
	serve_terminal(relay);
	timeout_ms = rf_ghost_streams_look(relay) || has_frames ? 0 : find_timeout(relay);
	count = rf_syscall(SYS_epoll_pwait, relay->tools.epoll, events, EVENTS, timeout_ms, NULL,
			   0);
	if (count == 0 && timeout_ms)
		rf_ghost_link_check(&relay->link);
	for (long i = 0; i < count; i++) {
		if (events[i].data.u64 == EVENT_CONNECTION)
			has_frames = true;
		else if (events[i].data.u64 == EVENT_SIGNALS)
			forward_signals(relay);
		else
			take_event(relay, (uint32_t)events[i].data.u64, events[i].events);
	}
	if (has_frames)
		take_frames(relay);
	rf_accept_tell_closed(relay);
}

/* Whatever a local child would find there at once is to be on the node before the child executes. */
static void show_what_is_there(struct rf_relay *relay)
{
	struct epoll_event events[EVENTS];
	long count;

	do {
		count = rf_syscall(SYS_epoll_pwait, relay->tools.epoll, events, EVENTS, 0, NULL, 0);
		for (long i = 0; i < count; i++)
			if (events[i].data.u64 < EVENT_CONNECTION)
				take_event(relay, (uint32_t)events[i].data.u64, events[i].events);
	} while (count == EVENTS);
	for (uint32_t number = 0; number < relay->channel_count; number++)
		if (relay->channels[number].kind == RF_CHANNEL_SOCKET &&
		    relay->channels[number].writes &&
		    rf_channel_is_shut(relay->channels[number].fd))
			take_event(relay, number, EPOLLHUP);
	while (rf_ghost_streams_look(relay))
		;
	rf_ghost_link_send(&relay->link, RF_FRAME_GO, 0, NULL, 0);
}

_Noreturn void rf_ghost_relay(struct rf_relay *relay)
{
	long flags = rf_syscall(SYS_fcntl, relay->link.connection, F_GETFL);

	/* splice(2) knows no other way not to wait */
	rf_syscall(SYS_fcntl, relay->link.connection, F_SETFL, flags | O_NONBLOCK);
	rf_accept_prepare(relay);
	for (uint32_t number = 0; number < relay->channel_count; number++)
		if (relay->channels[number].fd >= 0)
			rf_channel_open(&relay->channels[number], &relay->tools, number);
	if (relay->is_expected)
		show_what_is_there(relay);
	for (;;)
		take_turn(relay);
}
