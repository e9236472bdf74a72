/* SPDX-License-Identifier: MIT */
/*
 * The relay of one child.  Called by session.c once the child runs.  It never blocks on
 * the connection or on a pipe, so that a ghost that does not read cannot delay its own
 * credit, the child's end or the loss of the link; and it takes from the child only what it
 * can send at once: one frame of data, or one signal, behind the news of what the child has read.
 */
#define _GNU_SOURCE
#include "server/session_relay.h"

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

#define CLOSE_TIMEOUT_MS 2000
#define SILENCE_MS 1000
/* How long a stream keeps a large window that it does not need: once to twice this time. */
#define SHRINK_MS 1000
/* How soon it is looked whether the child has read what it got; twice as long each time. */
#define SAMPLE_FIRST_NS INT64_C(1000000)
#define SAMPLE_LAST_NS INT64_C(1000000000)

#define EVENTS 64
/* epoll data: the number of a channel, or one of these. */
#define EVENT_CONNECTION (UINT64_C(1) << 32)
#define EVENT_LISTENER (UINT64_C(2) << 32)
#define EVENT_URGENT (UINT64_C(3) << 32)
#define EVENT_OTHERS (UINT64_C(4) << 32)

enum phase {
	PHASE_RELAYING, /* until EXITED is in the batch */
	PHASE_CLOSING,	/* EXITED is on its way, then the ghost's close */
	PHASE_CLOSED,	/* only descendants are left, or a detached child */
	PHASE_LOST,	/* the link, the listener or the session itself is to end: kill all */
};

struct relay {
	enum phase phase;
	int epoll;
	int listener;
	int child_socket; /* -1: the child runs */
	uint32_t watched; /* events of the connection */
	struct rf_link link;
	struct rf_job job;
	struct rf_streams *streams;
	struct rf_session_terminal terminal;
	bool is_sample_due; /* CONSUMED is to be sent, if there is any */
	bool is_ping_due;
	bool is_stop_due;   /* nobody reads what the child wrote before it stopped */
	bool is_detaching;  /* DETACHED is to be sent, and then nothing more */
	bool is_detached;   /* it was */
	bool is_end_due;    /* the child has ended, and nobody reads what it has left at home */
	bool is_left;	    /* EXITED is told, and descendants still hold channels */
	bool is_over_told;  /* the listener knows that nobody is left */
	int64_t silence_ns; /* deadlines: nothing has come for a second */
	int64_t sample_ns;
	int64_t sample_interval_ns;
	int64_t shrink_ns; /* some stream has a large window */
	int64_t close_ns;
};

/* One child per session; static, since its buffers are touched only as far as frames fill them. */
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
	if (r->phase == PHASE_RELAYING || rf_link_is_busy(&r->link))
		lose(r, why);
	else if (r->phase == PHASE_CLOSING)
		r->phase = PHASE_CLOSED;
}

/* -- to the ghost ----------------------------------------------------------------------------- */

static void put_news(void *argument, unsigned channel, const struct rf_stream_news *news)
{
	struct relay *r = argument;
	struct rf_frame_consumed consumed = { .count_bytes = news->taken_bytes };
	struct rf_frame_ahead ahead = { .limit_bytes = news->limit_bytes };
	struct rf_frame_connection connection = { .channel = news->accepted };

	if (connection.channel)
		rf_link_put(&r->link, RF_FRAME_CONNECTION, 0, channel, &connection,
			    sizeof(connection));
	else if (consumed.count_bytes)
		rf_link_put(&r->link, RF_FRAME_CONSUMED, 0, channel, &consumed, sizeof(consumed));
	if (ahead.limit_bytes)
		rf_link_put(&r->link, RF_FRAME_AHEAD, 0, channel, &ahead, sizeof(ahead));
}

