/* SPDX-License-Identifier: MIT */
/*
 * The frame of an integration test: descriptors, deadline, checks, waits and output.
 * Called by every test program; knows nothing of nodes or of the protocol.
 */
#define _GNU_SOURCE
#include "tests/support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST_LIMIT_S 150
#define MAX_PATIENCE 100
#define GUARDED 16
#define GUARDED_DIRECTORIES 4

static struct {
	pid_t caller; /* the process whose failure cleans up */
	pid_t processes[GUARDED];
	char directories[GUARDED_DIRECTORIES][96];
} test;

void test_begin(void)
{
	int fd;

	/* Harnesses leak descriptors, and standard ones may be closed. */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	close_range(3, ~0u, 0);
	/* make(1) gives the jobs beside its first one a pipe that has ended. */
	fd = CHECK_CALL(open("/dev/null", O_RDONLY));
	CHECK_CALL(dup2(fd, STDIN_FILENO));
	close(fd);
	/* A shell without job control ignores these in what it starts in the background, nohup(1)
	 * the last. */
	CHECK(signal(SIGINT, SIG_DFL) != SIG_ERR && signal(SIGQUIT, SIG_DFL) != SIG_ERR &&
	      signal(SIGHUP, SIG_DFL) != SIG_ERR);
	test.caller = getpid();
	CHECK_CALL(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	alarm(TEST_LIMIT_S * (unsigned)test_patience());
}

int test_end(void)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	pid_t pid;

	alarm(0);
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__, "a descendant is left at the end");
		if (!pid)
			poll(NULL, 0, 5); /* no event tells of orphans that come to us */
	}
	return 0;
}

static void clean_up(void)
{
	if (getpid() != test.caller)
		return;
	for (int i = 0; i < GUARDED; i++)
		if (test.processes[i])
			kill(test.processes[i], SIGKILL);
	for (int i = 0; i < GUARDED_DIRECTORIES; i++)
		if (test.directories[i][0])
			test_remove_directory(test.directories[i]);
}

void test_skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	dprintf(2, "skipped: ");
	vdprintf(2, format, arguments);
	dprintf(2, "\n");
	va_end(arguments);
	clean_up();
	_exit(77);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	dprintf(2, "%s:%d: %s%s\n", file, line,
		getpid() == test.caller ? "" : "in a child: ", text);
	clean_up();
	_exit(1);
}

void test_guard_process(pid_t pid)
{
	for (int i = 0; i < GUARDED; i++) {
		if (!test.processes[i]) {
			test.processes[i] = pid;
			return;
		}
	}
}

void test_forget_process(pid_t pid)
{
	for (int i = 0; i < GUARDED; i++)
		if (test.processes[i] == pid)
			test.processes[i] = 0;
}

void test_guard_directory(const char *path)
{
	for (int i = 0; i < GUARDED_DIRECTORIES; i++) {
		if (test.directories[i][0])
			continue;
		snprintf(test.directories[i], sizeof(test.directories[i]), "%s", path);
		return;
	}
}

void test_forget_directory(const char *path)
{
	for (int i = 0; i < GUARDED_DIRECTORIES; i++)
		if (!strcmp(test.directories[i], path))
			test.directories[i][0] = '\0';
}

int test_patience(void)
{
	static int patience;
	const char *text;

	if (!patience) {
		text = getenv("RFORK_TEST_PATIENCE");
		patience = text ? atoi(text) : 1;
		if (patience < 1 || patience > MAX_PATIENCE)
			patience = 1;
	}
	return patience;
}

int64_t test_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

bool test_poll(int fd, short events, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int64_t deadline_ms = test_now_ms() + timeout_ms;
	int count;

	do {
		int64_t left_ms = deadline_ms - test_now_ms();

		count = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (count < 0 && errno == EINTR);
	return count > 0;
}

bool test_has_ended(pid_t pid, int timeout_ms)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool ended;

	if (fd < 0)
		return errno == ESRCH;
	ended = test_poll(fd, POLLIN, timeout_ms);
	close(fd);
	return ended;
}

int test_wait(pid_t pid)
{
	int status;

	if (!test_has_ended(pid, TEST_DEADLINE_MS)) {
		kill(pid, SIGKILL);
		test_fail(__FILE__, __LINE__, "process %d has not ended in time", (int)pid);
	}
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	return status;
}

