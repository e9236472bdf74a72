/* SPDX-License-Identifier: MIT */
/*
 * The relay of one child.  Called by session.c once the child runs.  It never blocks on
 * the connection or on a pipe, so that a ghost that does not read cannot delay its own
 * credit, the child's end or the loss of the link; and it takes from the child only what it
 * can send at once: one frame of data, or one signal, behind the news of what the child has read.
 */
#define _GNU_SOURCE
#include "server/session_relay_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/io.h"
#include "server/descendants.h"
#include "server/descriptor.h"
#include "server/handover.h"
#include "server/log.h"
#include "server/session_link.h"
#include "server/session_signals.h"
#include "server/session_terminal.h"

#define SILENCE_MS 1000
/* How soon it is looked whether the child has read what it got; twice as long each time. */
#define SAMPLE_FIRST_NS INT64_C(1000000)
#define SAMPLE_LAST_NS INT64_C(1000000000)

#define EVENTS 64
/* epoll data: the number of a channel, or one of these. */
#define EVENT_CONNECTION (UINT64_C(1) << 32)
#define EVENT_LISTENER (UINT64_C(2) << 32)
#define EVENT_URGENT (UINT64_C(3) << 32)
#define EVENT_OTHERS (UINT64_C(4) << 32)

/* One child per session; static, since its buffers are touched only as far as frames fill them. */
static struct rf_child_relay relay;

void rf_relay_lose(struct rf_child_relay *r, const char *why)
{
	if (r->phase == RF_RELAY_LOST)
		return;
	rf_log("%s: ending the child and its descendants", why);
	r->phase = RF_RELAY_LOST;
}

/* The connection fails while the ghost may still wait for something: a lost link. */
static void lose_connection(struct rf_child_relay *r, const char *why)
{
	if (r->phase == RF_RELAY_OPEN || rf_link_is_busy(&r->link))
		rf_relay_lose(r, why);
	else if (r->phase == RF_RELAY_CLOSING)
		r->phase = RF_RELAY_CLOSED;
}

/* -- from the ghost --------------------------------------------------------------------------- */

/* The child has what the originals held, and executes from now on. */
static int let_go(struct rf_child_relay *r)
{
	const char go = 0;

	if (r->child_socket < 0)
		return -EBADMSG;
	/* one that is dead will be found so */
	(void)send(r->child_socket, &go, sizeof(go), MSG_NOSIGNAL);
	rf_descriptor_close(&r->child_socket);
	return 0;
}

static int take_frame(struct rf_child_relay *r, const struct rf_frame_header *header,
		      const char *payload)
{
	struct rf_frame_signal signal;

	if (header->channel == RF_CHANNEL_TERMINAL)
		return rf_session_terminal_take(&r->terminal, header, payload);
	switch (header->type) {
	case RF_FRAME_PONG:
		return 0;
	case RF_FRAME_GO:
		return let_go(r);
	case RF_FRAME_DETACH:
		r->is_detaching = true;
		return 0;
	case RF_FRAME_SIGNAL:
		memcpy(&signal, payload, sizeof(signal));
		return rf_session_terminal_take_signal(&r->terminal, &signal);
	default:
		return rf_streams_take(r->streams, header, payload);
	}
}

static void take_frames(struct rf_child_relay *r)
{
	struct rf_frame_header header;
	size_t used = 0;
	long bytes;
	int error = 0;

	while ((bytes = rf_link_find_frame(&r->link, used, &header)) > 0 && error == 0) {
		error = take_frame(r, &header, r->link.in + used + sizeof(header));
		used += (size_t)bytes;
	}
	if (bytes < 0)
		rf_relay_lose(r, "the ghost sent a malformed frame");
	else if (error == -ENOMEM)
		rf_relay_lose(r, "no memory for what the ghost sends");
	else if (error < 0)
		rf_relay_lose(r, "the ghost broke the rules of its channels or signals");
	else
		rf_link_drop(&r->link, used);
}

static void receive(struct rf_child_relay *r)
{
	long got = rf_link_receive(&r->link);

	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		lose_connection(r, "the connection is lost");
		return;
	}
	rf_job_heard(&r->job);
	r->silence_ns = rf_io_deadline_ns(SILENCE_MS);
	r->is_ping_due = r->is_end_due = false;
	if (r->phase == RF_RELAY_OPEN)
		take_frames(r);
	else
		rf_link_drop(&r->link, r->link.received); /* nobody needs it any more */
}

/* -- events ----------------------------------------------------------------------------------- */

static void log_end(int status)
{
	if (WIFSIGNALED(status))
		rf_log("child died by signal %d", WTERMSIG(status));
	else
		rf_log("child exited with %d", WEXITSTATUS(status));
}

