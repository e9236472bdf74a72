/* SPDX-License-Identifier: MIT */
/*
 * The session up to the moment when the child runs: drop privilege, start the shell,
 * wait for a connection, authenticate, compare the machines, and let the shell read the
 * image.  It must not touch the connection while the shell does (doc/protocol.txt, 1), and
 * never parses an image.
 */
#define _GNU_SOURCE
#include "server/session.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/auth.h"
#include "rfork/frame.h"
#include "rfork/image_format.h"
#include "rfork/io.h"
#include "rfork/machine_facts.h"
#include "rfork/rdma_device.h"
#include "rfork/restore_plan.h"
#include "rfork/rights.h"
#include "server/descendants.h"
#include "server/descriptor.h"
#include "server/handover.h"
#include "server/log.h"
#include "server/pty.h"
#include "server/session_relay.h"
#include "server/session_release.h"
#include "server/session_signals.h"
#include "server/session_streams.h"
#include "server/shell_protocol.h"
#include "server/spawn.h"

/* Beyond what rfork-shell gets as 3 to 7, so that starting it disturbs neither. */
#define CHANNEL_FD 16
#define PROGRAM_FD 17
#define RDMA_PROGRAM_FD 18
#define FIRST_OTHER_FD 19

#define SESSION_FILES (RF_CHANNELS_MAX + 64)
/* signalfd, epoll, sock_diag, and one to look into /proc. */
#define RESERVED_FDS 4

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 /* Linux 6.15; a second to two minutes */
#endif

#define REFUSAL_TIMEOUT_MS 2000

struct session {
	const struct rf_session_setup *setup;
	int connection;
	int signals; /* signalfd */
	struct rf_shell shell;
	struct rf_key key;
	struct rf_handover handover;
	struct rf_streams *streams;
	bool is_waiting;   /* the child is restored, and waits for the ghost's word */
	bool is_expecting; /* the same, and the relay begins meanwhile */
	struct rf_pty *pty;
	bool has_terminal; /* the caller */
	struct rf_frame_terminal terminal;
	bool has_road;	      /* pages may come by RDMA */
	bool is_check;	      /* the caller only asks; nothing is executed */
	uint32_t codec_flags; /* of facts: pages may come packed so */
	struct rf_warnings warnings; /* of what the child was not given */
	int reserved[RESERVED_FDS];
	struct rf_rights rights; /* of this process, which a child has, too */
};

