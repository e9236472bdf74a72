/* SPDX-License-Identifier: MIT */
/*
 * Claim: what cannot be undumped is refused, with a sentence that says which process and why,
 * before anything is done to it: no process, threads, the kernel's, the first one, zombies, those
 * that others trace, have filters or several users, look at other files, forbid it, run foreign
 * code, or wait where nothing stops them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/target.h"
#include "tools/process_reader.h"

enum { READY, FINISH, WORD };

static void expect_refusal(pid_t pid, int error, const char *words)
{
	struct rf_process_options options = { .stop_timeout_ms = 300 };
	struct rf_report report = { 0 };
	struct rf_source source;
	char number[16];

	CHECK_EQUAL(rf_process_open(&source, pid, &options, &report), -error);
	snprintf(number, sizeof(number), "%d", (int)pid);
	if (!strstr(report.sentence, words) || !strstr(report.sentence, number))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", report.sentence, words);
}

static int wait_for_the_end(struct target *target)
{
	target_set(target, READY, 1);
	target_await(target, FINISH, 1);
	return 0;
}

/* What each unsuitable process does to become it, and what a refusal says. */

static int have_a_filter(struct target *target)
{
	CHECK_CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	struct sock_filter {
		uint16_t code;
		uint8_t jt, jf;
		uint32_t k;
	} allow = { 0x06, 0, 0, SECCOMP_RET_ALLOW };
	struct {
		unsigned short length;
		struct sock_filter *filter;
	} program = { 1, &allow };

	CHECK_CALL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	return wait_for_the_end(target);
}

static int have_two_users(struct target *target)
{
	CHECK_CALL(setresuid(-1, 65534, -1));
	return wait_for_the_end(target);
}

static int have_other_mounts(struct target *target)
{
	CHECK_CALL(unshare(CLONE_NEWNS));
	return wait_for_the_end(target);
}

static int have_another_root(struct target *target)
{
	CHECK_CALL(chroot("/proc"));
	return wait_for_the_end(target);
}

/* A child of vfork keeps its parent where no signal but a fatal one reaches it. */
static int wait_for_vfork(struct target *target)
{
	pid_t pid = vfork();

	if (!pid) {
		target_set(target, WORD, getpid());
		wait_for_the_end(target);
		_exit(0);
	}
	CHECK(pid > 0);
	test_expect_exit(pid, 0);
	return 0;
}

static void *wait_in_thread(void *target)
{
	target_set(target, WORD, gettid());
	target_await(target, FINISH, 1);
	return NULL;
}

static int have_a_thread(struct target *target)
{
	pthread_t thread;

	CHECK_EQUAL(pthread_create(&thread, NULL, wait_in_thread, target), 0);
	target_await(target, WORD, 1);
	return wait_for_the_end(target);
}

static void expect(int (*body)(struct target *), int error, const char *words)
{
	struct target target;

	target_start(&target, body, 0);
	target_await(&target, READY, 1);
	expect_refusal(target.pid, error, words);
	target_set(&target, FINISH, 1);
	target_end(&target);
}

static void check_threads(void)
{
	struct target target;

	target_start(&target, have_a_thread, 0);
	target_await(&target, READY, 1);
	expect_refusal(atomic_load(&target.words[WORD]), EINVAL, "is a thread of process");
	target_set(&target, FINISH, 1);
	target_end(&target);
}

static void check_vfork(void)
{
	struct target target;
	pid_t pid;

	target_start(&target, wait_for_vfork, 0);
	target_await(&target, READY, 1);
	expect_refusal(atomic_load(&target.words[WORD]), ENOTSUP, "shares its memory");
	/* a tracer cannot leave a thread that does not stop: it ends */
	pid = CHECK_CALL(fork());
	if (!pid) {
		expect_refusal(target.pid, ETIMEDOUT, "did not stop within 300 ms");
		_exit(0);
	}
	test_expect_exit(pid, 0);
	target_set(&target, FINISH, 1);
	target_end(&target);
}

static void check_zombie(void)
{
	siginfo_t info;
	pid_t pid = CHECK_CALL(fork());

	if (!pid)
		_exit(0);
	CHECK_CALL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	expect_refusal(pid, EINVAL, "has ended");
	test_expect_exit(pid, 0);
	expect_refusal(pid, ESRCH, "there is no process");
}

