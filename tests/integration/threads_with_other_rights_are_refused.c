/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump -p refuses a process one thread of which has other rights than the others, naming
 * the thread: an executable has the main thread's for all of them.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/rights.h"
#include "tests/support/undump.h"

#define NOBODY 65534

/* Each of the calling thread alone, unlike those of the C library. */
static int drop_capability(void)
{
	if (geteuid() != 0 || !rights_may(CAP_NET_RAW))
		return -1;
	rights_drop(CAP_NET_RAW);
	return 0;
}

static int drop_bounding(void)
{
	return geteuid() == 0 ? prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0) : -1;
}

static int change_user(void)
{
	return geteuid() == 0 ? (int)syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) : -1;
}

static int filter_calls(void)
{
	struct sock_filter allow_all[] = { { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } };
	struct sock_fprog program = { .len = 1, .filter = allow_all };

	CHECK_CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int keep_all(void)
{
	return 0;
}

static const struct difference {
	int (*make)(void);
	const char *words; /* NULL = none */
} differences[] = {
	{ keep_all, NULL },
	{ drop_capability, "has other capabilities than the main thread" },
	{ drop_bounding, "has other capabilities than the main thread" },
	{ change_user, "has another user or group than the main thread" },
	{ filter_calls, "has a seccomp filter" },
};

static void *differ(void *ready)
{
	const struct difference *difference = *(const struct difference **)ready;
	pid_t tid = difference->make() < 0 ? 0 : (pid_t)syscall(SYS_gettid);

	test_write(STDOUT_FILENO, &tid, sizeof(tid));
	while (pause() < 0)
		;
	return NULL;
}

_Noreturn static void be_target(const struct difference *difference)
{
	pthread_t thread;

	CHECK_EQUAL(pthread_create(&thread, NULL, differ, &difference), 0);
	for (;;)
		pause();
}

static bool try_difference(const struct difference *difference)
{
	static struct undump_result result;
	char pid_text[16], words[128];
	int output = test_pipe_output();
	pid_t pid = CHECK_CALL(fork()), tid;

	if (!pid) {
		CHECK_CALL(close(output));
		be_target(difference);
	}
	test_release_output();
	CHECK_EQUAL(test_read(output, &tid, sizeof(tid)), sizeof(tid));
	CHECK_CALL(close(output));
	snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	undump_run(&result, test_build_path("tools/undump"), "-p", pid_text, "-o",
		   checkpoint_path("app"), "--no-core", NULL);
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL);
	if (!tid)
		return false;
	snprintf(words, sizeof(words), "thread %d of process %d %s", (int)tid, (int)pid,
		 difference->words ? difference->words : "");
	if ((result.status == 0) != !difference->words ||
	    (difference->words && !strstr(result.text, words)))
		test_fail(__FILE__, __LINE__, "exit status %d: %s", result.status, result.text);
	return true;
}

int main(void)
{
	static const char *const names[] = { "app" };
	unsigned tried = 0;

	test_begin();
	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
		tried += try_difference(&differences[i]);
	checkpoint_clean(names, 1);
	if (tried < 2)
		test_skip("no rights in which threads could differ");
	return test_end();
}
