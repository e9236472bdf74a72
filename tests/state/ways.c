/* SPDX-License-Identifier: MIT */
/*
 * Takes one row along one way.  Called by each_kind_travels.c for each of both.
 */
#define _GNU_SOURCE
#include "tests/state/ways.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"

/* What is lost may make a process hang; but where nothing is, a slow machine has its time. */
#define HANG_MS (is_heard ? TEST_DEADLINE_MS : TEST_DEADLINE_MS / 3)
#define EXIT_SKIPPED 77
#define EXIT_NOT_GONE 99 /* the way could not be gone */
#define MAX_DESCENDANTS 64

enum state_way state_way;
long state_pid;

static const char *const names[STATE_WAYS] = {
	"fork", "rfork", "move", "restart", "process", "node"
};

const char *state_way_name(enum state_way way)
{
	return names[way];
}

enum state_way state_way_find(const char *name)
{
	enum state_way way = STATE_FORK;

	while (way < STATE_WAYS && strcmp(names[way], name) != 0)
		way++;
	return way;
}

/* -- in the process that has the state --------------------------------------------------------- */

static _Noreturn void fail(const char *call)
{
	dprintf(2, "%s: %s\n", call, rfork_error());
	_exit(EXIT_NOT_GONE);
}

static _Noreturn void look(const struct state_row *row)
{
	row->verify();
	_exit(0);
}

/* Its child is looked at, and ends with 0 if all is well.  No deadline, which await() has: a row may
 * have forbidden itself to look at clocks. */
static _Noreturn void stay(const struct state_row *row, pid_t child)
{
	int status;

	CHECK_EQUAL(CHECK_CALL(waitpid(child, &status, 0)), child);
	CHECK_EQUAL(status, 0);
	if (row->home)
		row->home();
	_exit(0);
}

static _Noreturn void go_by_fork(const struct state_row *row)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0)
		look(row);
	stay(row, pid);
}

static _Noreturn void go_by_rfork(const struct state_row *row, const struct node *node)
{
	pid_t pid = rfork(node->host);

	if (pid < 0)
		fail("rfork");
	if (pid == 0)
		look(row);
	stay(row, pid);
}

static _Noreturn void go_by_move(const struct state_row *row, const struct node *node)
{
	if (rfork_move(node->host) < 0)
		fail("rfork_move");
	look(row);
}

static _Noreturn void go_by_restart(const struct state_row *row, const char *path)
{
	int result = rfork_undump(path);

	if (result < 0)
		fail("rfork_undump");
	if (result == 0)
		look(row);
	_exit(0);
}

static _Noreturn void go_by_statefile(const struct state_row *row, const char *path)
{
	rfork_crid_t crid = rfork_checkpoint(0);
	int fd;

	if (crid < 0)
		fail("rfork_checkpoint");
	if (crid == 0)
		look(row);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (rfork_commit(crid, fd) < 0 || rfork_commit_wait(crid, -1) < 0)
		fail("rfork_commit");
	_exit(0);
}

/* Says that the state is made, by a stop; returns as another process. */
static void stand(void)
{
	CHECK_CALL(kill(getpid(), SIGSTOP));
	while (syscall(SYS_getpid) == state_pid)
		sched_yield();
}

static _Noreturn void wait_to_be_taken(const struct state_row *row)
{
	if (row->stand)
		row->stand();
	else
		stand();
	look(row);
}

static _Noreturn void live(const struct state_row *row, enum state_way way, const char *path,
			   const struct node *node)
{
	state_way = way;
	state_pid = syscall(SYS_getpid);
	if (row->build)
		row->build();
	switch (way) {
	case STATE_FORK:
		go_by_fork(row);
	case STATE_RFORK:
		go_by_rfork(row, node);
	case STATE_MOVE:
		go_by_move(row, node);
	case STATE_RESTART:
		go_by_restart(row, path);
	case STATE_NODE:
		go_by_statefile(row, path);
	default:
		wait_to_be_taken(row);
	}
}

/* -- in the test ------------------------------------------------------------------------------- */

static void be_quiet(void)
{
	int fd = CHECK_CALL(open("/dev/null", O_WRONLY | O_CLOEXEC));

	CHECK_CALL(dup2(fd, STDOUT_FILENO));
	CHECK_CALL(dup2(fd, STDERR_FILENO));
	close(fd);
}

