/* SPDX-License-Identifier: MIT */
/*
 * The streams of a ghost: between frames of the node and the originals, in both directions.
 * Called by ghost_relay.c; uses system calls only, and waits for nobody but the node.
 */
#define _GNU_SOURCE
#include "rfork/ghost_streams.h"

#include <errno.h>
#include <poll.h>

#include "rfork/ghost_accept.h"
#include "rfork/ghost_message.h"
#include "rfork/io.h"
#include "rfork/sys.h"

static void return_credit(struct rf_relay *relay, uint32_t number)
{
	struct rf_frame_window window = {
		.credit_bytes = rf_channel_take_credit(&relay->channels[number]),
	};

	if (window.credit_bytes)
		rf_ghost_link_send(&relay->link, RF_FRAME_WINDOW, number, &window, sizeof(window));
}

/* A write that failed otherwise than for want of a reader: the child has been told that it was
 * done, and may have ended.  Somebody should hear of it. */
static void tell_loss(struct rf_relay *relay, uint32_t number, int error)
{
	struct rf_report report = { 0 };

	if (error == -EPIPE || error == -ECONNRESET || error == -ECONNREFUSED || error == -ENOTCONN)
		return;
	rf_report(&report, -error, "rfork: output of the remote child is lost, channel %u: %m",
		  number);
	rf_ghost_complain(relay, report.sentence);
}

/* A message was dropped, and the channel goes on: told once. */
static void tell_dropped(struct rf_relay *relay, uint32_t number)
{
	struct rf_channel_messages *messages = &relay->channels[number].messages;

	if (messages->error && !messages->is_told)
		tell_loss(relay, number, messages->error);
	messages->is_told = messages->is_told || messages->error;
	messages->error = 0;
}

/* After something was written: credit goes back, or the child's side is to get SIGPIPE. */
static void settle_output(struct rf_relay *relay, uint32_t number, int result)
{
	if (result == -EBADMSG || result == -ENOMEM)
		rf_ghost_link_lose(); /* more than the credit: the node is broken */
	tell_dropped(relay, number);
	if (result == 0) {
		return_credit(relay, number);
		return;
	}
	tell_loss(relay, number, result);
	rf_ghost_link_send(&relay->link, RF_FRAME_NO_READER, number, NULL, 0);
}

/* Of a terminal, each piece in the mode in which it was written. */
static int flush_terminal(struct rf_relay *relay)
{
	struct rf_channel *channel = &relay->channels[RF_CHANNEL_TERMINAL];
	uint32_t before;
	int error;

	do {
		before = channel->used;
		channel->write_limit = rf_ghost_terminal_limit(&relay->terminal);
		error = rf_channel_flush(channel);
		rf_ghost_terminal_wrote(&relay->terminal, channel->fd, before - channel->used);
	} while (error == 0 && channel->used && channel->used != before);
	return error;
}

static int flush_channel(struct rf_relay *relay, uint32_t number)
{
	return number == RF_CHANNEL_TERMINAL ? flush_terminal(relay)
					     : rf_channel_flush(&relay->channels[number]);
}

void rf_ghost_streams_flush(struct rf_relay *relay, uint32_t number)
{
	if (relay->channels[number].used)
		settle_output(relay, number, flush_channel(relay, number));
}

static void put(struct rf_relay *relay, const struct rf_frame_header *header)
{
	struct rf_channel *channel = &relay->channels[header->channel];
	bool is_message = header->type == RF_FRAME_MESSAGE;
	uint32_t bytes = header->length_bytes;

	if (rf_message_is_kept(channel->stream) != is_message)
		rf_ghost_link_lose();
	settle_output(relay, header->channel,
		      is_message ? rf_message_put(channel, relay->tools.buffer, bytes,
						  header->flags & RF_MESSAGE_MORE)
				 : rf_channel_put(channel, relay->tools.buffer, bytes));
}

/* Much for a pipe that has room goes there at once; what is left to be read. */
static uint32_t pass_data(struct rf_relay *relay, const struct rf_frame_header *header)
{
	struct rf_channel *channel = &relay->channels[header->channel];
	uint32_t passed = 0;

	if (!rf_channel_may_pass(channel, header->length_bytes))
		return header->length_bytes;
	if (!rf_ghost_link_has_input(&relay->link))
		passed = rf_ghost_link_pass(&relay->link, channel->fd, header->length_bytes);
	rf_ghost_link_expect_bulk(&relay->link);
	channel->owed += passed;
	if (passed == header->length_bytes)
		settle_output(relay, header->channel, 0);
	return header->length_bytes - passed;
}

void rf_ghost_streams_take_data(struct rf_relay *relay, const struct rf_frame_header *header)
{
	struct rf_frame_header left = *header;
	bool is_known = header->channel < relay->channel_count &&
			relay->channels[header->channel].stream;

	if ((header->length_bytes == 0 && header->type == RF_FRAME_DATA) ||
	    header->length_bytes > RF_FRAME_MAX_BYTES)
		rf_ghost_link_lose();
	if (is_known && header->type == RF_FRAME_DATA)
		left.length_bytes = pass_data(relay, header);
	if (header->length_bytes && !left.length_bytes)
		return;
	rf_ghost_link_read(&relay->link, relay->tools.buffer, left.length_bytes);
	if (is_known)
		put(relay, &left);
}

