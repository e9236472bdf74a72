/* SPDX-License-Identifier: MIT */
/*
 * A session and the caller before the image: the connection, what both tell each other of their
 * machines, and how a refusal gets there.  Called by session.c, and only while the shell does not
 * have the connection.
 */
#define _GNU_SOURCE
#include "server/session_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/machine_facts.h"
#include "rfork/rdma_device.h"
#include "server/log.h"

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 /* Linux 6.15; a second to two minutes */
#endif

/* A peer that takes nothing is asked less and less often whether it would, and only its silence
 * then tells that the machine has vanished: up to two minutes later, where Linux before 6.15 does
 * not know the option. */
static void limit_probe_interval(int fd, unsigned dead_after_s)
{
	int limit_ms = dead_after_s > 3 ? (int)dead_after_s * 1000 / 3 : 1000;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, &limit_ms, sizeof(limit_ms));
}

/* Not TCP_USER_TIMEOUT, which would also give up
 * a ghost that is merely stopped. */
void rf_session_prepare_connection(int fd, unsigned dead_after_s)
{
	int idle_s = dead_after_s >= 3 ? (int)dead_after_s / 3 : 1;
	int probing_s = (int)dead_after_s > idle_s ? (int)dead_after_s - idle_s : 1;
	int interval_s = probing_s >= 5 ? probing_s / 5 : 1;
	int count = probing_s / interval_s;
	int on = 1;
	int domain = AF_UNIX;
	socklen_t bytes = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) < 0 || domain == AF_UNIX)
		return;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count)) < 0)
		rf_log("socket options of the connection: %s", strerrordesc_np(errno));
	limit_probe_interval(fd, dead_after_s);
}

/* What the caller's terminal is like follows its facts. */
static int receive_terminal(struct rf_session *session, const struct rf_machine_facts *caller,
			    int64_t deadline_ns, struct rf_report *report)
{
	int error;

	if (caller->flags &
	    ~(RF_FACTS_TERMINAL | RF_FACTS_RDMA | RF_FACTS_LZ4 | RF_FACTS_ZSTD | RF_FACTS_CHECK))
		return rf_report(report, EBADMSG, "the caller sent unknown flags");
	session->has_terminal = caller->flags & RF_FACTS_TERMINAL;
	if (!session->has_terminal)
		return 0;
	error = rf_frame_expect(session->connection, RF_FRAME_TERMINAL, &session->terminal,
				sizeof(session->terminal), deadline_ns, "the caller", report);
	if (error == 0 && (session->terminal.flags & ~RF_TERMINAL_FOREGROUND ||
			   session->terminal.number || session->terminal.reserved))
		return rf_report(report, EBADMSG, "the caller sent a malformed terminal");
	return error;
}

/* Whether pages could come by RDMA.  Devices come and go. */
static bool has_rdma(const struct rf_session_setup *setup)
{
	if (setup->rdma_program < 0)
		return false;
	return setup->rdma_device[0] ? rf_rdma_has_device_named(setup->rdma_device)
				     : rf_rdma_has_device();
}

int rf_session_exchange_facts(struct rf_session *session, int64_t deadline_ns,
			      struct rf_report *report)
{
	struct rf_machine_facts caller, welcome = *session->setup->facts;
	int error = rf_frame_expect(session->connection, RF_FRAME_REQUEST, &caller, sizeof(caller),
				    deadline_ns, "the caller", report);

	if (error < 0)
		return error;
	error = receive_terminal(session, &caller, deadline_ns, report);
	if (error == 0)
		error = rf_machine_facts_compare(&caller, session->setup->facts, report);
	if (error < 0)
		return error;
	session->has_terminal = session->has_terminal && rf_pty_is_open(session->pty);
	session->has_road = caller.flags & RF_FACTS_RDMA && has_rdma(session->setup);
	session->is_check = caller.flags & RF_FACTS_CHECK;
	rf_rights_put(&welcome, &session->rights);
	session->codec_flags = caller.flags & (RF_FACTS_LZ4 | RF_FACTS_ZSTD);
	welcome.flags = (session->has_terminal ? RF_FACTS_TERMINAL : 0) |
			(session->has_road ? RF_FACTS_RDMA : 0) | session->codec_flags;
	error = rf_frame_send(session->connection, RF_FRAME_WELCOME, 0, 0, &welcome,
			      sizeof(welcome), deadline_ns);
	return error < 0 ? rf_report(report, -error, "welcoming the caller: %m") : 0;
}

void rf_session_linger(int fd)
{
	int64_t deadline_ns = rf_io_deadline_ns(RF_REFUSAL_TIMEOUT_MS);
	char buffer[4096];

	shutdown(fd, SHUT_WR);
	while (rf_io_wait(fd, POLLIN, deadline_ns) == 0 && rf_io_now_ns() < deadline_ns) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return;
	}
}