/* Always before what the child caused: who hears of it finds the originals as it left them. */
static void put_consumed(struct relay *r)
{
	const struct rf_stream_news typed = { .taken_bytes =
						      rf_pty_take_consumed(r->terminal.pty) };

	rf_streams_tell(r->streams, put_news, r);
	if (r->streams->grown_count && r->shrink_ns == RF_NO_DEADLINE)
		r->shrink_ns = rf_io_deadline_ns(SHRINK_MS);
	put_news(r, RF_CHANNEL_TERMINAL, &typed);
	if (!r->is_left)
		rf_session_terminal_put_mode(&r->terminal);
	if (!rf_streams_have_unread(r->streams))
		r->sample_ns = RF_NO_DEADLINE;
}

static void put_stream_frame(struct relay *r, const struct rf_stream_frame *frame)
{
	put_consumed(r);
	if (frame->is_in_pipe)
		rf_link_put_pipe(&r->link, frame->channel, frame->bytes);
	else if (frame->type == RF_FRAME_DATA || frame->type == RF_FRAME_MESSAGE)
		rf_link_put_data(&r->link, frame->type, frame->flags, frame->channel, frame->bytes);
	else
		rf_link_put(&r->link, frame->type, frame->flags, frame->channel, NULL, 0);
}

static void put_signal(struct relay *r, const struct rf_frame_signal *signal)
{
	put_consumed(r);
	rf_link_put(&r->link, RF_FRAME_SIGNAL, 0, 0, signal, sizeof(*signal));
}

static void put_stopped(struct relay *r)
{
	struct rf_frame_stopped stopped = { .signal = r->job.stop_signal };

	put_consumed(r);
	rf_link_put(&r->link, RF_FRAME_STOPPED, 0, 0, &stopped, sizeof(stopped));
	r->job.is_stop_told = true;
}

static void put_continued(struct relay *r)
{
	rf_link_put(&r->link, RF_FRAME_CONTINUED, 0, 0, NULL, 0);
	r->job.is_stop_told = r->job.tell_continued = false;
	r->job.awaits_wake = true;
	r->is_sample_due = true;
}

/* Nothing is to be relayed any more. */
static void end_streams(struct relay *r)
{
	rf_streams_close(r->streams);
	rf_pty_close(r->terminal.pty);
	r->sample_ns = RF_NO_DEADLINE;
	r->phase = PHASE_CLOSING;
}

/* The status comes home at once, but what descendants hold of the child's streams stays open. */
static void put_exited(struct relay *r)
{
	struct rf_frame_exited exited = { .status = (uint32_t)r->job.status };

	put_consumed(r);
	r->is_left = r->job.is_childless ? !rf_streams_are_sent(r->streams)
					 : rf_streams_are_open(r->streams);
	rf_link_put(&r->link, RF_FRAME_EXITED, r->is_left ? RF_EXITED_STAYS : 0, 0, &exited,
		    sizeof(exited));
	if (!r->is_left) {
		end_streams(r);
		return;
	}
	rf_log("the child is gone, and its streams are not");
	rf_streams_release_snapshot(r->streams);
}

/* After the child's end: whether its descendants, too, have no more to say or to hear. */
static bool is_relayed(const struct relay *r)
{
	return r->job.is_childless ? rf_streams_are_sent(r->streams)
				   : !rf_streams_are_open(r->streams);
}

/* The child may only have stopped because it wants the terminal. */
static void put_ask(struct relay *r)
{
	put_consumed(r);
	rf_session_terminal_put_ask(&r->terminal);
}

static void put_ping(struct relay *r)
{
	rf_link_put(&r->link, RF_FRAME_PING, 0, 0, NULL, 0);
	r->is_ping_due = false;
}

/* Nobody is to hear of the child any more; it goes on, and so do we until it has ended. */
static void put_detached(struct relay *r)
{
	rf_log("detached");
	rf_link_put(&r->link, RF_FRAME_DETACHED, 0, 0, NULL, 0);
	rf_streams_detach(r->streams);
	rf_session_terminal_detach(&r->terminal);
	rf_descriptor_close(&r->child_socket);
	r->is_detached = true;
	r->sample_ns = RF_NO_DEADLINE;
	r->phase = PHASE_CLOSING;
}

