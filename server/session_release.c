/* SPDX-License-Identifier: MIT */
/*
 * Lets a process that has moved go on, or says why it must not.  Called by session.c between the shell's
 * report and the relay.
 */
#define _GNU_SOURCE
#include "server/session_release.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/link_watch.h"

#define SEND_TIMEOUT_MS 10000
#define LINK_LOOK_MS 1000

void rf_release_announce(int connection, pid_t child, unsigned flags,
			 const struct rf_warnings *warnings)
{
	struct {
		struct rf_frame_running running;
		char warnings[RF_WARNINGS_BYTES];
	} payload;

	payload.running = (struct rf_frame_running){ .pid = (uint32_t)child };
	memcpy(payload.warnings, warnings->text, warnings->bytes);
	if (rf_frame_send(connection, RF_FRAME_RUNNING, flags, 0, &payload,
			  sizeof(payload.running) + warnings->bytes,
			  rf_io_deadline_ns(SEND_TIMEOUT_MS)) < 0)
		shutdown(connection, SHUT_RDWR);
}

/* Whether the ghost's next frame is GO. */
static int receive_go(int connection, struct rf_report *report)
{
	struct rf_frame_header header;
	char unused;
	int error = rf_frame_receive(connection, &header, &unused, 0,
				     rf_io_deadline_ns(SEND_TIMEOUT_MS));

	if (error == -ECONNRESET)
		return rf_report(report, ECONNRESET, "the caller stays at home");
	if (error == 0 && (header.type != RF_FRAME_GO || header.flags || header.channel))
		error = -EBADMSG;
	return error < 0 ? rf_report(report, -error, "the caller's word to go on: %m") : 0;
}

/* The server ends, or the child does. */
static int take_signal(struct rf_release *release, struct rf_report *report)
{
	struct signalfd_siginfo info;
	int status;

	if (read(release->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	if (info.ssi_signo == SIGTERM)
		return rf_report(report, ECONNRESET, "the server ends");
	if (waitpid(release->child, &status, WNOHANG) != release->child)
		return 0;
	release->child = 0;
	return rf_report(report, ECONNRESET, "the process ended before it went on");
}

/* Waits until something is to be read from the ghost; it may take its time. */
static int await_word(struct rf_release *release, struct rf_report *report)
{
	struct pollfd polled[] = { { .fd = release->connection, .events = POLLIN },
				   { .fd = release->signals, .events = POLLIN },
				   { .fd = release->listener, .events = POLLIN } };
	struct rf_link_watch watch = { 0 };

	for (;;) {
		int ready = poll(polled, 3, LINK_LOOK_MS);
		int error = 0;

		if (ready < 0 && errno != EINTR)
			return rf_report(report, errno, "waiting for the caller's word: %m");
		if (ready > 0 && polled[1].revents)
			error = take_signal(release, report);
		if (error < 0)
			return error;
		if (ready > 0 && polled[2].revents)
			return rf_report(report, ECONNRESET, "the server ends");
		if (ready > 0 && polled[0].revents)
			return 0;
		if (rf_link_watch_is_dead(&watch, release->connection, release->dead_after_s))
			return rf_report(report, ECONNRESET,
					 "the other machine acknowledges nothing");
	}
}

int rf_release_child(struct rf_release *release, struct rf_report *report)
{
	const char go = 0;
	int error;

	rf_release_announce(release->connection, release->child, RF_RUNNING_WAITS,
			    release->warnings);
	error = await_word(release, report);
	if (error == 0)
		error = receive_go(release->connection, report);
	if (error < 0)
		return error;
	/* one that is dead the relay will find so */
	(void)send(release->child_socket, &go, sizeof(go), MSG_NOSIGNAL);
	return 0;
}
