/* SPDX-License-Identifier: MIT */
/*
 * Runs the steps of a script.  Called by the stage, in a process of its own; knows nothing of the
 * rules, and of rfork() only at a fork.
 */
#define _GNU_SOURCE
#include "tests/model/actor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER_BYTES 65536

static struct actor {
	struct actor_stage stage;
	unsigned self;
	unsigned step;
	unsigned copies[SCRIPT_ENDS];
	int fds[SCRIPT_ENDS][SCRIPT_COPIES];
	pid_t children[SCRIPT_PROCESSES];
	char buffer[BUFFER_BYTES];
} actor;

void actor_file_path(const struct actor_stage *stage, const char *name, char path[96])
{
	snprintf(path, 96, "%s/%s", stage->directory, name);
}

void actor_trace_path(const struct actor_stage *stage, unsigned process, char path[96])
{
	snprintf(path, 96, "%s/p%u", stage->directory, process);
}

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
	char path[96], line[256];
	va_list arguments;
	int fd, length = snprintf(line, sizeof(line), "%3u ", actor.step);

	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, arguments);
	va_end(arguments);
	line[length++] = '\n';
	actor_trace_path(&actor.stage, actor.self, path);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, (size_t)length) != length)
		_exit(99);
	close(fd);
}

static void tell_failure(const char *call)
{
	tell("%s: %s", call, strerrorname_np(errno));
}

/* -- descriptors ------------------------------------------------------------------------------ */

static int fd_of(unsigned end)
{
	return actor.fds[end][actor.copies[end] - 1];
}

static void add_fd(unsigned end, int fd)
{
	actor.fds[end][actor.copies[end]++] = fd;
}

static void make_fifo(const char *path, int ends[2], int flags)
{
	/* the reader first, for the writer would wait for it */
	mkfifo(path, 0600);
	ends[0] = open(path, O_RDONLY | O_NONBLOCK);
	ends[1] = open(path, O_WRONLY | flags);
	if (!(flags & O_NONBLOCK))
		fcntl(ends[0], F_SETFL, fcntl(ends[0], F_GETFL) & ~O_NONBLOCK);
}

static void make_object(unsigned end, enum script_kind kind, bool is_nonblocking)
{
	int ends[2] = { -1, -1 };
	char path[96], name[16];

	switch (kind) {
	case SCRIPT_PIPE:
		if (pipe2(ends, is_nonblocking ? O_NONBLOCK : 0) < 0)
			tell_failure("pipe2");
		break;
	case SCRIPT_SOCKETS:
		if (socketpair(AF_UNIX, SOCK_STREAM | (is_nonblocking ? SOCK_NONBLOCK : 0), 0,
			       ends) < 0)
			tell_failure("socketpair");
		break;
	case SCRIPT_FIFO:
		snprintf(name, sizeof(name), "fifo%u", script_object(end));
		actor_file_path(&actor.stage, name, path);
		make_fifo(path, ends, is_nonblocking ? O_NONBLOCK : 0);
		break;
	case SCRIPT_FILE:
		break;
	}
	add_fd(end, ends[0]);
	add_fd(script_far(end), ends[1]);
}

static void copy(const struct script_step *step)
{
	int fd = fcntl(fd_of(step->end), step->value ? F_DUPFD_CLOEXEC : F_DUPFD, 0);

	if (fd < 0)
		tell_failure("fcntl");
	add_fd(step->end, fd);
}

/* Standard descriptors go last: their numbers would be taken by others. */
static void close_one(const struct script_step *step)
{
	int fd = fd_of(step->end);

	actor.copies[step->end]--;
	if (fd > 2) {
		close(fd);
		return;
	}
	/* somewhere it must be, for the next descriptor would get its number */
	fd = open("/dev/null", O_RDWR);
	if (fd < 0 || dup2(fd, actor.fds[step->end][actor.copies[step->end]]) < 0)
		tell_failure("dup2");
	close(fd);
}