static int move_descriptors(const struct rf_session_setup *setup)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int channel = fcntl(setup->channel, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
	int program = fcntl(setup->shell_program, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
	int rdma = setup->rdma_program < 0
			   ? fcntl(null, F_DUPFD_CLOEXEC, FIRST_OTHER_FD)
			   : fcntl(setup->rdma_program, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);

	if (null < 0 || channel < 0 || program < 0 || rdma < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup3(channel, CHANNEL_FD, O_CLOEXEC) < 0 ||
	    dup3(program, PROGRAM_FD, O_CLOEXEC) < 0 || dup3(rdma, RDMA_PROGRAM_FD, O_CLOEXEC) < 0)
		return -errno;
	if (close_range(STDERR_FILENO + 1, CHANNEL_FD - 1, 0) < 0 ||
	    close_range(FIRST_OTHER_FD, ~0u, 0) < 0)
		return -errno;
	return 0;
}

/*
 * SIGTERM comes when the listener has died (the parent-death signal) or from an administrator.
 * Before the shell has the image, nothing is lost by dying from it at once; later it is
 * blocked, and read from the signalfd.
 */
static int prepare_signals(struct session *session)
{
	sigset_t mask;

	if (signal(SIGTERM, SIG_DFL) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return -errno;
	sigfillset(&mask);
	sigdelset(&mask, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &mask, NULL) < 0)
		return -errno;
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	session->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return session->signals < 0 ? -errno : 0;
}

/* The listener's limit is not for a child.  An administrator may have changed it since. */
static int restore_file_limit(rlim_t files)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	limit.rlim_cur = files < limit.rlim_max ? files : limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

/* A session holds an end of each channel.  What the hard limit forbids shows when they come. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= SESSION_FILES)
		return;
	limit.rlim_cur = limit.rlim_max < SESSION_FILES ? limit.rlim_max : SESSION_FILES;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The kernel forgets the parent-death signal when the user changes: the order matters. */
static int become_session(struct session *session, struct rf_report *report)
{
	const struct rf_session_setup *setup = session->setup;
	int error = move_descriptors(setup);

	if (error == 0)
		error = prepare_signals(session);
	if (error < 0)
		return rf_report(report, -error, "descriptors and signals of a session: %m");
	/* Out of reach of the terminal, of its signals, and of kill(0) in the listener's group.
	 * The shell has a group of its own in this session, with us as the parent outside: stop
	 * signals work in it. */
	if (setsid() < 0 || restore_file_limit(setup->files) < 0)
		return rf_report(report, errno, "process group and limits of a session: %m");
	error = rf_privilege_drop(setup->user, report);
	if (error < 0)
		return error;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return rf_report(report, errno, "process attributes of a session: %m");
	if (getppid() != setup->listener)
		return rf_report(report, ESRCH, "the listener ended");
	rf_rights_read(&session->rights);
	return rf_key_allocate(&session->key, report);
}

/* Takes a pending signal; its number, or 0. */
static int take_signal(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo
									   : 0;
}

/* Ends the shell, if it still runs, and returns how it ended. */
static int end_shell(struct session *session)
{
	int status = 0;

	if (session->shell.pid <= 0)
		return 0;
	kill(session->shell.pid, SIGKILL);
	while (waitpid(session->shell.pid, &status, 0) < 0 && errno == EINTR)
		;
	session->shell.pid = 0;
	(void)rf_descendants_end(0);
	return status;
}

/* A spare waits here.  0 with a connection; -ECONNRESET if the listener wants no more. */
static int await_connection(struct session *session, struct rf_report *report)
{
	struct pollfd polled[] = { { .fd = CHANNEL_FD, .events = POLLIN },
				   { .fd = session->signals, .events = POLLIN } };

	for (;;) {
		if (poll(polled, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return rf_report(report, errno, "waiting for a connection: %m");
		}
		if (polled[0].revents) {
			session->connection =
				rf_handover_receive(CHANNEL_FD, &session->handover, &session->key);
			return session->connection < 0 ? session->connection : 0;
		}
		if (take_signal(session->signals) == SIGCHLD &&
		    waitpid(session->shell.pid, NULL, WNOHANG) == session->shell.pid) {
			session->shell.pid = 0;
			return rf_report(report, ECHILD, "the spare shell died");
		}
	}
}

/* A peer that takes nothing is asked less and less often whether it would, and only its silence
 * then tells that the machine has vanished: up to two minutes later, where Linux before 6.15 does
 * not know the option. */
static void limit_probe_interval(int fd, unsigned dead_after_s)
{
	int limit_ms = dead_after_s > 3 ? (int)dead_after_s * 1000 / 3 : 1000;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, &limit_ms, sizeof(limit_ms));
}

/* Notices a machine that vanished without a word.  Not TCP_USER_TIMEOUT, which would also give up
 * a ghost that is merely stopped. */
static void prepare_connection(int fd, unsigned dead_after_s)
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

/* Reads away what the peer still sends, so that closing does not reset the connection and take
 * the refusal with it; for a short time only. */
static void linger(int fd)
{
	int64_t deadline_ns = rf_io_deadline_ns(REFUSAL_TIMEOUT_MS);
	char buffer[4096];

	shutdown(fd, SHUT_WR);
	while (rf_io_wait(fd, POLLIN, deadline_ns) == 0 && rf_io_now_ns() < deadline_ns) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return;
	}
}

