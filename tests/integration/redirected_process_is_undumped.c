/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump -p of a process that came from another kernel tells of the vdso that it had there:
 * on that kernel the executable has it at its place, and nothing of this one's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/restart.h"
#include "tests/support/undump.h"
#include "tests/support/vdso.h"

/* Says that it is redirected, and waits until it is another process. */
static int body(void)
{
	struct timespec moment = { .tv_nsec = 1000000 };
	long pid;

	vdso_look_up();
	restart_point();
	if (!vdso_is_redirected())
		return 0;
	vdso_expect_service(true);
	pid = syscall(SYS_getpid);
	dprintf(STDOUT_FILENO, "%ld\n", pid);
	while (syscall(SYS_getpid) == pid)
		nanosleep(&moment, NULL);
	CHECK(!vdso_is_redirected());
	vdso_expect_service(true);
	return RESTART_RIGHT;
}

static pid_t start(const char *program, int *output)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = CHECK_CALL(fork());
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		dup2(ends[1], STDOUT_FILENO);
		close_range(3, ~0u, 0);
		alarm(0);
		execl(program, program, NULL);
		_exit(127);
	}
	test_guard_process(pid);
	CHECK_CALL(close(ends[1]));
	*output = ends[0];
	return pid;
}

int main(void)
{
	char first[] = "./redirected-XXXXXX", second[] = "./redirected-XXXXXX";
	int output;
	pid_t pid;

	test_begin();
	CHECK_CALL(close(CHECK_CALL(mkstemp(first))));
	CHECK_CALL(close(CHECK_CALL(mkstemp(second))));
	CHECK_CALL(unlink(second));
	restart_write(first, body);
	vdso_forge(first);
	pid = start(first, &output);
	CHECK_EQUAL(test_read_number(output), pid);
	undump_process(pid, second, NULL);
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL);
	test_forget_process(pid);
	CHECK_CALL(close(output));
	vdso_forge(second);
	restart_expect(second);
	CHECK_CALL(unlink(first));
	undump_remove(second);
	return test_end();
}