/* A ghost that has stopped itself must not be woken but for a reason. */
static bool is_muted(const struct relay *r)
{
	return r->job.is_stop_told && !r->job.tell_continued && !r->job.has_ended;
}

/* The child has stopped, and for want of credit not all has gone out that it had written before.  At
 * home it would have stopped only then; but a reader that has stopped, too, is not waited for. */
static bool is_still_read(const struct relay *r)
{
	return r->job.stop_signal && !r->job.is_stop_told && !r->is_stop_due &&
	       !rf_streams_are_sent(r->streams);
}

/*
 * What the child did after it had written what has gone out by now: a signal, a stop, its end.
 * False if there is nothing of that kind that may be sent now.
 */
static bool put_event(struct relay *r)
{
	struct rf_frame_signal signal;

	if (r->is_left && is_relayed(r))
		end_streams(r);
	if (r->is_left || r->streams->limit == RF_STREAM_ALL)
		return false;
	if (r->job.has_ended && !r->is_end_due && !rf_streams_are_sent(r->streams))
		return false; /* for want of credit */
	if (rf_job_next_signal(&r->job, &signal))
		put_signal(r, &signal);
	else if ((r->job.has_ended || r->job.stop_signal) && rf_job_take_other(&r->job))
		return put_event(r);
	else if (r->job.has_ended)
		put_exited(r);
	else if (is_still_read(r))
		return false;
	else if (r->job.stop_signal && r->terminal.ask == RF_TERMINAL_ASKING)
		put_ask(r);
	else if (r->job.stop_signal && r->terminal.ask == RF_TERMINAL_QUIET && !r->job.is_stop_told)
		put_stopped(r);
	else
		return false;
	return true;
}

static bool put_sample(struct relay *r)
{
	if (r->terminal.pty->is_take_due) {
		put_consumed(r);
		rf_session_terminal_put_take(&r->terminal);
		return true;
	}
	if (!r->is_sample_due && !rf_session_terminal_has_news(&r->terminal))
		return false;
	r->is_sample_due = false;
	put_consumed(r);
	if (rf_streams_have_unread(r->streams))
		r->sample_ns = rf_io_now_ns() + r->sample_interval_ns;
	return rf_link_is_busy(&r->link);
}

/* Puts together the next batch; false if there is nothing to send now. */
static bool produce(struct relay *r)
{
	struct rf_stream_frame frame;

	if (r->is_detaching) {
		if (r->phase != PHASE_RELAYING)
			return false; /* EXITED has said more */
		put_detached(r);
		return true;
	}
	if (r->phase == PHASE_RELAYING && r->job.tell_continued) {
		put_continued(r);
		return true;
	}
	if (r->phase == PHASE_RELAYING && !is_muted(r)) {
		if (rf_streams_produce(r->streams, &frame, r->link.data.payload,
				       r->streams->gives_much ? rf_link_pipe(&r->link) : -1)) {
			put_stream_frame(r, &frame);
			return true;
		}
		if (put_event(r))
			return true;
		/* What else there is to read comes after the event. */
		if (r->streams->limit == RF_STREAM_SNAPSHOT && !is_muted(r) && !is_still_read(r) &&
		    !r->job.has_ended) {
			rf_streams_release_snapshot(r->streams);
			return produce(r);
		}
		if (!r->job.has_ended && rf_job_take_other(&r->job)) {
			rf_streams_snapshot(r->streams, false);
			return produce(r);
		}
		if (put_sample(r))
			return true;
	}
	if (!r->is_ping_due || r->phase > PHASE_CLOSING || is_muted(r))
		return false;
	put_ping(r);
	return true;
}