static void look_at_message(struct rf_relay *relay, uint32_t number)
{
	struct rf_channel *channel = &relay->channels[number];
	struct iovec message;
	int seen = rf_message_look(channel, &relay->tools, &message);

	if (seen > 0) {
		rf_message_send(&relay->link, number, &message);
		rf_message_forget(&relay->tools, &message);
	} else if (seen == 0) {
		if (channel->messages.error)
			rf_ghost_complain(relay,
					  "rfork: a message is too long for the remote child, "
					  "which gets no more of that socket");
		channel->messages.error = 0;
		rf_ghost_link_send(&relay->link, RF_FRAME_EOF, number, NULL, 0);
	}
}

/* Shows the child one piece of what is new in an original. */
static void look(struct rf_relay *relay, uint32_t number)
{
	bool is_in_scratch = false;
	long seen;

	if (relay->channels[number].kind == RF_CHANNEL_MESSAGE) {
		look_at_message(relay, number);
		return;
	}
	if (relay->channels[number].kind == RF_CHANNEL_LISTENER) {
		rf_accept_offer(relay, number);
		return;
	}
	seen = rf_channel_look(&relay->channels[number], &relay->tools, &is_in_scratch);
	if (seen > 0 && is_in_scratch)
		rf_ghost_link_send_pipe(&relay->link, number, relay->tools.scratch[0],
					(uint32_t)seen);
	else if (seen > 0)
		rf_ghost_link_send(&relay->link, RF_FRAME_DATA, number, relay->tools.buffer,
				   (size_t)seen);
	else if (seen == 0)
		rf_ghost_link_send(&relay->link, RF_FRAME_EOF, number, NULL, 0);
}

bool rf_ghost_streams_look(struct rf_relay *relay)
{
	bool more = false;

	for (uint32_t number = 0; number < relay->channel_count; number++) {
		if (relay->channels[number].may_look)
			look(relay, number);
		more = more || relay->channels[number].may_look;
	}
	return more;
}

void rf_ghost_streams_consume(struct rf_relay *relay, uint32_t number)
{
	struct rf_channel *channel = &relay->channels[number];
	struct rf_frame_consumed consumed;
	int error;

	rf_ghost_link_read(&relay->link, &consumed, sizeof(consumed));
	if (number >= relay->channel_count)
		return;
	if (channel->kind == RF_CHANNEL_LISTENER)
		rf_ghost_link_lose();
	if (number == RF_CHANNEL_TERMINAL)
		error = rf_ghost_terminal_take_consumed(&relay->terminal, consumed.count_bytes);
	else
		error = channel->kind == RF_CHANNEL_MESSAGE
				? rf_message_consume(channel, &relay->tools, consumed.count_bytes)
				: rf_channel_consume(channel, &relay->tools, consumed.count_bytes);
	if (error < 0)
		rf_ghost_link_lose();
}

void rf_ghost_streams_take_limit(struct rf_relay *relay, uint32_t number)
{
	struct rf_frame_ahead ahead;

	rf_ghost_link_read(&relay->link, &ahead, sizeof(ahead));
	if (number >= relay->channel_count || rf_accept_is_over(relay, number))
		return;
	if (rf_channel_set_limit(&relay->channels[number], &relay->tools, ahead.limit_bytes) < 0)
		rf_ghost_link_lose();
	rf_ghost_link_send(&relay->link, RF_FRAME_AHEAD, number, &ahead, sizeof(ahead));
}

void rf_ghost_streams_leave(struct rf_relay *relay)
{
	for (uint32_t number = 0; number < relay->channel_count; number++) {
		struct rf_channel *channel = &relay->channels[number];

		if (number == RF_CHANNEL_TERMINAL)
			continue;
		rf_channel_stop_input(channel);
		if (!channel->ends)
			rf_channel_end_output(channel, false);
	}
}

void rf_ghost_streams_flush_all(struct rf_relay *relay, bool is_patient)
{
	for (uint32_t number = 0; number < relay->channel_count; number++) {
		struct rf_channel *channel = &relay->channels[number];
		int error = 0;

		while (error == 0 && channel->used && flush_channel(relay, number) == 0 &&
		       channel->used)
			error = rf_io_wait(channel->fd, POLLOUT,
					   is_patient ? RF_NO_DEADLINE
						      : rf_io_deadline_ns(RF_GHOST_PATIENCE_MS));
		rf_channel_leave(channel);
	}
}

bool rf_ghost_streams_have_rest(const struct rf_relay *relay)
{
	for (uint32_t number = 0; number < relay->channel_count; number++)
		if (relay->channels[number].used)
			return true;
	return false;
}

void rf_ghost_streams_settle(struct rf_relay *relay)
{
	for (uint32_t number = 0; number < relay->channel_count; number++) {
		const struct rf_channel *channel = &relay->channels[number];

		if (channel->stream & RF_STREAM_WRITE && !channel->writes)
			rf_ghost_link_send(&relay->link, RF_FRAME_NO_READER, number, NULL, 0);
		else
			return_credit(relay, number);
	}
}