/* What a process is born with. */
static void tell_descriptors(void)
{
	for (unsigned end = 0; end < SCRIPT_ENDS; end++) {
		for (unsigned i = 0; i < actor.copies[end]; i++) {
			int fd = actor.fds[end][i];
			int flags = fcntl(fd, F_GETFL);

			tell("fd %d: mode %d%s%s", fd, flags < 0 ? -1 : flags & O_ACCMODE,
			     flags >= 0 && flags & O_NONBLOCK ? ", O_NONBLOCK" : "",
			     fcntl(fd, F_GETFD) & FD_CLOEXEC ? ", FD_CLOEXEC" : "");
		}
	}
}

/* -- streams ---------------------------------------------------------------------------------- */

static bool is_as_written(const struct script_step *step, unsigned done, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		unsigned position = step->position + done + (unsigned)i;

		if ((unsigned char)actor.buffer[i] !=
		    script_byte(actor.stage.script->seed, step->end, position)) {
			tell("byte %u is not what was written", position);
			return false;
		}
	}
	return true;
}

static void wait_for(int fd, short events)
{
	struct pollfd polled = { .fd = fd, .events = events };

	while (poll(&polled, 1, -1) < 0 && errno == EINTR)
		;
}

static ssize_t read_waiting(int fd, size_t bytes)
{
	ssize_t got;

	while ((got = read(fd, actor.buffer, bytes)) < 0 && (errno == EAGAIN || errno == EINTR))
		if (errno == EAGAIN)
			wait_for(fd, POLLIN);
	return got;
}

/* Reads `limit` bytes, or to the end. */
static void read_until(const struct script_step *step, unsigned limit)
{
	unsigned done = 0;
	bool is_right = true;
	ssize_t got = 1;

	while (done < limit && got > 0) {
		size_t bytes = limit - done < BUFFER_BYTES ? limit - done : BUFFER_BYTES;

		got = read_waiting(fd_of(step->end), bytes);
		if (got > 0) {
			is_right = is_right && is_as_written(step, done, (size_t)got);
			done += (unsigned)got;
		}
	}
	tell("read %u bytes%s", done, got == 0 ? ", then the end" : "");
	if (got < 0)
		tell_failure("read");
}

static void read_once(const struct script_step *step)
{
	ssize_t got = read(fd_of(step->end), actor.buffer, step->bytes);

	if (got < 0)
		tell_failure("read");
	else if (is_as_written(step, 0, (size_t)got))
		tell("read %zd bytes", got);
}

/* All that is there now. */
static void read_rest(const struct script_step *step)
{
	struct pollfd polled = { .fd = fd_of(step->end), .events = POLLIN };
	bool is_right = true;
	unsigned done = 0;
	ssize_t got = 1;

	while (got > 0 && poll(&polled, 1, 0) > 0) {
		got = read(polled.fd, actor.buffer, BUFFER_BYTES);
		is_right = is_right && (got <= 0 || is_as_written(step, done, (size_t)got));
		done += got > 0 ? (unsigned)got : 0;
	}
	tell("%u bytes were left%s", done, got == 0 ? ", then the end" : "");
	if (got < 0)
		tell_failure("read");
}

static void look(const struct script_step *step)
{
	short asked = POLLIN | POLLRDHUP | (step->value ? POLLOUT : 0);
	struct pollfd polled = { .fd = fd_of(step->end), .events = asked };

	if (poll(&polled, 1, 0) < 0)
		tell_failure("poll");
	tell("poll:%s%s%s%s%s", polled.revents & POLLIN ? " in" : "",
	     polled.revents & POLLOUT ? " out" : "", polled.revents & POLLHUP ? " hang-up" : "",
	     polled.revents & POLLRDHUP ? " half" : "", polled.revents & POLLERR ? " error" : "");
}

static void fill(const struct script_step *step, unsigned done, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		actor.buffer[i] = (char)script_byte(actor.stage.script->seed, script_far(step->end),
						    step->position + done + (unsigned)i);
}

static ssize_t write_waiting(int fd, size_t bytes)
{
	ssize_t put;

	while ((put = write(fd, actor.buffer, bytes)) < 0 && (errno == EAGAIN || errno == EINTR))
		if (errno == EAGAIN)
			wait_for(fd, POLLOUT);
	return put;
}

