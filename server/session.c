/* SPDX-License-Identifier: MIT */
/*
 * The session up to the moment when the child runs: drop privilege, start the shell,
 * wait for a connection, authenticate, compare the machines, and let the shell read the
 * image.  It must not touch the connection while the shell does (doc/protocol.txt, 1), and
 * never parses an image.
 */
#define _GNU_SOURCE
#include "server/session_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/auth.h"
#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/machine_facts.h"
#include "rfork/rights.h"
#include "server/descriptor.h"
#include "server/log.h"
#include "server/session_relay.h"
#include "server/session_release.h"
#include "server/session_signals.h"

#define SESSION_FILES (RF_CHANNELS_MAX + 64)

static int move_descriptors(const struct rf_session_setup *setup)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int channel = fcntl(setup->channel, F_DUPFD_CLOEXEC, RF_SESSION_FIRST_OTHER_FD);
	int program = fcntl(setup->shell_program, F_DUPFD_CLOEXEC, RF_SESSION_FIRST_OTHER_FD);
	int rdma = setup->rdma_program < 0
			   ? fcntl(null, F_DUPFD_CLOEXEC, RF_SESSION_FIRST_OTHER_FD)
			   : fcntl(setup->rdma_program, F_DUPFD_CLOEXEC, RF_SESSION_FIRST_OTHER_FD);

	if (null < 0 || channel < 0 || program < 0 || rdma < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup3(channel, RF_SESSION_CHANNEL_FD, O_CLOEXEC) < 0 ||
	    dup3(program, RF_SESSION_PROGRAM_FD, O_CLOEXEC) < 0 ||
	    dup3(rdma, RF_SESSION_RDMA_PROGRAM_FD, O_CLOEXEC) < 0)
		return -errno;
	if (close_range(STDERR_FILENO + 1, RF_SESSION_CHANNEL_FD - 1, 0) < 0 ||
	    close_range(RF_SESSION_FIRST_OTHER_FD, ~0u, 0) < 0)
		return -errno;
	return 0;
}

/*
 * SIGTERM comes when the listener has died (the parent-death signal) or from an administrator.
 * Before the shell has the image, nothing is lost by dying from it at once; later it is
 * blocked, and read from the signalfd.
 */
static int prepare_signals(struct rf_session *session)
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
static int become_session(struct rf_session *session, struct rf_report *report)
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

/* A spare waits here.  0 with a connection; -ECONNRESET if the listener wants no more. */
static int await_connection(struct rf_session *session, struct rf_report *report)
{
	struct pollfd polled[] = { { .fd = RF_SESSION_CHANNEL_FD, .events = POLLIN },
				   { .fd = session->signals, .events = POLLIN } };

	for (;;) {
		if (poll(polled, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return rf_report(report, errno, "waiting for a connection: %m");
		}
		if (polled[0].revents) {
			session->connection = rf_handover_receive(
				RF_SESSION_CHANNEL_FD, &session->handover, &session->key);
			return session->connection < 0 ? session->connection : 0;
		}
		if (rf_session_take_signal(session->signals) == SIGCHLD &&
		    waitpid(session->shell.pid, NULL, WNOHANG) == session->shell.pid) {
			session->shell.pid = 0;
			return rf_report(report, ECHILD, "the spare shell died");
		}
	}
}

/* Nothing of the child may be left when the caller hears that there is none. */
static void refuse(struct rf_session *session, const struct rf_report *report)
{
	rf_session_end_shell(session);
	rf_log("refused: %s", report->sentence);
	rf_handover_tell(RF_SESSION_CHANNEL_FD, RF_NEWS_OVER);
	if (rf_frame_refuse(session->connection, report, 0,
			    rf_io_deadline_ns(RF_REFUSAL_TIMEOUT_MS)) == 0)
		rf_session_linger(session->connection);
}

/* The pipes for the standard channels join those that the shell has made. */
static int add_standard_streams(struct rf_session *session)
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
static int order_child(struct rf_session *session, struct rf_report *report)
{
	int error = 0;

	if (session->has_terminal) {
		rf_pty_begin(session->pty, &session->terminal, session->shell.pid);
		error = rf_streams_add_terminal(session->streams, session->pty);
	}
	if (error < 0)
		return rf_report(report, -error, "the terminal: %m");
	error = rf_session_order_shell(session, report);
	if (!session->has_terminal)
		rf_pty_drop(session->pty);
	return error;
}

static int hand_over(struct rf_session *session, struct rf_report *report)
{
	int64_t deadline_ns = rf_io_deadline_ns(RF_AUTHENTICATION_TIMEOUT_MS);
	int error;

	if (session->handover.full)
		return rf_report(report, EAGAIN, "node is full: %u children",
				 session->handover.full);
	error = rf_session_exchange_facts(session, deadline_ns, report);
	if (error == 0 && session->has_road)
		error = rf_session_change_shell(session, report);
	if (error < 0)
		return error;
	/* From here on SIGTERM and the end of the listener are events of the loops. */
	rf_signals_block();
	error = add_standard_streams(session);
	if (error < 0)
		return rf_report(report, -error, "the standard streams: %m");
	error = order_child(session, report);
	return error < 0 ? error : rf_session_await_shell(session, report);
}

/* What the relay opens for itself is set aside before the streams come: a child that runs must not
 * be lost for want of it. */
static int reserve_descriptors(struct rf_session *session, struct rf_report *report)
{
	for (unsigned i = 0; i < RF_SESSION_RESERVED_FDS; i++) {
		session->reserved[i] =
			fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, RF_SESSION_FIRST_OTHER_FD);
		if (session->reserved[i] < 0)
			return rf_report(report, errno, "descriptors of a session: %m");
	}
	return 0;
}

