/* SPDX-License-Identifier: MIT */
/*
 * Runs a part of a test in a process of its own, and stops at each of its system calls.  Used by unit
 * tests.
 */
#define _GNU_SOURCE
#include "tests/unit/count_calls.h"

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void become_watched(void (*body)(void))
{
	ck_assert_int_eq(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
	raise(SIGSTOP);
	body();
	_exit(0);
}

static bool is_call(pid_t pid, uint64_t number)
{
	struct __ptrace_syscall_info info;

	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == number;
}

int count_calls(void (*body)(void), long number)
{
	int status, count = 0;
	pid_t pid = fork();

	if (!pid)
		become_watched(body);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
	do {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		count += WIFSTOPPED(status) && is_call(pid, (uint64_t)number);
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80));
	ck_assert_msg(status == 0, "it has ended with %#x", (unsigned)status);
	return count;
}