/* A new process, which leaves no core behind; 0 in it. */
static pid_t start(const char *drop, bool is_heard)
{
	const struct rlimit none = { 0, 0 };
	pid_t pid = CHECK_CALL(fork());

	if (pid)
		return pid;
	setrlimit(RLIMIT_CORE, &none);
	if (drop)
		setenv("RFORK_TEST_DROP", drop, 1);
	if (!is_heard)
		be_quiet();
	return 0;
}

/* Ends a process that hangs, and what it has left. */
static int end_hanging(pid_t pid)
{
	pid_t below[MAX_DESCENDANTS];
	unsigned count = node_descendants(pid, below, MAX_DESCENDANTS);

	kill(pid, SIGKILL);
	for (unsigned i = 0; i < count; i++)
		kill(below[i], SIGKILL);
	return test_wait(pid);
}

static enum state_result await(pid_t pid, bool is_heard)
{
	int status = test_has_ended(pid, HANG_MS) ? test_wait(pid) : end_hanging(pid);

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
		return STATE_SKIPPED;
	return status == 0 ? STATE_THERE : STATE_MISSING;
}

/* Goes on from a file: an executable, or a statefile that a node restarts. */
static enum state_result run_file(const char *path, const struct node *node, bool is_heard)
{
	const char *undump = node ? test_build_path("tools/undump") : NULL;
	enum state_result result;
	pid_t pid = start(NULL, is_heard);

	if (pid == 0) {
		if (node)
			execl(undump, undump, path, "--to", node->host, NULL);
		else
			execl(path, path, NULL);
		_exit(EXIT_NOT_GONE);
	}
	result = await(pid, is_heard);
	CHECK_CALL(unlink(path));
	return result;
}

/* Waits until a process has made its state and stopped. */
static bool has_stopped(pid_t pid, enum state_result *result)
{
	int status;

	CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
	*result = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED ? STATE_SKIPPED
									   : STATE_MISSING;
	return WIFSTOPPED(status);
}

static void undump(pid_t target, const char *path, const char *drop, bool is_heard)
{
	const char *program = test_build_path("tools/undump");
	char number[16];
	pid_t pid = start(drop, is_heard);

	if (pid == 0) {
		snprintf(number, sizeof(number), "%d", (int)target);
		execl(program, program, "-p", number, "-o", path, "--thin", "--no-core", NULL);
		_exit(127);
	}
	test_expect_exit(pid, 0);
}

static enum state_result go_by_process(pid_t pid, const char *path, const char *drop, bool is_heard)
{
	enum state_result result;

	if (!has_stopped(pid, &result))
		return result;
	CHECK_CALL(kill(pid, SIGCONT));
	undump(pid, path, drop, is_heard);
	CHECK_CALL(kill(pid, SIGKILL));
	test_wait(pid);
	return run_file(path, NULL, is_heard);
}

static enum state_result run_program(const char *program, const char *drop, bool is_heard)
{
	const char *path = test_build_path(program);
	pid_t pid = start(drop, is_heard);

	if (pid == 0) {
		execl(path, path, NULL);
		_exit(EXIT_NOT_GONE);
	}
	return await(pid, is_heard);
}

/* Holders and others that a process has left come to the test, and count as processes of its user
 * until they are waited for. */
static void reap_orphans(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static enum state_result go(const struct state_row *row, enum state_way way, const char *drop,
			    const struct node *node, bool is_heard)
{
	enum state_result result;
	char path[128];
	pid_t pid;

	if (row->program)
		return run_program(row->program, drop, is_heard);
	snprintf(path, sizeof(path), "%s", checkpoint_path("app"));
	pid = start(drop, is_heard);
	if (pid == 0)
		live(row, way, path, node);
	if (way == STATE_PROCESS)
		return go_by_process(pid, path, drop, is_heard);
	result = await(pid, is_heard);
	if (result != STATE_THERE || (way != STATE_RESTART && way != STATE_NODE))
		return result;
	return run_file(path, way == STATE_NODE ? node : NULL, is_heard);
}

enum state_result state_go(const struct state_row *row, enum state_way way, const char *drop,
			   const struct node *node, bool is_heard)
{
	enum state_result result = go(row, way, drop, node, is_heard);

	reap_orphans();
	return result;
}
