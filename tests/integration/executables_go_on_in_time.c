/* SPDX-License-Identifier: MIT */
/*
 * Claim: an executable that root starts where the clocks show something else goes on with those of
 * its image, made by the program itself or by undump of a running process, which was waiting for a
 * moment; an ordinary user's has the machine's own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/clocks.h"
#include "tests/support/restart.h"
#include "tests/support/undump.h"

#define AHEAD_S 1000000
#define SOON_NS 300000000
#define LATER_NS (2 * CLOCKS_SECOND_NS)
#define ORDINARY_ID 65534u
#define HAS_OTHER_CLOCKS 24

static int64_t machine_ns; /* what its clock showed before */

static int body(void)
{
	int64_t deadline_ns, now_ns;

	clocks_enter(AHEAD_S, 2 * AHEAD_S);
	clocks_note();
	deadline_ns = clocks_read(CLOCK_MONOTONIC) + SOON_NS;
	restart_point();
	now_ns = clocks_read(CLOCK_MONOTONIC);
	if (now_ns >= machine_ns && now_ns < machine_ns + CLOCKS_LIMIT_NS)
		return HAS_OTHER_CLOCKS;
	clocks_expect_to_have_gone_on();
	clocks_expect_deadline(deadline_ns);
	return RESTART_RIGHT;
}

static void run(const char *path, uid_t user, int status)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		if (user && (setgid(user) < 0 || setuid(user) < 0))
			_exit(98);
		execl(path, path, NULL);
		_exit(99);
	}
	test_expect_exit(pid, status);
}

/* Waits in the kernel, in the original as in the one restarted. */
static pid_t start_waiter(const int ends[2])
{
	pid_t pid = CHECK_CALL(fork());
	int64_t deadline_ns;

	if (pid)
		return pid;
	clocks_enter(AHEAD_S, 2 * AHEAD_S);
	clocks_note();
	deadline_ns = clocks_read(CLOCK_MONOTONIC) + LATER_NS;
	close(ends[0]);
	test_write(ends[1], "r", 1);
	close(ends[1]);
	clocks_expect_deadline(deadline_ns);
	clocks_expect_to_have_gone_on();
	_exit(RESTART_RIGHT);
}

static void check_running_process(const char *path)
{
	int ends[2];
	char byte;
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = start_waiter(ends);
	close(ends[1]);
	CHECK_EQUAL(test_read(ends[0], &byte, 1), 1);
	/* it has closed the pipe: nothing of it is in the executable */
	CHECK_EQUAL(test_read(ends[0], &byte, 1), 0);
	close(ends[0]);
	undump_process(pid, path, NULL);
	restart_expect(path);
	test_expect_exit(pid, RESTART_RIGHT);
}

int main(void)
{
	static const char *const names[] = { "app" };
	const char *path;

	test_begin();
	CHECK_CALL(chdir("/")); /* where every user may be */
	if (geteuid() != 0)
		test_skip("only root can make time namespaces");
	machine_ns = clocks_read(CLOCK_MONOTONIC);
	path = checkpoint_path("app");
	restart_write(path, body);
	run(path, 0, RESTART_RIGHT);
	CHECK_CALL(chmod(checkpoint_directory(), 0755));
	CHECK_CALL(chmod(path, 0755));
	run(path, ORDINARY_ID, HAS_OTHER_CLOCKS);
	check_running_process(checkpoint_path("waiter"));
	undump_remove(checkpoint_path("waiter"));
	checkpoint_clean(names, 1);
	return test_end();
}
