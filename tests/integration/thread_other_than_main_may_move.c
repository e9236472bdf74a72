/* SPDX-License-Identifier: MIT */
/*
 * Claim: a thread other than main, on a stack of the program's own, may call rfork(): the child
 * goes on as that thread, sees main's stack as it was, and ends as the last thread of a
 * process does when it returns from the thread's function.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define STACK_BYTES (1ul << 20)
#define NOTE_BYTES 20000

static struct node node;
static unsigned char *stack;
static const unsigned char *note; /* on main's stack */
static uint64_t note_digest;
static pthread_mutex_t held = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static _Thread_local int own = 3;

static void finish(void)
{
	static const char word[] = "exit handlers run\n";

	test_write(1, word, sizeof(word) - 1);
}

static void verify(pthread_t self)
{
	const unsigned char *here = __builtin_frame_address(0);
	pthread_attr_t attributes;
	void *address;
	size_t bytes;

	CHECK(here > stack && here < stack + STACK_BYTES);
	CHECK(pthread_equal(pthread_self(), self));
	CHECK_EQUAL(pthread_kill(pthread_self(), 0), 0);
	CHECK_EQUAL(own, 4);
	CHECK_EQUAL(pthread_getattr_np(self, &attributes), 0);
	CHECK_EQUAL(pthread_attr_getstack(&attributes, &address, &bytes), 0);
	CHECK(address == stack && bytes == STACK_BYTES);
	pthread_attr_destroy(&attributes);
	/* The owner in the mutex is the thread's new id. */
	CHECK_EQUAL(pthread_mutex_lock(&held), EDEADLK);
	CHECK(test_digest(note, NOTE_BYTES) == note_digest);
}

static void *run(void *unused)
{
	pthread_t self = pthread_self();
	pid_t pid;

	(void)unused;
	own = 4;
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(pthread_mutex_lock(&held), 0);
		verify(self);
		CHECK_EQUAL(atexit(finish), 0);
		return NULL; /* of the only thread: exit(0) */
	}
	test_expect_exit(pid, 0);
	return &own;
}

int main(void)
{
	unsigned char buffer[NOTE_BYTES];
	char text[64];
	pthread_attr_t attributes;
	pthread_t thread;
	void *result;

	test_begin();
	node_start(&node, NULL);
	test_capture_output();
	test_fill(buffer, sizeof(buffer), 9);
	note = buffer;
	note_digest = test_digest(buffer, sizeof(buffer));
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	CHECK(stack != MAP_FAILED);
	CHECK_EQUAL(pthread_attr_init(&attributes), 0);
	CHECK_EQUAL(pthread_attr_setstack(&attributes, stack, STACK_BYTES), 0);
	CHECK_EQUAL(pthread_create(&thread, &attributes, run, NULL), 0);
	CHECK_EQUAL(pthread_join(thread, &result), 0);
	CHECK(result); /* the caller's thread has waited for the child */
	CHECK(test_output(text, sizeof(text)) > 0);
	CHECK_TEXT(text, "exit handlers run\n");
	node_stop(&node);
	return test_end();
}
