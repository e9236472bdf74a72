/* SPDX-License-Identifier: MIT */
/*
 * Between the terminal (pty.h) and frames.  Called by session_relay.c, which says when what may be
 * sent.
 */
#define _GNU_SOURCE
#include "server/session_terminal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

/* -- to the ghost ----------------------------------------------------------------------------- */

void rf_session_terminal_put_mode(struct rf_session_terminal *terminal)
{
	struct rf_frame_mode mode;

	if (rf_pty_next_mode(terminal->pty, &mode))
		rf_link_put(terminal->link, RF_FRAME_MODE, 0, RF_CHANNEL_TERMINAL, &mode,
			    sizeof(mode));
}

void rf_session_terminal_put_ask(struct rf_session_terminal *terminal)
{
	struct rf_frame_ask ask = { .signal = terminal->job->stop_signal };

	rf_link_put(terminal->link, RF_FRAME_ASK, 0, RF_CHANNEL_TERMINAL, &ask, sizeof(ask));
	terminal->ask = RF_TERMINAL_ASKED;
}

void rf_session_terminal_put_take(struct rf_session_terminal *terminal)
{
	terminal->pty->is_take_due = false;
	rf_link_put(terminal->link, RF_FRAME_TAKE, 0, RF_CHANNEL_TERMINAL, NULL, 0);
}

bool rf_session_terminal_has_news(const struct rf_session_terminal *terminal)
{
	return terminal->pty->news || terminal->pty->taken_bytes;
}

/* -- from the ghost --------------------------------------------------------------------------- */

/* What the stop meant: the child has the terminal now and goes on, or it is a stop as any other. */
static void answer(struct rf_session_terminal *terminal, bool is_granted)
{
	bool was_asked = terminal->ask != RF_TERMINAL_QUIET;

	terminal->ask = RF_TERMINAL_QUIET;
	if (was_asked && is_granted)
		rf_job_resume(terminal->job);
	else if (was_asked && terminal->job->stop_signal)
		rf_streams_snapshot(terminal->streams, false);
}

static int take_state(struct rf_session_terminal *terminal, const char *payload)
{
	struct rf_frame_terminal home;
	int error;

	memcpy(&home, payload, sizeof(home));
	error = rf_pty_take_state(terminal->pty, &home);
	if (error == 0 && home.flags & RF_TERMINAL_ANSWER)
		answer(terminal, home.flags & RF_TERMINAL_FOREGROUND);
	return error;
}

/* The terminal at home is gone: here it is hung up, too. */
static int hang_up(struct rf_session_terminal *terminal)
{
	const struct rf_frame_header no_reader = { .type = RF_FRAME_NO_READER,
						   .channel = RF_CHANNEL_TERMINAL };
	int error = rf_streams_take(terminal->streams, &no_reader, NULL);

	rf_pty_close(terminal->pty);
	answer(terminal, true);
	return error;
}

int rf_session_terminal_take(struct rf_session_terminal *terminal,
			     const struct rf_frame_header *header, const char *payload)
{
	switch (header->type) {
	case RF_FRAME_TERMINAL:
		return take_state(terminal, payload);
	case RF_FRAME_DATA:
		return rf_pty_take_data(terminal->pty, payload, header->length_bytes);
	case RF_FRAME_EOF:
	case RF_FRAME_NO_READER:
		return hang_up(terminal);
	}
	return rf_streams_take(terminal->streams, header, payload);
}

int rf_session_terminal_take_signal(struct rf_session_terminal *terminal,
				    const struct rf_frame_signal *signal)
{
	if (signal->signal == SIGTTIN || signal->signal == SIGTTOU)
		terminal->is_stop_sent = true;
	if (signal->code == SI_KERNEL && rf_pty_send_signal(terminal->pty, (int)signal->signal))
		return 0;
	return rf_job_send(terminal->job, signal);
}

/* -- the child -------------------------------------------------------------------------------- */

static bool wants_terminal(const struct rf_session_terminal *terminal)
{
	unsigned signal = terminal->job->stop_signal;

	return rf_pty_is_open(terminal->pty) && !terminal->pty->is_ended &&
	       !terminal->is_stop_sent && (signal == SIGTTIN || signal == SIGTTOU);
}

void rf_session_terminal_stopped(struct rf_session_terminal *terminal)
{
	terminal->ask = wants_terminal(terminal) ? RF_TERMINAL_ASKING : RF_TERMINAL_QUIET;
	terminal->is_stop_sent = false;
}

void rf_session_terminal_detach(struct rf_session_terminal *terminal)
{
	rf_pty_detach(terminal->pty);
	answer(terminal, true);
}

int64_t rf_session_terminal_deadline_ns(const struct rf_session_terminal *terminal)
{
	const struct rf_pty *pty = terminal->pty;

	return pty->look_ns < pty->return_ns ? pty->look_ns : pty->return_ns;
}

void rf_session_terminal_pass(struct rf_session_terminal *terminal, int64_t now_ns)
{
	if (now_ns >= terminal->pty->look_ns)
		rf_pty_look(terminal->pty, now_ns);
	if (now_ns < terminal->pty->return_ns)
		return;
	rf_pty_release_return(terminal->pty);
	rf_streams_event(terminal->streams, RF_CHANNEL_TERMINAL, EPOLLIN);
}
