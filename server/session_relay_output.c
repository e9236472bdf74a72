/* SPDX-License-Identifier: MIT */
/*
 * What a session says to the ghost, and in which order: what the child has read, what it has
 * written, and then its signals, stops and end.  Called by session_relay.c; never blocks.
 */
#define _GNU_SOURCE
#include "server/session_relay_internal.h"

#include <sys/socket.h>

#include "rfork/io.h"
#include "server/descriptor.h"
#include "server/log.h"

#define CLOSE_TIMEOUT_MS 2000

static void put_news(void *argument, unsigned channel, const struct rf_stream_news *news)
{
	struct rf_child_relay *r = argument;
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
static void put_consumed(struct rf_child_relay *r)
{
	const struct rf_stream_news typed = { .taken_bytes =
						      rf_pty_take_consumed(r->terminal.pty) };

	rf_streams_tell(r->streams, put_news, r);
	if (r->streams->grown_count && r->shrink_ns == RF_NO_DEADLINE)
		r->shrink_ns = rf_io_deadline_ns(RF_RELAY_SHRINK_MS);
	put_news(r, RF_CHANNEL_TERMINAL, &typed);
	if (!r->is_left)
		rf_session_terminal_put_mode(&r->terminal);
	if (!rf_streams_have_unread(r->streams))
		r->sample_ns = RF_NO_DEADLINE;
}

static void put_stream_frame(struct rf_child_relay *r, const struct rf_stream_frame *frame)
{
	put_consumed(r);
	if (frame->is_in_pipe)
		rf_link_put_pipe(&r->link, frame->channel, frame->bytes);
	else if (frame->type == RF_FRAME_DATA || frame->type == RF_FRAME_MESSAGE)
		rf_link_put_data(&r->link, frame->type, frame->flags, frame->channel, frame->bytes);
	else
		rf_link_put(&r->link, frame->type, frame->flags, frame->channel, NULL, 0);
}

static void put_signal(struct rf_child_relay *r, const struct rf_frame_signal *signal)
{
	put_consumed(r);
	rf_link_put(&r->link, RF_FRAME_SIGNAL, 0, 0, signal, sizeof(*signal));
}

static void put_stopped(struct rf_child_relay *r)
{
	struct rf_frame_stopped stopped = { .signal = r->job.stop_signal };

	put_consumed(r);
	rf_link_put(&r->link, RF_FRAME_STOPPED, 0, 0, &stopped, sizeof(stopped));
	r->job.is_stop_told = true;
}

static void put_continued(struct rf_child_relay *r)
{
	rf_link_put(&r->link, RF_FRAME_CONTINUED, 0, 0, NULL, 0);
	r->job.is_stop_told = r->job.tell_continued = false;
	r->job.awaits_wake = true;
	r->is_sample_due = true;
}

/* Nothing is to be relayed any more. */
static void end_streams(struct rf_child_relay *r)
{
	rf_streams_close(r->streams);
	rf_pty_close(r->terminal.pty);
	r->sample_ns = RF_NO_DEADLINE;
	r->phase = RF_RELAY_CLOSING;
}

/* The status comes home at once, but what descendants hold of the child's streams stays open. */
static void put_exited(struct rf_child_relay *r)
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
static bool is_relayed(const struct rf_child_relay *r)
{
	return r->job.is_childless ? rf_streams_are_sent(r->streams)
				   : !rf_streams_are_open(r->streams);
}

/* The child may only have stopped because it wants the terminal. */
static void put_ask(struct rf_child_relay *r)
{
	put_consumed(r);
	rf_session_terminal_put_ask(&r->terminal);
}

static void put_ping(struct rf_child_relay *r)
{
	rf_link_put(&r->link, RF_FRAME_PING, 0, 0, NULL, 0);
	r->is_ping_due = false;
}

/* Nobody is to hear of the child any more; it goes on, and so do we until it has ended. */
static void put_detached(struct rf_child_relay *r)
{
	rf_log("detached");
	rf_link_put(&r->link, RF_FRAME_DETACHED, 0, 0, NULL, 0);
	rf_streams_detach(r->streams);
	rf_session_terminal_detach(&r->terminal);
	rf_descriptor_close(&r->child_socket);
	r->is_detached = true;
	r->sample_ns = RF_NO_DEADLINE;
	r->phase = RF_RELAY_CLOSING;
}

/* A ghost that has stopped itself must not be woken but for a reason. */
static bool is_muted(const struct rf_child_relay *r)
{
	return r->job.is_stop_told && !r->job.tell_continued && !r->job.has_ended;
}

/* The child has stopped, and for want of credit not all has gone out that it had written before.
 * At home it would have stopped only then; but a reader that has stopped, too, is not waited
 * for. */
static bool is_still_read(const struct rf_child_relay *r)
{
	return r->job.stop_signal && !r->job.is_stop_told && !r->is_stop_due &&
	       !rf_streams_are_sent(r->streams);
}

/*
 * What the child did after it had written what has gone out by now: a signal, a stop, its end.
 * False if there is nothing of that kind that may be sent now.
 */
static bool put_event(struct rf_child_relay *r)
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

static bool put_sample(struct rf_child_relay *r)
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
static bool produce(struct rf_child_relay *r)
{
	struct rf_stream_frame frame;

	if (r->is_detaching) {
		if (r->phase != RF_RELAY_OPEN)
			return false; /* EXITED has said more */
		put_detached(r);
		return true;
	}
	if (r->phase == RF_RELAY_OPEN && r->job.tell_continued) {
		put_continued(r);
		return true;
	}
	if (r->phase == RF_RELAY_OPEN && !is_muted(r)) {
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
	if (!r->is_ping_due || r->phase > RF_RELAY_CLOSING || is_muted(r))
		return false;
	put_ping(r);
	return true;
}

void rf_relay_send(struct rf_child_relay *r)
{
	if (r->phase > RF_RELAY_CLOSING)
		return;
	do {
		if (rf_link_flush(&r->link) < 0) {
			rf_relay_lose(r, "the connection is lost");
			return;
		}
	} while (!rf_link_is_busy(&r->link) && produce(r));
	/* A ghost that is stopped has to be woken before it can hear the end. */
	if (r->phase == RF_RELAY_CLOSING && !rf_link_is_busy(&r->link) && !r->job.awaits_wake &&
	    r->close_ns == RF_NO_DEADLINE) {
		shutdown(r->link.fd, SHUT_WR);
		r->close_ns = rf_io_deadline_ns(CLOSE_TIMEOUT_MS);
	}
}