/* Nothing of the child may be left when the caller hears that there is none. */
static void refuse(struct session *session, const struct rf_report *report)
{
	end_shell(session);
	rf_log("refused: %s", report->sentence);
	rf_handover_tell(CHANNEL_FD, RF_NEWS_OVER);
	if (rf_frame_refuse(session->connection, report, 0,
			    rf_io_deadline_ns(REFUSAL_TIMEOUT_MS)) == 0)
		linger(session->connection);
}

/* What the caller's terminal is like follows its facts. */
static int receive_terminal(struct session *session, const struct rf_machine_facts *caller,
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

static int exchange_facts(struct session *session, int64_t deadline_ns, struct rf_report *report)
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

static int send_order(const struct session *session, struct rf_shell_order *order, int attached,
		      struct rf_report *report)
{
	struct iovec iov = { order, sizeof(*order) };
	int error;

	order->version = RF_SHELL_ORDER_VERSION;
	error = rf_descriptor_send(session->shell.socket, &iov, 1, attached);

	/* the spare may have died since it was made */
	return error < 0 ? rf_report(report, ECONNRESET, "the shell is gone: %s",
				     strerrordesc_np(-error))
			 : 0;
}

/* The shell that waits is the one for pages that come by the connection. */
static int change_shell(const struct session *session, struct rf_report *report)
{
	struct rf_shell_order order = { .kind = RF_SHELL_CHANGE_PROGRAM };

	return send_order(session, &order, RDMA_PROGRAM_FD, report);
}

static int order_shell(const struct session *session, struct rf_report *report)
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

static int out_of_descriptors(struct rf_report *report)
{
	return rf_report(report, EAGAIN,
			 "the node has no descriptors left for a child with so many "
			 "streams");
}

/* A channel that the shell has made. */
static int take_stream(const struct session *session, const struct rf_shell_stream *stream,
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
static int take_warning(struct session *session, const struct rf_shell_report *piece, size_t bytes,
			struct rf_report *report)
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
static int read_shell(struct session *session, struct rf_shell_report *shell_report,
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
static int judge_report(struct session *session, const struct rf_shell_report *shell_report,
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

static int report_death(int status, struct rf_report *report)
{
	if (WIFSIGNALED(status))
		return rf_report(report, ECONNRESET, "the shell died by signal %d",
				 WTERMSIG(status));
	return rf_report(report, ECONNRESET, "the shell exited with %d", WEXITSTATUS(status));
}

/*
 * Waits while the shell reads the image.  The connection is watched for the caller's end only,
 * which a poll can see without reading a byte.  0 once the child runs.
 */
static int await_shell(struct session *session, struct rf_report *report)
{
	struct pollfd polled[] = { { .fd = session->shell.socket, .events = POLLIN },
				   { .fd = session->signals, .events = POLLIN },
				   { .fd = CHANNEL_FD, .events = POLLIN },
				   { .fd = session->connection, .events = POLLRDHUP } };
	struct rf_shell_report shell_report;
	int status;

	for (;;) {
		int number = 0;
		int got;

		if (poll(polled, 4, -1) < 0 && errno != EINTR)
			return rf_report(report, errno, "waiting for the shell: %m");
		if (polled[1].revents)
			number = take_signal(session->signals);
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
			return report_death(status, report);
		}
		if (number == SIGTERM || polled[2].revents)
			return rf_report(report, ECONNRESET, "the server ends");
		if (polled[3].revents)
			return rf_report(report, ECONNRESET, "the caller closed the connection");
	}
}

/* The pipes for the standard channels join those that the shell has made. */
static int add_standard_streams(struct session *session)
{
	int error = 0;

	for (unsigned i = 0; i < RF_CHANNELS_STANDARD && error == 0; i++) {
		error = rf_streams_add(session->streams, i,
				       RF_STREAM_PIPE | (i ? RF_STREAM_WRITE : RF_STREAM_READ),
				       session->shell.standard[i]);
		session->shell.standard[i] = -1;
	}
	return error;
}

/* A terminal is made ready before the child can look at it; one that nobody wants is given up while
 * the shell reads. */
static int order_child(struct session *session, struct rf_report *report)
{
	int error = 0;

	if (session->has_terminal) {
		rf_pty_begin(session->pty, &session->terminal, session->shell.pid);
		error = rf_streams_add_terminal(session->streams, session->pty);
	}
	if (error < 0)
		return rf_report(report, -error, "the terminal: %m");
	error = order_shell(session, report);
	if (!session->has_terminal)
		rf_pty_drop(session->pty);
	return error;
}

static int hand_over(struct session *session, struct rf_report *report)
{
	int64_t deadline_ns = rf_io_deadline_ns(RF_AUTHENTICATION_TIMEOUT_MS);
	int error;

	if (session->handover.full)
		return rf_report(report, EAGAIN, "node is full: %u children",
				 session->handover.full);
	error = exchange_facts(session, deadline_ns, report);
	if (error == 0 && session->has_road)
		error = change_shell(session, report);
	if (error < 0)
		return error;
	/* From here on SIGTERM and the end of the listener are events of the loops. */
	rf_signals_block();
	error = add_standard_streams(session);
	if (error < 0)
		return rf_report(report, -error, "the standard streams: %m");
	error = order_child(session, report);
	return error < 0 ? error : await_shell(session, report);
}

/* What the relay opens for itself is set aside before the streams come: a child that runs must not
 * be lost for want of it. */
static int reserve_descriptors(struct session *session, struct rf_report *report)
{
	for (unsigned i = 0; i < RESERVED_FDS; i++) {
		session->reserved[i] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
		if (session->reserved[i] < 0)
			return rf_report(report, errno, "descriptors of a session: %m");
	}
	return 0;
}

static void release_descriptors(struct session *session)
{
	for (unsigned i = 0; i < RESERVED_FDS; i++)
		rf_descriptor_close(&session->reserved[i]);
}

static void announce_child(struct session *session)
{
	if (!session->is_expecting)
		rf_descriptor_close(&session->shell.socket);
	rf_log("running as process %d", (int)session->shell.pid);
	if (!session->is_waiting)
		rf_release_announce(session->connection, session->shell.pid,
				    session->is_expecting ? RF_RUNNING_EXPECTS : 0,
				    &session->warnings);
	rf_handover_tell(CHANNEL_FD, RF_NEWS_RUNNING);
}

/* A process that moves executes nothing here before it has left home for good. */
static int release_child(struct session *session, struct rf_report *report)
{
	struct rf_release release = { .connection = session->connection,
				      .listener = CHANNEL_FD,
				      .signals = session->signals,
				      .child_socket = session->shell.socket,
				      .dead_after_s = session->handover.dead_after_s,
				      .child = session->shell.pid,
				      .warnings = &session->warnings };
	int error = session->is_waiting ? rf_release_child(&release, report) : 0;

	session->shell.pid = release.child;
	return error;
}

/* It was restored for nothing, and nobody waits for a refusal. */
static void drop_child(struct session *session, const struct rf_report *report)
{
	rf_streams_close(session->streams);
	end_shell(session);
	rf_log("not gone on: %s", report->sentence);
	rf_handover_tell(CHANNEL_FD, RF_NEWS_OVER);
}

/* The caller has asked, and has heard from the shell what stands against its image. */
static void end_check(struct session *session)
{
	rf_streams_close(session->streams);
	end_shell(session);
	rf_log("checked");
	rf_handover_tell(CHANNEL_FD, RF_NEWS_OVER);
	if (rf_frame_send(session->connection, RF_FRAME_CHECKED, 0, 0, NULL, 0,
			  rf_io_deadline_ns(REFUSAL_TIMEOUT_MS)) == 0)
		linger(session->connection);
}

static void relay(struct session *session)
{
	struct rf_session_relay setup = {
		.connection = session->connection,
		.listener = CHANNEL_FD,
		.listener_pid = session->setup->listener,
		.signals = session->signals,
		.dead_after_s = session->handover.dead_after_s,
		.child = session->shell.pid,
		.streams = session->streams,
		.pty = session->pty,
	};

	release_descriptors(session);
	announce_child(session);
	setup.child_socket = session->shell.socket;
	rf_session_relay(&setup);
}

static void serve(struct session *session)
{
	struct rf_report report = { 0 };
	int error;

	rf_log_set_connection(session->handover.connection_id);
	prepare_connection(session->connection, session->handover.dead_after_s);
	error = rf_auth_node(session->connection, &session->key,
			     rf_io_deadline_ns(RF_AUTHENTICATION_TIMEOUT_MS), &report);
	rf_key_wipe(&session->key);
	if (error < 0) {
		/* The refusal has gone out; not another byte of this peer is looked at. */
		rf_log("not authenticated: %s", report.sentence);
		rf_handover_tell(CHANNEL_FD, RF_NEWS_OVER);
		end_shell(session);
		return;
	}
	error = hand_over(session, &report);
	if (error < 0) {
		rf_streams_close(session->streams);
		refuse(session, &report);
		return;
	}
	if (session->is_check) {
		end_check(session);
		return;
	}
	error = release_child(session, &report);
	if (error < 0)
		drop_child(session, &report);
	else
		relay(session);
}

/*
 * A spare goes through a handshake with itself, which must fail: its key is all zeros.  What a
 * fresh process touches for the first time costs a page fault, and this way no caller waits for
 * those of the handshake.
 */
static void warm_up(struct session *session)
{
	const struct rf_frame_proof no_proof = { 0 };
	struct rf_report report = { 0 };
	struct rf_frame_hello hello;
	int64_t deadline_ns = rf_io_deadline_ns(REFUSAL_TIMEOUT_MS);
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	if (rf_auth_hello(ends[0], &hello, deadline_ns, "nobody", &report) == 0 &&
	    rf_frame_send(ends[0], RF_FRAME_PROOF, 0, 0, &no_proof, sizeof(no_proof),
			  deadline_ns) == 0)
		(void)rf_auth_node(ends[1], &session->key, deadline_ns, &report);
	(void)rf_machine_facts_compare(session->setup->facts, session->setup->facts, &report);
	close(ends[0]);
	close(ends[1]);
}

/* A process that exists gets no controlling terminal any more, so the terminal comes first. */
static int spawn_shell(struct session *session, struct rf_report *report)
{
	int slave = rf_pty_open(session->pty) == 0 ? rf_pty_open_slave(session->pty) : -1;
	int error;

	error = rf_spawn_shell(&session->shell, PROGRAM_FD, slave, session->setup->user, report);
	if (slave >= 0)
		close(slave);
	return error;
}

void rf_session_run(const struct rf_session_setup *setup)
{
	/* static: touched only as far as there are channels */
	static struct rf_streams streams;
	static struct rf_pty pty;
	struct session session = {
		.setup = setup,
		.connection = -1,
		.signals = -1,
		.streams = &streams,
		.pty = &pty,
		.reserved = { [0 ... RESERVED_FDS - 1] = -1 },
	};
	struct rf_report report = { 0 };
	int error = become_session(&session, &report);

	if (error == 0)
		error = spawn_shell(&session, &report);
	if (error == 0) {
		raise_file_limit();
		error = reserve_descriptors(&session, &report);
	}
	if (error == 0) {
		warm_up(&session);
		error = await_connection(&session, &report);
	}
	if (error == 0) {
		serve(&session);
		_exit(EXIT_SUCCESS);
	}
	end_shell(&session);
	rf_key_wipe(&session.key);
	if (!report.error)
		_exit(EXIT_SUCCESS); /* a spare that is no longer wanted */
	rf_log("session: %s", report.sentence);
	_exit(EXIT_FAILURE);
}