static void release_descriptors(struct rf_session *session)
{
	for (unsigned i = 0; i < RF_SESSION_RESERVED_FDS; i++)
		rf_descriptor_close(&session->reserved[i]);
}

static void announce_child(struct rf_session *session)
{
	if (!session->is_expecting)
		rf_descriptor_close(&session->shell.socket);
	rf_log("running as process %d", (int)session->shell.pid);
	if (!session->is_waiting)
		rf_release_announce(session->connection, session->shell.pid,
				    session->is_expecting ? RF_RUNNING_EXPECTS : 0,
				    &session->warnings);
	rf_handover_tell(RF_SESSION_CHANNEL_FD, RF_NEWS_RUNNING);
}

/* A process that moves executes nothing here before it has left home for good. */
static int release_child(struct rf_session *session, struct rf_report *report)
{
	struct rf_release release = { .connection = session->connection,
				      .listener = RF_SESSION_CHANNEL_FD,
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
static void drop_child(struct rf_session *session, const struct rf_report *report)
{
	rf_streams_close(session->streams);
	rf_session_end_shell(session);
	rf_log("not gone on: %s", report->sentence);
	rf_handover_tell(RF_SESSION_CHANNEL_FD, RF_NEWS_OVER);
}

/* The caller has asked, and has heard from the shell what stands against its image. */
static void end_check(struct rf_session *session)
{
	rf_streams_close(session->streams);
	rf_session_end_shell(session);
	rf_log("checked");
	rf_handover_tell(RF_SESSION_CHANNEL_FD, RF_NEWS_OVER);
	if (rf_frame_send(session->connection, RF_FRAME_CHECKED, 0, 0, NULL, 0,
			  rf_io_deadline_ns(RF_REFUSAL_TIMEOUT_MS)) == 0)
		rf_session_linger(session->connection);
}

static void relay(struct rf_session *session)
{
	struct rf_session_relay setup = {
		.connection = session->connection,
		.listener = RF_SESSION_CHANNEL_FD,
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

static void serve(struct rf_session *session)
{
	struct rf_report report = { 0 };
	int error;

	rf_log_set_connection(session->handover.connection_id);
	rf_session_prepare_connection(session->connection, session->handover.dead_after_s);
	error = rf_auth_node(session->connection, &session->key,
			     rf_io_deadline_ns(RF_AUTHENTICATION_TIMEOUT_MS), &report);
	rf_key_wipe(&session->key);
	if (error < 0) {
		/* The refusal has gone out; not another byte of this peer is looked at. */
		rf_log("not authenticated: %s", report.sentence);
		rf_handover_tell(RF_SESSION_CHANNEL_FD, RF_NEWS_OVER);
		rf_session_end_shell(session);
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
static void warm_up(struct rf_session *session)
{
	const struct rf_frame_proof no_proof = { 0 };
	struct rf_report report = { 0 };
	struct rf_frame_hello hello;
	int64_t deadline_ns = rf_io_deadline_ns(RF_REFUSAL_TIMEOUT_MS);
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
static int spawn_shell(struct rf_session *session, struct rf_report *report)
{
	int slave = rf_pty_open(session->pty) == 0 ? rf_pty_open_slave(session->pty) : -1;
	int error;

	error = rf_spawn_shell(&session->shell, RF_SESSION_PROGRAM_FD, slave, session->setup->user,
			       report);
	if (slave >= 0)
		close(slave);
	return error;
}

void rf_session_run(const struct rf_session_setup *setup)
{
	/* static: touched only as far as there are channels */
	static struct rf_streams streams;
	static struct rf_pty pty;
	struct rf_session session = {
		.setup = setup,
		.connection = -1,
		.signals = -1,
		.streams = &streams,
		.pty = &pty,
		.reserved = { [0 ... RF_SESSION_RESERVED_FDS - 1] = -1 },
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
	rf_session_end_shell(&session);
	rf_key_wipe(&session.key);
	if (!report.error)
		_exit(EXIT_SUCCESS); /* a spare that is no longer wanted */
	rf_log("session: %s", report.sentence);
	_exit(EXIT_FAILURE);
}
