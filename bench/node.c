/* SPDX-License-Identifier: MIT */
/*
 * Starts and stops the server that is measured.  Called by bench.c.  It waits for events, each with
 * a deadline: the port file's appearance, or the server's end.
 */
#include "bench/node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 20000
#define STOP_MS 20000

_Noreturn static void execute(const struct node *node, const char *server, const char *address)
{
	const struct passwd *user = getpwuid(geteuid());
	char listen[64];
	int log = open(node->log_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int null = open("/dev/null", O_RDONLY);

	if (log == -1 || null == -1 || dup2(null, 0) == -1 || dup2(log, 1) == -1 ||
	    dup2(log, 2) == -1)
		_exit(127);
	close(log);
	close(null);
	snprintf(listen, sizeof(listen), "%s:0", address);
	if (strcmp(address, NODE_LOOPBACK) == 0)
		execl(server, server, "--listen", listen, "--port-file", node->port_file,
		      "--key-file", node->key_file, (char *)NULL);
	else
		execl(server, server, "--listen", listen, "--port-file", node->port_file,
		      "--key-file", node->key_file, "--insecure-plaintext", "--user",
		      user ? user->pw_name : "nobody", (char *)NULL);
	dprintf(2, "%s: %s\n", server, strerror(errno));
	_exit(127);
}

static int read_port(struct node *node)
{
	FILE *file = fopen(node->port_file, "re");
	unsigned port;
	int found;

	if (!file)
		return -1;
	found = fscanf(file, "%u", &port);
	fclose(file);
	if (found != 1 || port == 0 || port > UINT16_MAX)
		return -1;
	node->port = (uint16_t)port;
	return 0;
}

/* Waits until the port file is there; each change of the folder is an occasion to look. */
static int wait_for_port(struct node *node, int changes, int process)
{
	struct pollfd polls[2] = { { .fd = changes, .events = POLLIN },
				   { .fd = process, .events = POLLIN } };
	char events[4096];

	while (read_port(node)) {
		int ready = poll(polls, 2, START_MS);

		if (ready == -1 && errno == EINTR)
			continue;
		if (ready <= 0) {
			fprintf(stderr, "rfork-server did not listen within %d s\n",
				START_MS / 1000);
			return -1;
		}
		if (polls[1].revents) {
			fprintf(stderr, "rfork-server ended at once; its log:\n");
			return -1;
		}
		if (read(changes, events, sizeof(events)) == -1) {
			perror("inotify");
			return -1;
		}
	}
	return 0;
}

static void show_log(const struct node *node)
{
	char text[4096];
	FILE *file = fopen(node->log_file, "re");
	size_t got;

	if (!file)
		return;
	while ((got = fread(text, 1, sizeof(text), file)) > 0)
		fwrite(text, 1, got, stderr);
	fclose(file);
}

int node_start(struct node *node, const char *server, const char *address)
{
	const char *folder = getenv("TMPDIR");
	int changes = -1, process = -1, result = -1;

	memset(node, 0, sizeof(*node));
	if (!folder || strlen(folder) > 32)
		folder = "/tmp";
	snprintf(node->directory, sizeof(node->directory), "%s/rfork-bench.XXXXXX", folder);
	if (!mkdtemp(node->directory)) {
		perror(node->directory);
		node->directory[0] = '\0';
		return -1;
	}
	snprintf(node->key_file, sizeof(node->key_file), "%s/key", node->directory);
	snprintf(node->port_file, sizeof(node->port_file), "%s/port", node->directory);
	snprintf(node->log_file, sizeof(node->log_file), "%s/log", node->directory);
	changes = inotify_init1(IN_CLOEXEC);
	if (changes == -1 ||
	    inotify_add_watch(changes, node->directory, IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE) ==
		    -1 ||
	    setenv("RFORK_KEY_FILE", node->key_file, 1) == -1) {
		perror("inotify");
		goto out;
	}
	node->pid = fork();
	if (node->pid == 0)
		execute(node, server, address);
	if (node->pid == -1) {
		perror("fork");
		node->pid = 0;
		goto out;
	}
	process = (int)syscall(SYS_pidfd_open, node->pid, 0);
	if (process == -1)
		perror("pidfd_open");
	else
		result = wait_for_port(node, changes, process);
	if (result)
		show_log(node);
out:
	if (changes != -1)
		close(changes);
	if (process != -1)
		close(process);
	return result;
}

/* Waits for the end of the server after SIGTERM; past the deadline it is killed. */
static int end_server(struct node *node)
{
	struct pollfd process = { .events = POLLIN };
	int status = 0, ready;

	process.fd = (int)syscall(SYS_pidfd_open, node->pid, 0);
	kill(node->pid, SIGTERM);
	do {
		ready = poll(&process, 1, STOP_MS);
	} while (ready == -1 && errno == EINTR);
	if (ready <= 0) {
		fprintf(stderr, "rfork-server does not end: killing it\n");
		kill(node->pid, SIGKILL);
	}
	if (process.fd != -1)
		close(process.fd);
	if (waitpid(node->pid, &status, 0) == -1)
		perror("waitpid");
	node->pid = 0;
	if (ready > 0 && status != 0)
		fprintf(stderr, "rfork-server ended with status %#x\n", (unsigned)status);
	return ready > 0 && status == 0 ? 0 : -1;
}

int node_stop(struct node *node)
{
	int result = node->pid ? end_server(node) : 0;

	if (result)
		show_log(node);
	if (*node->directory) {
		unlink(node->key_file);
		unlink(node->port_file);
		unlink(node->log_file);
		if (rmdir(node->directory) == -1)
			perror(node->directory);
	}
	return result;
}