void test_expect_exit(pid_t pid, int code)
{
	int status = test_wait(pid);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		test_fail(__FILE__, __LINE__, "process %d: wait status is %#x, not exit %d",
			  (int)pid, status, code);
}

void test_expect_signal(pid_t pid, int signal)
{
	int status = test_wait(pid);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
		test_fail(__FILE__, __LINE__, "process %d: wait status is %#x, not signal %d",
			  (int)pid, status, signal);
	CHECK(!WCOREDUMP(status));
}

size_t test_read(int fd, void *buffer, size_t bytes)
{
	size_t have = 0;

	while (have < bytes) {
		ssize_t count;

		if (!test_poll(fd, POLLIN, TEST_DEADLINE_MS))
			test_fail(__FILE__, __LINE__, "nothing to read on %d, %zu of %zu so far",
				  fd, have, bytes);
		count = read(fd, (char *)buffer + have, bytes - have);
		if (count < 0 && errno == EINTR)
			continue;
		CHECK_CALL(count);
		if (!count)
			break;
		have += (size_t)count;
	}
	return have;
}

void test_write(int fd, const void *buffer, size_t bytes)
{
	size_t done = 0;

	while (done < bytes)
		done += (size_t)CHECK_CALL(write(fd, (const char *)buffer + done, bytes - done));
}

void test_await_signal(int signal)
{
	struct timespec limit = { .tv_sec = TEST_DEADLINE_MS / 1000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	while (sigtimedwait(&set, NULL, &limit) != signal)
		CHECK_EQUAL(errno, EINTR);
}

void test_capture_output(void)
{
	int fd = CHECK_CALL(memfd_create("output", 0));

	CHECK_CALL(dup2(fd, 1));
	close(fd);
}

size_t test_output(char *text, size_t bytes)
{
	ssize_t count = CHECK_CALL(pread(1, text, bytes - 1, 0));

	text[count] = '\0';
	return (size_t)count;
}

int test_pipe_output(void)
{
	int ends[2];

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	CHECK_CALL(dup2(ends[1], 1));
	close(ends[1]);
	return ends[0];
}

void test_release_output(void)
{
	int fd = CHECK_CALL(open("/dev/null", O_WRONLY));

	CHECK_CALL(dup2(fd, 1));
	close(fd);
}

long test_read_number(int fd)
{
	char text[32];
	size_t have = 0;

	while (have < sizeof(text) - 1 && test_read(fd, &text[have], 1) == 1 && text[have] != '\n')
		have++;
	text[have] = '\0';
	CHECK(have > 0);
	return strtol(text, NULL, 10);
}

const char *test_build_path(const char *name)
{
	static char path[PATH_MAX];
	const char *top = getenv("RFORK_BUILD");
	char folder[PATH_MAX - 512];
	ssize_t length;

	if (top) {
		snprintf(path, sizeof(path), "%s/%s", top, name);
		return path;
	}
	length = CHECK_CALL(readlink("/proc/self/exe", folder, sizeof(folder) - 1));
	folder[length] = '\0';
	for (char *slash; (slash = strrchr(folder, '/'));) {
		*slash = '\0';
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (!access(path, F_OK))
			return path;
	}
	test_skip("%s is not built: set RFORK_BUILD", name);
}

uint64_t test_random(uint64_t *state)
{
	uint64_t mixed = *state += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
	return mixed ^ mixed >> 31;
}

void test_fill(void *memory, size_t bytes, uint64_t seed)
{
	unsigned char *to = memory;

	for (size_t at = 0; at < bytes; at += 8) {
		uint64_t noise = test_random(&seed);

		memcpy(to + at, &noise, bytes - at < 8 ? bytes - at : 8);
	}
}

uint64_t test_digest(const void *memory, size_t bytes)
{
	const unsigned char *from = memory;
	uint64_t digest = bytes;

	for (size_t at = 0; at < bytes; at += 8) {
		uint64_t word = 0;

		memcpy(&word, from + at, bytes - at < 8 ? bytes - at : 8);
		digest = (digest ^ word) * 0xff51afd7ed558ccdu;
		digest ^= digest >> 32;
	}
	return digest;
}

uint64_t test_seed(void)
{
	const char *text = getenv("RFORK_TEST_SEED");
	uint64_t seed;

	if (text)
		seed = strtoull(text, NULL, 0);
	else
		CHECK_EQUAL(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	dprintf(2, "RFORK_TEST_SEED=%#" PRIx64 "\n", seed);
	return seed;
}

void test_remove_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	rmdir(path);
}
