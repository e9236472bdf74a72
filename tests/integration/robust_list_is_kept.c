/* SPDX-License-Identifier: MIT */
/*
 * Claim: the robust list is registered in the child: a thread of it that dies with a robust
 * mutex held makes the next owner see EOWNERDEAD, and so does the list's head itself.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"

static struct robust_list_head *head_was;
static size_t bytes_was;
static pthread_mutex_t mutex;

static void build(void)
{
	pthread_mutexattr_t attributes;

	CHECK_CALL(syscall(SYS_get_robust_list, 0, &head_was, &bytes_was));
	CHECK(head_was);
	CHECK_EQUAL(pthread_mutexattr_init(&attributes), 0);
	CHECK_EQUAL(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQUAL(pthread_mutex_init(&mutex, &attributes), 0);
}

static void *die_holding(void *unused)
{
	(void)unused;
	CHECK_EQUAL(pthread_mutex_lock(&mutex), 0);
	return NULL;
}

static void verify(void)
{
	struct robust_list_head *head;
	pthread_t thread;
	size_t bytes;

	CHECK_CALL(syscall(SYS_get_robust_list, 0, &head, &bytes));
	CHECK(head == head_was);
	CHECK_EQUAL(bytes, bytes_was);
	CHECK_EQUAL(pthread_create(&thread, NULL, die_holding, NULL), 0);
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	CHECK_EQUAL(pthread_mutex_lock(&mutex), EOWNERDEAD);
}

int main(void)
{
	return node_three_beats(build, verify);
}
