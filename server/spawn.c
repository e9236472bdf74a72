/* SPDX-License-Identifier: MIT */
/*
 * Finds and starts rfork-shell.  The finding is the listener's, once; the starting is
 * each session's, after it has become the target user.  Between vfork and exec
 * only system calls are allowed: the memory is the session's own.
 */
#define _GNU_SOURCE
#include "server/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/sys.h"
#include "server/descriptor.h"
#include "server/shell_protocol.h"

#ifndef RF_SHELL_DIRECTORY
#define RF_SHELL_DIRECTORY "/usr/local/libexec/rfork"
#endif

/* Above every number that the shell gets. */
#define SPARE_FD 16

/* The shell's. */
struct ends {
	int socket;
	int standard[RF_CHANNELS_STANDARD];
	int terminal; /* -1 = none */
};

/* A descriptor of an executable regular file, or a negative errno. */
static int open_program(const char *path)
{
	struct stat status;
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0111))
		return fd;
	close(fd);
	return -EACCES;
}

int rf_spawn_find_shell(const char *name, struct rf_report *report)
{
	char path[PATH_MAX + NAME_MAX];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;
	int fd;

	if (length > 0 && length < PATH_MAX) {
		path[length] = '\0';
		slash = strrchr(path, '/');
		rf_format(slash ? slash + 1 : path, NAME_MAX, "%s", name);
		fd = open_program(path);
		if (fd >= 0)
			return fd;
	}
	rf_format(path, sizeof(path), "%s/%s", RF_SHELL_DIRECTORY, name);
	fd = open_program(path);
	if (fd < 0)
		return rf_report(report, -fd, "%s is neither beside rfork-server nor in %s: %m",
				 name, RF_SHELL_DIRECTORY);
	return fd;
}

bool rf_spawn_can_load(int program_fd)
{
	static char *const arguments[] = { (char *)"rfork-shell", (char *)RF_SHELL_CHECK, NULL };
	static char *const environment[] = { NULL };
	int status = -1;
	pid_t pid = vfork();

	if (pid == 0) {
		/* what the dynamic linker says is the server's to say */
		rf_syscall(SYS_close, STDERR_FILENO);
		rf_syscall(SYS_execveat, program_fd, "", arguments, environment, AT_EMPTY_PATH);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static void close_shell(struct rf_shell *shell)
{
	rf_descriptor_close(&shell->socket);
	for (unsigned i = 0; i < RF_CHANNELS_STANDARD; i++)
		rf_descriptor_close(&shell->standard[i]);
}

static void close_ends(struct ends *ends)
{
	rf_descriptor_close(&ends->socket);
	for (unsigned i = 0; i < RF_CHANNELS_STANDARD; i++)
		rf_descriptor_close(&ends->standard[i]);
	rf_descriptor_close(&ends->terminal);
}

/* Standard input is read by the child, the others are written.  O_NONBLOCK is our end's alone: each
 * end of a pipe is an open file description. */
static int open_pipe(unsigned channel, int *ours, int *theirs)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	*ours = pair[channel == 0];
	*theirs = pair[channel != 0];
	if (fcntl(*ours, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return rf_descriptor_raise(theirs, SPARE_FD);
}

static int open_ends(struct rf_shell *shell, struct ends *ends, int terminal)
{
	int pair[2];
	int error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	shell->socket = pair[0];
	ends->socket = pair[1];
	error = rf_descriptor_raise(&ends->socket, SPARE_FD);
	for (unsigned i = 0; i < RF_CHANNELS_STANDARD && error == 0; i++)
		error = open_pipe(i, &shell->standard[i], &ends->standard[i]);
	if (error == 0 && terminal >= 0) {
		ends->terminal = fcntl(terminal, F_DUPFD_CLOEXEC, SPARE_FD);
		error = ends->terminal < 0 ? -errno : 0;
	}
	return error;
}

/* In the child, which shares our memory.  Returns a negative errno if it could not exec. */
static int become_shell(const struct ends *ends, int program_fd, pid_t session,
			char *const environment[])
{
	static char *const arguments[] = { (char *)RF_SHELL_NAME, NULL };
	const struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	if (getppid() != session)
		return -ESRCH; /* the session died before the line above */
	/* The log stays with the server: the terminal, perhaps, of another user. */
	if (dup2(STDIN_FILENO, STDERR_FILENO) < 0 || dup2(ends->socket, RF_SHELL_SESSION_FD) < 0)
		return -errno;
	for (unsigned i = 0; i < RF_CHANNELS_STANDARD; i++)
		if (dup2(ends->standard[i], RF_SHELL_STANDARD_FD + (int)i) < 0)
			return -errno;
	if (ends->terminal >= 0 && dup2(ends->terminal, RF_SHELL_TERMINAL_FD) < 0)
		return -errno;
	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &action, NULL); /* refused for SIGKILL and SIGSTOP */
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	return (int)rf_syscall(SYS_execveat, program_fd, "", arguments, environment, AT_EMPTY_PATH);
}

/* The frame that calls vfork must not return before the child has executed. */
static pid_t start(const struct ends *ends, int program_fd, char *const environment[],
		   volatile int *error)
{
	pid_t session = getpid();
	pid_t pid = vfork();

	if (pid == 0) {
		*error = become_shell(ends, program_fd, session, environment);
		_exit(127);
	}
	if (pid < 0)
		*error = -errno;
	return pid;
}

int rf_spawn_shell(struct rf_shell *shell, int program_fd, int terminal,
		   const struct rf_target_user *user, struct rf_report *report)
{
	char home[sizeof(user->home) + 8], name[sizeof(user->name) + 8];
	char logname[sizeof(user->name) + 8], login[sizeof(user->shell) + 8];
	char *environment[] = {
		(char *)"PATH=/usr/local/bin:/usr/bin:/bin", home, name, logname, login, NULL
	};
	struct ends ends = { .socket = -1, .standard = { -1, -1, -1 }, .terminal = -1 };
	volatile int failed = 0;
	int error;

	*shell = (struct rf_shell){ .socket = -1, .standard = { -1, -1, -1 } };
	rf_format(home, sizeof(home), "HOME=%s", user->home);
	rf_format(name, sizeof(name), "USER=%s", user->name);
	rf_format(logname, sizeof(logname), "LOGNAME=%s", user->name);
	rf_format(login, sizeof(login), "SHELL=%s", user->shell);
	if (!user->name[0])
		environment[2] = NULL;
	error = open_ends(shell, &ends, terminal);
	if (error == 0) {
		shell->pid = start(&ends, program_fd, environment, &failed);
		error = failed;
	}
	close_ends(&ends);
	if (error == 0)
		return 0;
	if (shell->pid > 0)
		while (waitpid(shell->pid, NULL, 0) < 0 && errno == EINTR)
			;
	shell->pid = 0;
	close_shell(shell);
	return rf_report(report, -error, "%s cannot be started: %m", RF_SHELL_NAME);
}