static void write_bytes(const struct script_step *step)
{
	unsigned done = 0;

	while (done < step->bytes) {
		size_t bytes = step->bytes - done < BUFFER_BYTES ? step->bytes - done
								 : BUFFER_BYTES;
		ssize_t put;

		fill(step, done, bytes);
		put = write_waiting(fd_of(step->end), bytes);
		if (put < 0) {
			tell_failure("write");
			return;
		}
		done += (unsigned)put;
	}
	tell("wrote %u bytes", done);
}

static void write_broken(const struct script_step *step)
{
	ssize_t put;

	/* before: it may be the last word */
	tell("writing");
	actor.buffer[0] = 0;
	do
		put = write_waiting(fd_of(step->end), 1);
	while (put >= 0 && step->op == SCRIPT_WRITE_UNTIL_BROKEN);
	if (put < 0)
		tell_failure("write");
	else
		tell("wrote %zd bytes", put);
}

/* -- signals ---------------------------------------------------------------------------------- */

/* Those that are waited for; see told_signals of the generator. */
static bool is_told(int signal)
{
	return signal == SIGUSR1 || signal == SIGUSR2 || signal == SIGWINCH || signal == 36 ||
	       signal == 37 || (signal >= 50 && signal <= 60);
}

/* As they are in a fresh process, but for those that are told. */
static void set_signals(void)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	for (int number = 1; number < 65; number++) {
		signal(number, SIG_DFL);
		if (is_told(number))
			sigaddset(&blocked, number);
	}
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static pid_t pid_of(unsigned process)
{
	return process > actor.self ? actor.children[process] : getppid();
}

static void send_signal(const struct script_step *step)
{
	union sigval value = { .sival_int = step->value };
	pid_t pid = pid_of(step->other);
	int result = step->value < 0 ? kill(pid, step->signal) : sigqueue(pid, step->signal, value);

	if (result < 0)
		tell_failure("sending");
}

static void await_signal(const struct script_step *step)
{
	siginfo_t info = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, step->signal);
	while (sigwaitinfo(&set, &info) < 0)
		if (errno != EINTR)
			return tell_failure("sigwaitinfo");
	tell("signal %d, code %d, value %d, %s", info.si_signo, info.si_code,
	     info.si_code == SI_QUEUE ? info.si_value.sival_int : -1,
	     info.si_pid == pid_of(step->other) ? "of whom it was to be" : "of somebody else");
}

/* A signal that has come while it was blocked by whoever started us would be of no use. */
_Noreturn static void die(int signal)
{
	raise(signal);
	tell("still alive after signal %d", signal);
	_exit(98);
}

/* -- processes -------------------------------------------------------------------------------- */

static pid_t rfork_returns_twice(unsigned process)
{
	const struct node *node = &actor.stage.nodes[process % ACTOR_NODES];
	struct rfork_options options = { .size = sizeof(options), .key_file = node->key_file };

	return rfork_with(node->host, &options);
}

static void make_child(const struct script_step *step)
{
	pid_t pid = actor.stage.nodes ? rfork_returns_twice(step->other) : fork();

	if (pid < 0)
		tell("no child: %s: %s", strerrorname_np(errno),
		     actor.stage.nodes ? rfork_error() : "fork");
	if (pid != 0) {
		actor.children[step->other] = pid;
		return;
	}
	actor.self = step->other;
	if (!actor.stage.nodes)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	tell("born");
	tell_descriptors();
}

static void tell_status(int status)
{
	if (WIFEXITED(status))
		tell("exited with %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		tell("died by signal %d", WTERMSIG(status));
	else if (WIFSTOPPED(status))
		tell("stopped by signal %d", WSTOPSIG(status));
	else
		tell("%s", WIFCONTINUED(status) ? "goes on" : "an unknown status");
}

static void wait_for_child(const struct script_step *step, int options)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(actor.children[step->other], &status, options)) < 0 && errno == EINTR)
		;
	if (pid < 0)
		tell_failure("waitpid");
	else if (pid == 0)
		tell("not ended");
	else
		tell_status(status);
}

static void signal_child(const struct script_step *step, int signal)
{
	if (actor.children[step->other] <= 0 || kill(actor.children[step->other], signal) < 0)
		tell_failure("kill");
}

