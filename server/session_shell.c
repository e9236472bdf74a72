/* SPDX-License-Identifier: MIT */
/*
 * A session and its shell: orders, the streams and reports that come back, and the shell's end.
 * Called by session.c; never looks at the connection but for its end.
 */
#define _GNU_SOURCE
#include "server/session_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/image_format.h"
#include "server/descendants.h"
#include "server/descriptor.h"
#include "server/shell_protocol.h"

int rf_session_take_signal(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo
									   : 0;
}

void rf_session_end_shell(struct rf_session *session)
{
	if (session->shell.pid <= 0)
		return;
	kill(session->shell.pid, SIGKILL);
	while (waitpid(session->shell.pid, NULL, 0) < 0 && errno == EINTR)
		;
	session->shell.pid = 0;
	(void)rf_descendants_end(0);
}

static int out_of_descriptors(struct rf_report *report)
{
	return rf_report(report, EAGAIN,
			 "the node has no descriptors left for a child with so many "
			 "streams");
}

/* A channel that the shell has made. */
static int take_stream(const struct rf_session *session, const struct rf_shell_stream *stream,
		       size_t bytes, int fd, struct rf_report *report)
{
	int error = -EBADMSG;

	if (bytes != sizeof(*stream) || fd < 0)
		rf_descriptor_close(&fd);
	else
		error = rf_streams_receive(session->streams, stream, fd);
	if (error == -EMFILE || error == -ENFILE)
		return out_of_descriptors(report);
	if (error == -EOPNOTSUPP)
		return rf_report(report, ENOTSUP,
				 "the node's kernel has no unix_diag: sockets that listen, or have "
				 "no peer, cannot go there");
	return error < 0
		       ? rf_report(report, -error, "channel %u from the shell: %m", stream->channel)
		       : 0;
}

/* A piece of the list of warnings. */
static int take_warning(struct rf_session *session, const struct rf_shell_report *piece,
			size_t bytes, struct rf_report *report)
{
	struct rf_warnings *warnings = &session->warnings;
	size_t left = sizeof(warnings->text) - warnings->bytes;

	if (bytes != sizeof(*piece) || piece->argument > sizeof(piece->sentence) ||
	    piece->argument > left)
		return rf_report(report, EBADMSG, "warnings from the shell: %m");
	memcpy(warnings->text + warnings->bytes, piece->sentence, piece->argument);
	warnings->bytes += (uint32_t)piece->argument;
	return 0;
}

/*
 * Reads what the shell has sent: 1 with a report, 0 if there is none yet, -ECONNRESET at end of
 * file without a sentence, or another negative errno with one.
 */
static int read_shell(struct rf_session *session, struct rf_shell_report *shell_report,
		      struct rf_report *report)
{
	for (;;) {
		struct rf_shell_stream stream = { 0 };
		struct iovec iov = { shell_report, sizeof(*shell_report) };
		int fd, error;
		long got;

		memset(shell_report, 0, sizeof(*shell_report));
		got = rf_descriptor_receive_now(session->shell.socket, &iov, 1, &fd);
		if (got == -EMFILE)
			return out_of_descriptors(report);
		if (got < 0 && got != -EBADMSG)
			return got == -EAGAIN ? 0 : -ECONNRESET;
		if (got >= (long)sizeof(stream) && shell_report->kind == RF_SHELL_STREAM) {
			memcpy(&stream, shell_report, sizeof(stream));
			error = take_stream(session, &stream, (size_t)got, fd, report);
			if (error < 0)
				return error;
			continue;
		}
		if (got < RF_SHELL_REPORT_SHORT_BYTES || fd >= 0) {
			rf_descriptor_close(&fd);
			return rf_report(report, EBADMSG, "a message from the shell: %m");
		}
		if (shell_report->kind == RF_SHELL_WARNING) {
			error = take_warning(session, shell_report, (size_t)got, report);
			if (error < 0)
				return error;
			continue;
		}
		shell_report->sentence[sizeof(shell_report->sentence) - 1] = '\0';
		return 1;
	}
}

/* Turns a report into 0 (the child runs or waits) or a negative errno with a sentence. */
static int judge_report(struct rf_session *session, const struct rf_shell_report *shell_report,
			struct rf_report *report)
{
	int error = shell_report->error > 0 && shell_report->error < 4096 ? shell_report->error
									  : EBADMSG;