/* Neither the child nor any descendant is left.  Before EXITED if that is still to come: who hears of
 * the end may ask for the next child at once. */
static void take_last_end(struct rf_child_relay *r)
{
	if (r->is_over_told)
		return;
	r->is_over_told = true;
	rf_streams_snapshot(r->streams, true);
	rf_handover_tell(r->listener, RF_NEWS_OVER);
}

static void take_news(struct rf_child_relay *r, unsigned news)
{
	if (news & RF_JOB_TERMINATE)
		rf_relay_lose(r, "the server ends");
	if (news & RF_JOB_ENDED)
		rf_pty_leave(r->terminal.pty);
	if (news & RF_JOB_STOPPED) {
		rf_session_terminal_stopped(&r->terminal);
		r->is_stop_due = false;
	}
	if (news & (RF_JOB_STOPPED | RF_JOB_SIGNAL | RF_JOB_ENDED) && !r->is_left)
		rf_streams_snapshot(r->streams, false);
	if (news & RF_JOB_ENDED) {
		r->silence_ns = rf_io_deadline_ns(SILENCE_MS); /* a whole one, for is_end_due */
		rf_streams_let_go(r->streams);
		r->is_ping_due = r->job.awaits_wake;
		log_end(r->job.status);
	}
	if (r->job.has_ended && r->job.is_childless)
		take_last_end(r);
}

static void take_event(struct rf_child_relay *r, const struct epoll_event *event)
{
	if (event->data.u64 == EVENT_CONNECTION) {
		if (r->phase <= RF_RELAY_CLOSING && event->events & ~(uint32_t)EPOLLOUT)
			receive(r);
	} else if (event->data.u64 == EVENT_URGENT) {
		take_news(r, rf_job_take_urgent(&r->job));
	} else if (event->data.u64 == EVENT_OTHERS) {
		r->job.may_have_others = true;
	} else if (event->data.u64 == EVENT_LISTENER) {
		/* It sends nothing after the hand-over: this is its end. */
		rf_relay_lose(r, "the listener ended");
	} else {
		if (event->data.u64 == RF_CHANNEL_TERMINAL)
			rf_pty_event(r->terminal.pty);
		rf_streams_event(r->streams, (unsigned)event->data.u64, event->events);
	}
}

/* After bytes were written to the child, it is soon looked whether it has read them. */
static void start_sampling(struct rf_child_relay *r)
{
	int64_t soon_ns;

	if (r->streams->has_much_taken)
		r->is_sample_due = true;
	if (!r->streams->has_written)
		return;
	r->streams->has_written = false;
	r->sample_interval_ns = SAMPLE_FIRST_NS;
	soon_ns = rf_io_now_ns() + r->sample_interval_ns;
	if (soon_ns < r->sample_ns)
		r->sample_ns = soon_ns;
}

/* A second without a frame of the ghost. */
static void pass_silence(struct rf_child_relay *r)
{
	r->silence_ns = rf_io_deadline_ns(SILENCE_MS);
	rf_streams_trim(r->streams);
	rf_link_trim(&r->link);
	r->is_stop_due = true;
	r->is_end_due = r->job.has_ended;
	if (r->is_left)
		rf_streams_let_go(r->streams);
	else
		rf_streams_check_listeners(r->streams);
	if (rf_link_is_dead(&r->link))
		rf_relay_lose(r, "the other machine acknowledges nothing");
	else if (rf_job_is_silent(&r->job, rf_link_is_acknowledged(&r->link)))
		r->is_ping_due = true;
}

static void pass_deadlines(struct rf_child_relay *r)
{
	int64_t now_ns = rf_io_now_ns();

	if (now_ns >= r->sample_ns) {
		r->sample_ns = RF_NO_DEADLINE;
		r->is_sample_due = true;
		r->sample_interval_ns = r->sample_interval_ns * 2 < SAMPLE_LAST_NS
						? r->sample_interval_ns * 2
						: SAMPLE_LAST_NS;
	}
	if (r->phase == RF_RELAY_OPEN && now_ns >= r->shrink_ns) {
		r->is_sample_due = rf_streams_shrink(r->streams) || r->is_sample_due;
		r->shrink_ns = r->streams->grown_count ? rf_io_deadline_ns(RF_RELAY_SHRINK_MS)
						       : RF_NO_DEADLINE;
	}
	if (r->phase == RF_RELAY_OPEN)
		rf_session_terminal_pass(&r->terminal, now_ns);
	if (r->phase == RF_RELAY_CLOSING && now_ns >= r->close_ns)
		r->phase = RF_RELAY_CLOSED;
	if (r->phase <= RF_RELAY_CLOSING && now_ns >= r->silence_ns)
		pass_silence(r);
}

