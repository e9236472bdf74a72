/* SPDX-License-Identifier: MIT */
/*
 * Starts and stops a real rfork-server for a test, and looks at what it holds.
 * Called by the test programs; never talks the protocol itself.
 */
#define _GNU_SOURCE
#include "tests/support/node.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTLED_MS 100
/* The same while somebody is still at work: one of them has not slept, or a spare is half made, a
 * session without its shell, as far as the number tells. */
#define SETTLED_AT_WORK_MS 2000
#define MAX_PROCESSES 16384
#define MAX_ARGUMENTS 16

void (*node_before_server)(const struct node *node);

void node_random_key(char text[65], unsigned char key[32])
{
	CHECK_EQUAL(getrandom(key, 32, 0), 32);
	for (int i = 0; i < 32; i++)
		sprintf(text + 2 * i, "%02x", key[i]);
}

void node_write_key(const char *path, const char *text, mode_t mode)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	test_write(fd, text, strlen(text));
	test_write(fd, "\n", 1);
	CHECK_CALL(fchmod(fd, mode));
	close(fd);
}

void node_port_file(const struct node *node, char path[96])
{
	snprintf(path, 96, "%s/port", node->directory);
}

static _Noreturn void become_server(const struct node *node, const char *const *arguments)
{
	char port_file[96];
	const char *vector[MAX_ARGUMENTS + 8] = { "rfork-server", "--listen", "127.0.0.1:0",
						  "--port-file",  port_file,  "--key-file",
						  node->key_file };
	const char *path = test_build_path("server/rfork-server");

	node_port_file(node, port_file);
	for (int i = 0; arguments && arguments[i] && i < MAX_ARGUMENTS; i++)
		vector[7 + i] = arguments[i];
	if (node_before_server)
		node_before_server(node);
	/* A test that dies takes its server along. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	dup2(2, 1);
	execv(path, (char *const *)vector);
	dprintf(2, "%s: %s\n", path, strerror(errno));
	_exit(127);
}

void node_await(struct node *node)
{
	char port_file[96];
	int pid_fd = CHECK_CALL((int)syscall(SYS_pidfd_open, node->pid, 0));
	int watch = CHECK_CALL(inotify_init1(IN_CLOEXEC));
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	const char *scheme = getenv("RFORK_TEST_SCHEME");
	char events[4096], text[64];
	int fd;

	node_port_file(node, port_file);
	CHECK_CALL(inotify_add_watch(watch, node->directory, IN_MOVED_TO));
	while ((fd = open(port_file, O_RDONLY | O_CLOEXEC)) < 0) {
		struct pollfd fds[2] = { { .fd = watch, .events = POLLIN },
					 { .fd = pid_fd, .events = POLLIN } };

		CHECK(poll(fds, 2, (int)(deadline_ms - test_now_ms())) > 0);
		if (fds[1].revents)
			test_fail(__FILE__, __LINE__, "the server ended at its start");
		CHECK_CALL(read(watch, events, sizeof(events)));
	}
	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	node->port = (unsigned)strtoul(text, NULL, 10);
	CHECK(node->port > 0 && node->port < 65536);
	snprintf(node->host, sizeof(node->host), "%s127.0.0.1:%u", scheme ? scheme : "",
		 node->port);
	foreseen_add_host(node->host);
	close(fd);
	close(watch);
	close(pid_fd);
}

void node_prepare(struct node *node)
{
	memset(node, 0, sizeof(*node));
	strcpy(node->directory, "/tmp/rfork-test-XXXXXX");
	CHECK(mkdtemp(node->directory));
	test_guard_directory(node->directory);
	snprintf(node->key_file, sizeof(node->key_file), "%s/key", node->directory);
	node_random_key(node->key_text, node->key);
	node_write_key(node->key_file, node->key_text, 0600);
	CHECK_CALL(setenv("RFORK_KEY_FILE", node->key_file, 1));
	test_build_path("server/rfork-server"); /* skips here, not in the new process */
}

void node_start(struct node *node, const char *const *arguments)
{
	node_prepare(node);
	node->pid = CHECK_CALL(fork());
	if (!node->pid)
		become_server(node, arguments);
	test_guard_process(node->pid);
	node_await(node);
}

int node_run_server(const char *const *arguments, char *text, size_t bytes)
{
	int ends[2], status;
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execv(test_build_path("server/rfork-server"), (char *const *)arguments);
		_exit(127);
	}
	close(ends[1]);
	test_guard_process(pid);
	text[test_read(ends[0], text, bytes - 1)] = '\0';
	close(ends[0]);
	status = test_wait(pid);
	test_forget_process(pid);
	dprintf(2, "status %#x: %s", status, text);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 127);
	return WEXITSTATUS(status);
}

static void expect_no_file(const struct node *node)
{
	DIR *directory = opendir(node->directory);
	struct dirent *entry;

	CHECK(directory);
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "key") &&
		    strcmp(entry->d_name, "port"))
			test_fail(__FILE__, __LINE__, "the server left %s/%s", node->directory,
				  entry->d_name);
	closedir(directory);
}