static void send_batches(struct relay *r)
{
	if (r->phase > PHASE_CLOSING)
		return;
	do {
		if (rf_link_flush(&r->link) < 0) {
			lose(r, "the connection is lost");
			return;
		}
	} while (!rf_link_is_busy(&r->link) && produce(r));
	/* A ghost that is stopped has to be woken before it can hear the end. */
	if (r->phase == PHASE_CLOSING && !rf_link_is_busy(&r->link) && !r->job.awaits_wake &&
	    r->close_ns == RF_NO_DEADLINE) {
		shutdown(r->link.fd, SHUT_WR);
		r->close_ns = rf_io_deadline_ns(CLOSE_TIMEOUT_MS);
	}
}

/* -- from the ghost --------------------------------------------------------------------------- */

/* The child has what the originals held, and executes from now on. */
static int let_go(struct relay *r)
{
	const char go = 0;

	if (r->child_socket < 0)
		return -EBADMSG;
	/* one that is dead will be found so */
	(void)send(r->child_socket, &go, sizeof(go), MSG_NOSIGNAL);
	rf_descriptor_close(&r->child_socket);
	return 0;
}

static int take_frame(struct relay *r, const struct rf_frame_header *header, const char *payload)
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

static void take_frames(struct relay *r)
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
		lose(r, "the ghost sent a malformed frame");
	else if (error == -ENOMEM)
		lose(r, "no memory for what the ghost sends");
	else if (error < 0)
		lose(r, "the ghost broke the rules of its channels or signals");
	else
		rf_link_drop(&r->link, used);
}

static void receive(struct relay *r)
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
	if (r->phase == PHASE_RELAYING)
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
static void take_last_end(struct relay *r)
{
	if (r->is_over_told)
		return;
	r->is_over_told = true;
	rf_streams_snapshot(r->streams, true);
	rf_handover_tell(r->listener, RF_NEWS_OVER);
}

static void take_news(struct relay *r, unsigned news)
{
	if (news & RF_JOB_TERMINATE)
		lose(r, "the server ends");
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

static void take_event(struct relay *r, const struct epoll_event *event)
{
	if (event->data.u64 == EVENT_CONNECTION) {
		if (r->phase <= PHASE_CLOSING && event->events & ~(uint32_t)EPOLLOUT)
			receive(r);
	} else if (event->data.u64 == EVENT_URGENT) {
		take_news(r, rf_job_take_urgent(&r->job));
	} else if (event->data.u64 == EVENT_OTHERS) {
		r->job.may_have_others = true;
	} else if (event->data.u64 == EVENT_LISTENER) {
		/* It sends nothing after the hand-over: this is its end. */
		lose(r, "the listener ended");
	} else {
		if (event->data.u64 == RF_CHANNEL_TERMINAL)
			rf_pty_event(r->terminal.pty);
		rf_streams_event(r->streams, (unsigned)event->data.u64, event->events);
	}
}

/* After bytes were written to the child, it is soon looked whether it has read them. */
static void start_sampling(struct relay *r)
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
static void pass_silence(struct relay *r)
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
		lose(r, "the other machine acknowledges nothing");
	else if (rf_job_is_silent(&r->job, rf_link_is_acknowledged(&r->link)))
		r->is_ping_due = true;
}

static void pass_deadlines(struct relay *r)
{
	int64_t now_ns = rf_io_now_ns();

	if (now_ns >= r->sample_ns) {
		r->sample_ns = RF_NO_DEADLINE;
		r->is_sample_due = true;
		r->sample_interval_ns = r->sample_interval_ns * 2 < SAMPLE_LAST_NS
						? r->sample_interval_ns * 2
						: SAMPLE_LAST_NS;
	}
	if (r->phase == PHASE_RELAYING && now_ns >= r->shrink_ns) {
		r->is_sample_due = rf_streams_shrink(r->streams) || r->is_sample_due;
		r->shrink_ns = r->streams->grown_count ? rf_io_deadline_ns(SHRINK_MS)
						       : RF_NO_DEADLINE;
	}
	if (r->phase == PHASE_RELAYING)
		rf_session_terminal_pass(&r->terminal, now_ns);
	if (r->phase == PHASE_CLOSING && now_ns >= r->close_ns)
		r->phase = PHASE_CLOSED;
	if (r->phase <= PHASE_CLOSING && now_ns >= r->silence_ns)
		pass_silence(r);
}