static int milliseconds_left(const struct rf_child_relay *r)
{
	int64_t next_ns = r->phase <= RF_RELAY_CLOSING ? r->silence_ns : RF_NO_DEADLINE;
	int64_t left_ns, terminal_ns;

	if (r->phase == RF_RELAY_CLOSING && r->close_ns < next_ns)
		next_ns = r->close_ns;
	if (r->phase == RF_RELAY_OPEN && r->sample_ns < next_ns)
		next_ns = r->sample_ns;
	if (r->phase == RF_RELAY_OPEN && r->shrink_ns < next_ns)
		next_ns = r->shrink_ns;
	terminal_ns = rf_session_terminal_deadline_ns(&r->terminal);
	if (r->phase == RF_RELAY_OPEN && terminal_ns < next_ns)
		next_ns = terminal_ns;
	if (next_ns == RF_NO_DEADLINE)
		return -1;
	left_ns = next_ns - rf_io_now_ns();
	return left_ns <= 0 ? 0 : (int)((left_ns + 999999) / 1000000);
}

static int watch(const struct rf_child_relay *r, int operation, int fd, uint64_t name,
		 uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = name };

	return epoll_ctl(r->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

/* Room in the connection is of interest only while something waits for it. */
static int watch_connection(struct rf_child_relay *r)
{
	uint32_t events = EPOLLIN | (rf_link_is_busy(&r->link) ? (uint32_t)EPOLLOUT : 0);
	int operation = r->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (r->phase > RF_RELAY_CLOSING || events == r->watched)
		return 0;
	r->watched = events;
	return watch(r, operation, r->link.fd, EVENT_CONNECTION, events);
}

static void wait_for_events(struct rf_child_relay *r)
{
	struct epoll_event events[EVENTS];
	int ready = -1;

	if (watch_connection(r) == 0)
		ready = epoll_wait(r->epoll, events, EVENTS, milliseconds_left(r));
	if (ready < 0 && errno != EINTR) {
		rf_relay_lose(r, "waiting for events failed");
		return;
	}
	for (int i = 0; i < ready; i++)
		take_event(r, &events[i]);
	start_sampling(r);
	pass_deadlines(r);
}

/* -- the whole ------------------------------------------------------------------------------- */

static int open_relay(struct rf_child_relay *r, const struct rf_session_relay *setup)
{
	int error;

	r->listener = setup->listener;
	r->child_socket = setup->child_socket;
	r->streams = setup->streams;
	r->terminal = (struct rf_session_terminal){
		.pty = setup->pty, .link = &r->link, .job = &r->job, .streams = r->streams
	};
	r->sample_ns = r->shrink_ns = r->close_ns = RF_NO_DEADLINE;
	r->silence_ns = rf_io_deadline_ns(SILENCE_MS);
	rf_link_open(&r->link, setup->connection, setup->dead_after_s);
	error = rf_job_open(&r->job, setup->child, setup->listener_pid, setup->signals);
	if (error < 0)
		return error;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		return -errno;
	error = watch(r, EPOLL_CTL_ADD, r->listener, EVENT_LISTENER, EPOLLIN);
	if (error == 0)
		error = watch(r, EPOLL_CTL_ADD, r->job.urgent, EVENT_URGENT, EPOLLIN);
	if (error == 0)
		error = watch(r, EPOLL_CTL_ADD, r->job.others, EVENT_OTHERS, EPOLLIN | EPOLLET);
	return error < 0 ? error : rf_streams_watch(r->streams, r->epoll);
}

static bool is_over(const struct rf_child_relay *r)
{
	return r->phase == RF_RELAY_LOST || (r->phase == RF_RELAY_CLOSED && r->job.is_childless);
}

void rf_session_relay(const struct rf_session_relay *setup)
{
	struct rf_child_relay *r = &relay;

	if (open_relay(r, setup) < 0)
		rf_relay_lose(r, "the relay cannot start");
	/* a signal that the session has taken already may have meant the child */
	take_news(r, rf_job_reap(&r->job));
	while (!is_over(r)) {
		rf_relay_send(r);
		if (r->phase == RF_RELAY_CLOSED)
			rf_link_close(&r->link);
		if (!is_over(r))
			wait_for_events(r);
	}
	rf_streams_close(r->streams);
	rf_pty_close(r->terminal.pty);
	if (r->phase == RF_RELAY_LOST &&
	    rf_descendants_end(r->job.has_ended ? 0 : r->job.child) < 0) {
		/* The listener does it: our end by a signal makes it look for orphans. */
		rf_log("descendants cannot be listed");
		raise(SIGKILL);
	}
	rf_link_close(&r->link);
	rf_job_close(&r->job);
	rf_descriptor_close(&r->epoll);
	rf_descriptor_close(&r->child_socket);
}