/* -- the whole -------------------------------------------------------------------------------- */

static void play_stream(const struct script_step *step)
{
	switch (step->op) {
	case SCRIPT_CREATE:
		make_object(step->end, step->kind, step->value);
		return;
	case SCRIPT_COPY:
		copy(step);
		return;
	case SCRIPT_CLOSE:
		close_one(step);
		return;
	case SCRIPT_SHUT:
		if (shutdown(fd_of(step->end), SHUT_WR) < 0)
			tell_failure("shutdown");
		return;
	case SCRIPT_WRITE:
		write_bytes(step);
		return;
	case SCRIPT_WRITE_BROKEN:
	case SCRIPT_WRITE_UNTIL_BROKEN:
		write_broken(step);
		return;
	case SCRIPT_READ:
		read_until(step, step->bytes);
		return;
	case SCRIPT_READ_END:
		read_until(step, UINT32_MAX);
		return;
	case SCRIPT_READ_ONCE:
		read_once(step);
		return;
	case SCRIPT_LOOK:
		look(step);
		return;
	default:
		read_rest(step);
	}
}

static void play_process(const struct script_step *step)
{
	switch (step->op) {
	case SCRIPT_FORK:
		make_child(step);
		return;
	case SCRIPT_EXIT:
		_exit(step->value);
	case SCRIPT_DIE:
		die(step->signal);
	case SCRIPT_WAIT:
		wait_for_child(step, 0);
		return;
	case SCRIPT_ALIVE:
		wait_for_child(step, WNOHANG);
		return;
	case SCRIPT_PARK:
		for (;;)
			pause();
	case SCRIPT_KILL:
		signal_child(step, step->signal);
		return;
	case SCRIPT_SEND:
		send_signal(step);
		return;
	case SCRIPT_AWAIT:
		await_signal(step);
		return;
	case SCRIPT_STOP:
		raise(step->signal);
		return;
	case SCRIPT_AWAIT_STOP:
		wait_for_child(step, WUNTRACED);
		return;
	case SCRIPT_FREEZE:
		signal_child(step, SIGSTOP);
		wait_for_child(step, WUNTRACED);
		/* fall through */
	case SCRIPT_CONTINUE:
		signal_child(step, SIGCONT);
		wait_for_child(step, WCONTINUED);
		return;
	default:
		signal(SIGPIPE, step->value ? SIG_IGN : SIG_DFL);
	}
}

/* Puts a file, or one end of something else, where the root is to have it. */
static void set_standard(unsigned end, enum script_kind kind, const char *name, int flags)
{
	char path[96];
	int fd;

	if (kind == SCRIPT_FILE) {
		actor_file_path(&actor.stage, name, path);
		add_fd(end, open(path, flags | O_CREAT, 0600));
	} else {
		make_object(SCRIPT_END(script_object(end), 0), kind, false);
	}
	fd = fd_of(end);
	if (fd != (int)(end % 2)) {
		dup2(fd, (int)(end % 2));
		close(fd);
	}
	actor.fds[end][0] = (int)(end % 2);
}

static void set_up(const struct script *script)
{
	const struct rlimit none = { 0, 0 };
	char path[96];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies takes its processes along */
	setrlimit(RLIMIT_CORE, &none);
	setpgid(0, 0); /* a child of another group: ours is not orphaned, and may stop */
	set_signals();
	actor_file_path(&actor.stage, "stderr", path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 2);
	close_range(3, ~0u, 0);
	set_standard(SCRIPT_INPUT, script->input, "stdin", O_RDONLY);
	set_standard(SCRIPT_OUTPUT, script->output, "stdout", O_WRONLY);
}

_Noreturn void actor_begin(const struct actor_stage *stage)
{
	const struct script *script = stage->script;

	actor.stage = *stage;
	set_up(script);
	for (; actor.step < script->count; actor.step++) {
		const struct script_step *step = &script->steps[actor.step];

		if (step->process != actor.self)
			continue;
		if (step->op < SCRIPT_FORK)
			play_stream(step);
		else
			play_process(step);
	}
	_exit(97); /* every script ends with an exit of everybody */
}