static int milliseconds_left(const struct relay *r)
{
	int64_t next_ns = r->phase <= PHASE_CLOSING ? r->silence_ns : RF_NO_DEADLINE;
	int64_t left_ns, terminal_ns;

	if (r->phase == PHASE_CLOSING && r->close_ns < next_ns)
		next_ns = r->close_ns;
	if (r->phase == PHASE_RELAYING && r->sample_ns < next_ns)
		next_ns = r->sample_ns;
	if (r->phase == PHASE_RELAYING && r->shrink_ns < next_ns)
		next_ns = r->shrink_ns;
	terminal_ns = rf_session_terminal_deadline_ns(&r->terminal);
	if (r->phase == PHASE_RELAYING && terminal_ns < next_ns)
		next_ns = terminal_ns;
	if (next_ns == RF_NO_DEADLINE)
		return -1;
	left_ns = next_ns - rf_io_now_ns();
	return left_ns <= 0 ? 0 : (int)((left_ns + 999999) / 1000000);
}

static int watch(const struct relay *r, int operation, int fd, uint64_t name, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = name };

	return epoll_ctl(r->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

/* Room in the connection is of interest only while something waits for it. */
static int watch_connection(struct relay *r)
{
	uint32_t events = EPOLLIN | (rf_link_is_busy(&r->link) ? (uint32_t)EPOLLOUT : 0);
	int operation = r->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (r->phase > PHASE_CLOSING || events == r->watched)
		return 0;
	r->watched = events;
	return watch(r, operation, r->link.fd, EVENT_CONNECTION, events);
}

static void wait_for_events(struct relay *r)
{
	struct epoll_event events[EVENTS];
	int ready = -1;

	if (watch_connection(r) == 0)
		ready = epoll_wait(r->epoll, events, EVENTS, milliseconds_left(r));
	if (ready < 0 && errno != EINTR) {
		lose(r, "waiting for events failed");
		return;
	}
	for (int i = 0; i < ready; i++)
		take_event(r, &events[i]);
	start_sampling(r);
	pass_deadlines(r);
}

/* -- the whole ------------------------------------------------------------------------------- */

static int open_relay(struct relay *r, const struct rf_session_relay *setup)
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

static bool is_over(const struct relay *r)
{
	return r->phase == PHASE_LOST || (r->phase == PHASE_CLOSED && r->job.is_childless);
}

void rf_session_relay(const struct rf_session_relay *setup)
{
	struct relay *r = &relay;

	if (open_relay(r, setup) < 0)
		lose(r, "the relay cannot start");
	/* a signal that the session has taken already may have meant the child */
	take_news(r, rf_job_reap(&r->job));
	while (!is_over(r)) {
		send_batches(r);
		if (r->phase == PHASE_CLOSED)
			rf_link_close(&r->link);
		if (!is_over(r))
			wait_for_events(r);
	}
	rf_streams_close(r->streams);
	rf_pty_close(r->terminal.pty);
	if (r->phase == PHASE_LOST && rf_descendants_end(r->job.has_ended ? 0 : r->job.child) < 0) {
		/* The listener does it: our end by a signal makes it look for orphans. */
		rf_log("descendants cannot be listed");
		raise(SIGKILL);
	}
	rf_link_close(&r->link);
	rf_job_close(&r->job);
	rf_descriptor_close(&r->epoll);
	rf_descriptor_close(&r->child_socket);
}