void node_stop(struct node *node)
{
	CHECK_CALL(kill(node->pid, SIGTERM));
	test_expect_exit(node->pid, 0);
	test_forget_process(node->pid);
	expect_no_file(node);
	test_remove_directory(node->directory);
	test_forget_directory(node->directory);
}

pid_t node_parent_of(pid_t pid)
{
	char path[64], text[512], *after;
	int fd;
	ssize_t count;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	count = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (count <= 0)
		return -1;
	text[count] = '\0';
	after = strrchr(text, ')'); /* the name may hold anything */
	return after && after[2] != 'Z' ? (pid_t)atoi(after + 4) : -1;
}

unsigned node_descendants(pid_t pid, pid_t *pids, unsigned capacity)
{
	static pid_t all[MAX_PROCESSES], parents[MAX_PROCESSES];
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	unsigned count = 0, found = 0;
	bool grown = true;

	CHECK(directory);
	while ((entry = readdir(directory)) && count < MAX_PROCESSES) {
		all[count] = (pid_t)atoi(entry->d_name);
		if (all[count] > 0 && (parents[count] = node_parent_of(all[count])) > 0)
			count++;
	}
	closedir(directory);
	while (grown) {
		grown = false;
		for (unsigned i = 0; i < count && found < capacity; i++) {
			bool ours = parents[i] == pid;

			for (unsigned j = 0; j < found && !ours; j++)
				ours = pids[j] == parents[i];
			if (!ours)
				continue;
			pids[found++] = all[i];
			parents[i] = 0;
			grown = true;
		}
	}
	return found;
}

/* Whether a process waits for a processor, or has one. */
static bool is_running(pid_t pid)
{
	char path[64], text[512], *name_end;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return true; /* it has just ended */
	text[got] = '\0';
	name_end = strrchr(text, ')');
	return !name_end || name_end[2] == 'R' || name_end[2] == 'D';
}

static struct node_load look(const struct node *node)
{
	pid_t pids[1024];
	struct node_load load = { .descriptors = 0 };
	char path[64];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)node->pid);
	directory = opendir(path);
	CHECK(directory);
	for (struct dirent *entry; (entry = readdir(directory));)
		load.descriptors += entry->d_name[0] != '.';
	closedir(directory);
	load.processes = node_descendants(node->pid, pids, 1024);
	load.is_at_work = load.processes % 2 || is_running(node->pid);
	for (unsigned i = 0; i < load.processes && i < 1024; i++)
		load.is_at_work |= is_running(pids[i]);
	return load;
}

static bool same_load(struct node_load a, struct node_load b)
{
	return a.descriptors == b.descriptors && a.processes == b.processes;
}

/* On a busy machine the first look may have been at a server that was still at work. */
static bool no_more_load(struct node_load now, struct node_load then)
{
	return now.descriptors <= then.descriptors && now.processes <= then.processes;
}

struct node_load node_settle(const struct node *node)
{
	int64_t now_ms = test_now_ms();
	int64_t deadline_ms = now_ms + TEST_DEADLINE_MS, changed_ms = now_ms, quiet_ms = now_ms;
	struct node_load load = look(node);

	/* Spares are refilled at the server's leisure, and no event tells that it is done. */
	while (now_ms - quiet_ms < SETTLED_MS && now_ms - changed_ms < SETTLED_AT_WORK_MS) {
		struct node_load now;

		poll(NULL, 0, 5);
		now = look(node);
		now_ms = test_now_ms();
		if (!same_load(now, load))
			changed_ms = now_ms;
		if (!same_load(now, load) || now.is_at_work)
			quiet_ms = now_ms;
		load = now;
		CHECK(now_ms < deadline_ms);
	}
	return load;
}

struct node_load node_settle_in_pairs(const struct node *node)
{
	struct node_load load;

	do
		load = node_settle(node);
	while (load.processes % 2);
	return load;
}

void node_expect_load(const struct node *node, struct node_load load)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS / 3;
	struct node_load now;

	while (!no_more_load(now = look(node), load)) {
		if (test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__,
				  "the server holds %u descriptors and %u processes, not %u and %u",
				  now.descriptors, now.processes, load.descriptors, load.processes);
		poll(NULL, 0, 5);
	}
}

/* A node that poses as another machine is one to pages, which RDMA does not encrypt. */
static uint64_t scheme_flags(void)
{
	return getenv("RFORK_TEST_SCHEME") ? RFORK_INSECURE_PLAINTEXT : 0;
}

pid_t node_move_returns_twice(const struct node *node, uint64_t flags)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = flags | scheme_flags(),
					 .timeout_ms = TEST_DEADLINE_MS };
	pid_t pid = rfork_with(node->host, &options);

	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s: %s", strerror(errno), rfork_error());
	return pid;
}

void node_expect_service(const struct node *node)
{
	pid_t pid = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);

	if (!pid)
		_exit(23);
	test_expect_exit(pid, 23);
}

int node_three_beats_with(uint64_t flags, void (*build)(void), void (*verify)(void))
{
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	if (build)
		build();
	pid = node_move_returns_twice(&node, flags);
	if (!pid) {
		verify();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	node_stop(&node);
	return test_end();
}

int node_three_beats(void (*build)(void), void (*verify)(void))
{
	return node_three_beats_with(0, build, verify);
}
