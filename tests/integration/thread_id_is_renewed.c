/* SPDX-License-Identifier: MIT */
/*
 * Claim: the thread id that glibc caches is the child's own: raise() reaches the child, and
 * error-checking and recursive mutexes held across the move still know their owner.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"

static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checking = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pid_t caller_pid, caller_tid;
static volatile sig_atomic_t raised;

static void note(int signal)
{
	raised = signal;
}

static void build(void)
{
	caller_pid = getpid();
	caller_tid = gettid();
	CHECK(signal(SIGUSR2, note) != SIG_ERR);
}

static void check_new_mutexes(void)
{
	CHECK_EQUAL(pthread_mutex_lock(&recursive), 0);
	CHECK_EQUAL(pthread_mutex_lock(&recursive), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&recursive), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&recursive), 0);
	CHECK_EQUAL(recursive.__data.__owner, 0);
	CHECK_EQUAL(pthread_mutex_lock(&checking), 0);
	CHECK_EQUAL(checking.__data.__owner, syscall(SYS_gettid));
	CHECK_EQUAL(pthread_mutex_lock(&checking), EDEADLK);
	CHECK_EQUAL(pthread_mutex_unlock(&checking), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&checking), EPERM);
}

static void verify(void)
{
	CHECK(getpid() != caller_pid);
	CHECK(gettid() != caller_tid);
	CHECK_EQUAL(gettid(), syscall(SYS_gettid));
	CHECK_EQUAL(getpid(), syscall(SYS_getpid));
	CHECK_EQUAL(gettid(), getpid());
	CHECK_EQUAL(raise(SIGUSR2), 0);
	CHECK_EQUAL(raised, SIGUSR2);
	check_new_mutexes();
	CHECK_EQUAL(pthread_kill(pthread_self(), 0), 0);
}

int main(void)
{
	return node_three_beats(build, verify);
}
