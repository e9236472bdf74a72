/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that undump -p finds behind the first instruction of a function of its vdso goes
 * on from there on a kernel with another one, where that function begins with a jump.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/restart.h"
#include "tests/support/undump.h"
#include "tests/support/vdso.h"

#define MAX_STEPS 100000
#define ENTRY_BYTES 14 /* of what an entry becomes */

/* In the vdso nearly all of the time, until it is another process. */
static void read_the_clock(void)
{
	struct timespec last = { 0 }, now;
	long pid = syscall(SYS_getpid);

	do {
		for (unsigned i = 0; i < 100; i++) {
			CHECK_EQUAL(clock_gettime(CLOCK_MONOTONIC, &now), 0);
			CHECK(now.tv_sec > last.tv_sec ||
			      (now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec));
			last = now;
		}
	} while (syscall(SYS_getpid) == pid);
}

static void run(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	vdso_look_up();
	dprintf(ready, "1\n");
	close(ready);
	alarm(0);
	read_the_clock();
	CHECK(vdso_is_redirected());
	vdso_expect_service(true);
	_exit(RESTART_RIGHT);
}

static uint64_t find_entry(void)
{
	void *object = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	uint64_t entry;

	if (!object)
		test_skip("this process has no vdso");
	entry = (uintptr_t)dlsym(object, "__vdso_clock_gettime");
	dlclose(object);
	return entry;
}

/* Leaves it behind the first instruction of the function, where a jump will be. */
static void stop_in_entry(pid_t pid, uint64_t entry)
{
	struct user_regs_struct registers;
	unsigned steps = 0;
	int status;

	CHECK_CALL(ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	CHECK_CALL(waitpid(pid, &status, 0));
	do {
		CHECK(WIFSTOPPED(status));
		CHECK(steps++ < MAX_STEPS);
		CHECK_CALL(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL));
		CHECK_CALL(waitpid(pid, &status, 0));
		CHECK_CALL(ptrace(PTRACE_GETREGS, pid, NULL, &registers));
	} while (registers.rip <= entry || registers.rip >= entry + ENTRY_BYTES);
	CHECK_CALL(ptrace(PTRACE_DETACH, pid, NULL, SIGSTOP));
	CHECK_CALL(waitpid(pid, &status, WUNTRACED));
	CHECK(WIFSTOPPED(status));
}

int main(void)
{
	char path[] = "./stopped-XXXXXX";
	int ends[2];
	pid_t pid;

	test_begin();
	CHECK_CALL(close(CHECK_CALL(mkstemp(path))));
	CHECK_CALL(unlink(path));
	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid) {
		close(ends[0]);
		run(ends[1]);
	}
	test_guard_process(pid);
	close(ends[1]);
	CHECK_EQUAL(test_read_number(ends[0]), 1);
	close(ends[0]);
	stop_in_entry(pid, find_entry());
	undump_process(pid, path, NULL);
	vdso_forge(path);
	restart_expect(path);
	undump_remove(path);
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL);
	test_forget_process(pid);
	return test_end();
}
