/* SPDX-License-Identifier: MIT */
/*
 * Looks at processes through /proc and waitpid(), with a deadline.  Called by the test programs;
 * knows nothing of nodes.  A stop of a process that is not our child has no event to wait for,
 * so that is looked for every few milliseconds.
 */
#define _GNU_SOURCE
#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 5

/* What counts as idle. */
#define MEASURED_S 2
#define LIMIT_BYTES (2u << 20)
#define LIMIT_NS (20000000u * (unsigned)test_patience()) /* of a machine that is as slow */

int process_run(int (*body)(void))
{
	int status;
	pid_t pid;

	test_begin();
	pid = CHECK_CALL(fork());
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		_exit(body());
	}
	test_guard_process(pid);
	CHECK_EQUAL(waitpid(pid, &status, 0), pid); /* its deadline is that of the whole test */
	test_forget_process(pid);
	if (!WIFEXITED(status))
		test_fail(__FILE__, __LINE__, "the test ended by status %#x", status);
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : test_end();
}

/* One file of /proc/PID as text; false if the process has gone. */
static bool read_text(pid_t pid, const char *name, char *text, size_t bytes)
{
	char path[64];
	ssize_t count;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	count = read(fd, text, bytes - 1);
	close(fd);
	text[count > 0 ? count : 0] = '\0';
	return count > 0;
}

char process_state(pid_t pid)
{
	char text[512], *after;

	if (!read_text(pid, "stat", text, sizeof(text)))
		return 0;
	after = strrchr(text, ')'); /* the name may hold anything */
	CHECK(after && after[1] == ' ');
	return after[2] == 'X' ? 0 : after[2]; /* nobody can wait for it any more */
}

void process_expect_stopped(pid_t pid)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	char state;

	while ((state = process_state(pid)) != 'T') {
		if (!state || state == 'Z' || test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__, "process %d is not stopped but '%c'",
				  (int)pid, state ? state : '-');
		poll(NULL, 0, LOOK_MS);
	}
}

void process_expect_going(pid_t pid)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	char state;

	while ((state = process_state(pid)) == 'T') {
		if (test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__, "process %d is still stopped", (int)pid);
		poll(NULL, 0, LOOK_MS);
	}
	if (!state || state == 'Z')
		test_fail(__FILE__, __LINE__, "process %d has ended", (int)pid);
}

/* Not by SIGCHLD: the test may have business of its own with signals. */
static int wait_change(pid_t pid, int options)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	int status;
	pid_t changed;

	while (!(changed = CHECK_CALL(waitpid(pid, &status, options | WNOHANG)))) {
		if (test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__, "waitpid() tells nothing of process %d, '%c'",
				  (int)pid, process_state(pid));
		poll(NULL, 0, LOOK_MS);
	}
	return status;
}

void process_expect_stop_status(pid_t pid, int signal)
{
	int status = wait_change(pid, WUNTRACED);

	if (!WIFSTOPPED(status) || WSTOPSIG(status) != signal)
		test_fail(__FILE__, __LINE__, "process %d: wait status is %#x, not stopped by %d",
			  (int)pid, status, signal);
}

void process_expect_continue_status(pid_t pid)
{
	int status = wait_change(pid, WCONTINUED);

	if (!WIFCONTINUED(status))
		test_fail(__FILE__, __LINE__, "process %d: wait status is %#x, not continued",
			  (int)pid, status);
}

struct process_cost process_cost(pid_t pid)
{
	struct process_cost cost;
	struct timespec used;
	clockid_t clock;
	char text[256], *second;