static void check_traced(void)
{
	struct target target;

	target_start(&target, wait_for_the_end, 0);
	target_await(&target, READY, 1);
	CHECK_CALL(ptrace(PTRACE_SEIZE, target.pid, NULL, NULL));
	expect_refusal(target.pid, EPERM, "is traced by process");
	CHECK_CALL(ptrace(PTRACE_INTERRUPT, target.pid, NULL, NULL));
	CHECK_EQUAL(waitpid(target.pid, NULL, 0), target.pid);
	CHECK_CALL(ptrace(PTRACE_DETACH, target.pid, NULL, NULL));
	target_set(&target, FINISH, 1);
	target_end(&target);
}

/* A program for i386 that waits for ever. */
static const unsigned char
	foreign_program
		[] = {
			0x7f, 'E',  'L',  'F',	1,    1, 1, 0, 0,    0,
			0,    0,    0,	  0,	0,    0, /* 32 bits */
			2,    0,    3,	  0,	1,    0, 0, 0, 0x54, 0x80,
			4,    8,    0x34, 0,	0,    0, /* executable, i386, entry */
			0,    0,    0,	  0,	0,    0, 0, 0, 0x34, 0,
			0x20, 0,    1,	  0,	0,    0, 0, 0, 0,    0, /* one segment */
			1,    0,    0,	  0,	0,    0, 0, 0, 0,    0x80,
			4,    8,    0,	  0x80, 4,    8, /* all of this at 0x8048000 */
			0x5d, 0,    0,	  0,	0x5d, 0, 0, 0, 5,    0,
			0,    0,    0,	  0x10, 0,    0, /* readable, executable */
			0xb8, 29,   0,	  0,	0,	 /* mov $pause, %eax */
			0xcd, 0x80, 0xeb, 0xf7,		 /* int $0x80; again */
		};

/* Close-on-exec tells that it runs; a byte, that this kernel has no such programs. */
static void check_foreign(void)
{
	char *const nothing[] = { NULL };
	int ends[2], program = CHECK_CALL(memfd_create("foreign", MFD_CLOEXEC));
	char byte;
	pid_t pid;

	test_write(program, foreign_program, sizeof(foreign_program));
	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		fexecve(program, nothing, nothing);
		test_write(ends[1], "", 1);
		_exit(0);
	}
	CHECK_CALL(close(ends[1]));
	if (test_read(ends[0], &byte, 1) == 0) {
		expect_refusal(pid, ENOEXEC, "runs code of another architecture");
		CHECK(process_state(pid) != 't' && !test_has_ended(pid, 0));
		CHECK_CALL(kill(pid, SIGKILL));
		test_expect_signal(pid, SIGKILL);
	} else {
		test_expect_exit(pid, 0);
	}
	CHECK_CALL(close(ends[0]));
	CHECK_CALL(close(program));
}

/* As an ordinary user, who may look at few. */
static int be_ordinary(struct target *target)
{
	struct target other = *target;

	other.pid = CHECK_CALL(fork());
	if (!other.pid) {
		CHECK_CALL(prctl(PR_SET_DUMPABLE, 0));
		_exit(wait_for_the_end(&other));
	}
	target_await(target, READY, 1);
	expect_refusal(other.pid, EPERM, "PR_SET_DUMPABLE");
	target_set(target, FINISH, 1);
	test_expect_exit(other.pid, 0);
	return 0;
}

static int drop_rights(struct target *target)
{
	if (geteuid() == 0) {
		CHECK_CALL(setresgid(65534, 65534, 65534));
		CHECK_CALL(setresuid(65534, 65534, 65534));
		CHECK_CALL(prctl(PR_SET_DUMPABLE, 1));
		expect_refusal(getppid(), EPERM, "is of user 0: only that user or root");
	}
	return be_ordinary(target);
}

int main(void)
{
	struct target ordinary;

	test_begin();
	expect_refusal(getpid(), EINVAL, "is undump itself");
	expect_refusal(1, EINVAL, "the first one");
	expect_refusal(-5, EINVAL, "is no process id");
	if (process_is_named(2, "kthreadd"))
		expect_refusal(2, EINVAL, "thread of the kernel");
	check_threads();
	check_zombie();
	check_traced();
	check_vfork();
	check_foreign();
	expect(have_a_filter, ENOTSUP, "seccomp");
	if (geteuid() == 0) {
		expect(have_two_users, ENOTSUP, "several user ids");
		expect(have_other_mounts, ENOTSUP, "another mount namespace");
		expect(have_another_root, ENOTSUP, "another root directory");
	}
	target_start(&ordinary, drop_rights, 0);
	target_end(&ordinary);
	return test_end();
}