	switch (shell_report->kind) {
	case RF_SHELL_WAITING:
		session->is_waiting = true;
		return 0;
	case RF_SHELL_EXPECTING:
		session->is_expecting = true;
		return 0;
	case RF_SHELL_RUNNING:
	case RF_SHELL_CHECKED:
		if (session->is_check == (shell_report->kind == RF_SHELL_CHECKED))
			return 0;
		break;
	case RF_SHELL_FAILED:
		return rf_report(report, error, "%s",
				 shell_report->sentence[0] ? shell_report->sentence
							   : "the shell gave no reason");
	case RF_SHELL_RESTORER:
		if (shell_report->step == RF_SHELL_REPORT_NO_STEP)
			return rf_report(report, error, "restoring: thread %lu of the image: %m",
					 shell_report->argument);
		return rf_report(report, error,
				 "restoring: step %lu, system call %lu on 0x%lx failed: %m",
				 shell_report->step, shell_report->number, shell_report->argument);
	}
	return rf_report(report, EBADMSG, "the shell sent a report of unknown kind %u",
			 shell_report->kind);
}

/* What it has said itself tells more; what of ours it has not read comes before that as an error. */
static int report_death(struct rf_session *session, int status, struct rf_report *report)
{
	struct rf_shell_report last;

	if (read_shell(session, &last, report) > 0 && last.kind == RF_SHELL_FAILED)
		return judge_report(session, &last, report);
	if (report->error)
		return -report->error;
	if (WIFSIGNALED(status))
		return rf_report(report, ECONNRESET, "the shell died by signal %d",
				 WTERMSIG(status));
	return rf_report(report, ECONNRESET, "the shell exited with %d", WEXITSTATUS(status));
}

/* It has died since it was made: it closes its end in no other way. */
static int report_lost_shell(struct rf_session *session, struct rf_report *report)
{
	int status = 0;

	while (waitpid(session->shell.pid, &status, 0) < 0 && errno == EINTR)
		;
	session->shell.pid = 0;
	return report_death(session, status, report);
}

static int send_order(struct rf_session *session, struct rf_shell_order *order, int attached,
		      struct rf_report *report)
{
	struct iovec iov = { order, sizeof(*order) };
	int error;

	order->version = RF_SHELL_ORDER_VERSION;
	error = rf_descriptor_send(session->shell.socket, &iov, 1, attached);
	if (error == -EPIPE)
		return report_lost_shell(session, report);
	return error < 0 ? rf_report(report, -error, "an order to the shell: %m") : 0;
}

/* The shell that waits is the one for pages that come by the connection. */
int rf_session_change_shell(struct rf_session *session, struct rf_report *report)
{
	struct rf_shell_order order = { .kind = RF_SHELL_CHANGE_PROGRAM };

	return send_order(session, &order, RF_SESSION_RDMA_PROGRAM_FD, report);
}

int rf_session_order_shell(struct rf_session *session, struct rf_report *report)
{
	struct rf_shell_order order = { .kind = RF_SHELL_BECOME_IMAGE,
					.connection_id = session->handover.connection_id,
					.has_terminal = session->has_terminal,
					.is_check = session->is_check,
					.facts = *session->setup->facts };

	if (session->codec_flags & RF_FACTS_LZ4)
		order.codecs |= RF_CODEC_BIT(RF_CODEC_LZ4);
	if (session->codec_flags & RF_FACTS_ZSTD)
		order.codecs |= RF_CODEC_BIT(RF_CODEC_ZSTD);
	if (session->has_road)
		rf_format(order.rdma_device, sizeof(order.rdma_device), "%s",
			  session->setup->rdma_device);
	return send_order(session, &order, session->connection, report);
}

/*
 * Waits while the shell reads the image.  The connection is watched for the caller's end only,
 * which a poll can see without reading a byte.  0 once the child runs.
 */
int rf_session_await_shell(struct rf_session *session, struct rf_report *report)
{
	struct pollfd polled[] = { { .fd = session->shell.socket, .events = POLLIN },
				   { .fd = session->signals, .events = POLLIN },
				   { .fd = RF_SESSION_CHANNEL_FD, .events = POLLIN },
				   { .fd = session->connection, .events = POLLRDHUP } };
	struct rf_shell_report shell_report;
	int status;

	for (;;) {
		int number = 0;
		int got;

		if (poll(polled, 4, -1) < 0 && errno != EINTR)
			return rf_report(report, errno, "waiting for the shell: %m");
		if (polled[1].revents)
			number = rf_session_take_signal(session->signals);
		/* Death after the report is the child's own, and the relay's to tell. */
		got = polled[0].fd >= 0 ? read_shell(session, &shell_report, report) : 0;
		if (got > 0)
			return judge_report(session, &shell_report, report);
		if (report->error)
			return got;
		if (got < 0)
			polled[0].fd = -1;
		if (number == SIGCHLD &&
		    waitpid(session->shell.pid, &status, WNOHANG) == session->shell.pid) {
			session->shell.pid = 0;
			return report_death(session, status, report);
		}
		if (number == SIGTERM || polled[2].revents)
			return rf_report(report, ECONNRESET, "the server ends");
		if (polled[3].revents)
			return rf_report(report, ECONNRESET, "the caller closed the connection");
	}
}