	CHECK(read_text(pid, "statm", text, sizeof(text)));
	second = strchr(text, ' ');
	CHECK(second);
	cost.resident_bytes = strtoull(second, NULL, 10) * TEST_PAGE_BYTES;
	CHECK_EQUAL(clock_getcpuclockid(pid, &clock), 0);
	CHECK_CALL(clock_gettime(clock, &used));
	cost.cpu_ns = (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
	return cost;
}

#define MOST_DESCENDANTS 64
/* How many sessions with their shells a server has in reserve (server/sessions.c); on a busy machine the
 * second may come late. */
#define SPARES 2
/* One that has died in its idleness comes back only with the next connection. */
#define SPARE_PATIENCE_MS 2000

/* The name that the process has given itself; empty if it has just ended. */
static void read_name(pid_t pid, char name[32])
{
	name[0] = '\0';
	if (read_text(pid, "comm", name, 32) && strchr(name, '\n'))
		*strchr(name, '\n') = '\0';
}

bool process_is_named(pid_t pid, const char *expected)
{
	char name[32];

	read_name(pid, name);
	return strcmp(name, expected) == 0;
}

unsigned process_find_ghosts(pid_t *ghosts, unsigned capacity)
{
	pid_t pids[MOST_DESCENDANTS];
	unsigned count = node_descendants(getpid(), pids, MOST_DESCENDANTS), found = 0;
	char name[32];

	for (unsigned i = 0; i < count && found < capacity; i++) {
		read_name(pids[i], name);
		if (!strncmp(name, "rfork:", 6) && node_parent_of(pids[i]) == getpid())
			ghosts[found++] = pids[i];
	}
	return found;
}

/* The shells among the descendants, once each spare session has its own. */
static unsigned find_shells(const struct node *node, pid_t *shells)
{
	int64_t end_ms = test_now_ms() + TEST_DEADLINE_MS;
	int64_t patient_ms = test_now_ms() + SPARE_PATIENCE_MS;
	pid_t pids[MOST_DESCENDANTS];

	for (;;) {
		unsigned count = node_descendants(node->pid, pids, MOST_DESCENDANTS), found = 0;

		for (unsigned i = 0; i < count; i++)
			if (process_is_named(pids[i], "rfork-shell"))
				shells[found++] = pids[i];
		if (found && found * 2 == count && (found == SPARES || test_now_ms() > patient_ms))
			return found;
		CHECK(test_now_ms() < end_ms);
		poll(NULL, 0, 5);
	}
}

void process_signal_shells(const struct node *node, int number)
{
	pid_t shells[MOST_DESCENDANTS];
	unsigned count;

	node_settle(node); /* one that is started later would not have the signal */
	count = find_shells(node, shells);
	for (unsigned i = 0; i < count; i++)
		CHECK_CALL(kill(shells[i], number));
}

static FILE *open_maps(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	return fopen(path, "re");
}

/* A session lets nobody look, unless root; but its listener, which is the same program. */
bool process_is_sanitized(pid_t pid)
{
	FILE *maps = open_maps(pid);
	bool found = false;
	char line[512];

	if (!maps && errno == EACCES)
		maps = open_maps(node_parent_of(pid));
	CHECK(maps);
	while (!found && fgets(line, sizeof(line), maps))
		found = strstr(line, "/libasan.so") != NULL;
	fclose(maps);
	return found;
}

void process_expect_idle(pid_t ghost, pid_t session)
{
	struct itimerspec span = { .it_value.tv_sec = MEASURED_S };
	struct process_cost ghost_before, session_before, ghost_after, session_after;
	int timer = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));

	CHECK_CALL(timerfd_settime(timer, 0, &span, NULL));
	ghost_before = process_cost(ghost);
	session_before = process_cost(session);
	CHECK(test_poll(timer, POLLIN, TEST_DEADLINE_MS));
	ghost_after = process_cost(ghost);
	session_after = process_cost(session);
	close(timer);
	dprintf(2, "ghost: %llu KiB, %llu us; session: %llu KiB, %llu us\n",
		(unsigned long long)ghost_after.resident_bytes >> 10,
		(unsigned long long)(ghost_after.cpu_ns - ghost_before.cpu_ns) / 1000,
		(unsigned long long)session_after.resident_bytes >> 10,
		(unsigned long long)(session_after.cpu_ns - session_before.cpu_ns) / 1000);
	CHECK_AT_MOST(ghost_after.resident_bytes, LIMIT_BYTES);
	if (!process_is_sanitized(session))
		CHECK_AT_MOST(session_after.resident_bytes, LIMIT_BYTES);
	CHECK_AT_MOST(ghost_after.cpu_ns - ghost_before.cpu_ns, LIMIT_NS);
	CHECK_AT_MOST(session_after.cpu_ns - session_before.cpu_ns, LIMIT_NS);
}
