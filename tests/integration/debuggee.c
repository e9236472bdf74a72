/* SPDX-License-Identifier: MIT */
/*
 * A program for debuggers to look at, compiled without optimization; no test itself.
 *
 *   debuggee checkpoint FILE [self-contained]  commits a checkpoint of itself from a chain of calls
 *   debuggee threads                           eight threads in calls; "ready" before they wait
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rfork.h>

#define THREADS 8

struct item {
	int value;
	struct item *next;
};

int global_number = 4711;
__thread int number_of_thread = 7;
struct item *list;
static int threads_ready;

static void make_list(void)
{
	for (int value = 43; value >= 41; value--) {
		struct item *item = malloc(sizeof(*item));

		if (!item)
			exit(1);
		*item = (struct item){ .value = value, .next = list };
		list = item;
	}
}

/* -- one thread ------------------------------------------------------------------------------- */

static int commit_here(const char *path, unsigned flags)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	rfork_crid_t crid = rfork_checkpoint(flags);

	if (crid == 0)
		_exit(0); /* restarted */
	if (fd < 0 || crid < 0 || rfork_commit(crid, fd) < 0 ||
	    rfork_commit_wait(crid, 30000) < 0) {
		fprintf(stderr, "debuggee: %s\n", rfork_error());
		return 1;
	}
	return rfork_discard(crid) < 0;
}

static int middle_function(int number, const char *path, unsigned flags)
{
	int local_number = number * 10;

	number_of_thread = local_number + 9;
	return commit_here(path, flags) + (local_number != 420);
}

static int checkpoint(const char *path, bool self_contained)
{
	return middle_function(42, path, self_contained ? RFORK_SELF_CONTAINED : 0);
}

/* -- eight ------------------------------------------------------------------------------------- */

static int wait_in_call(int number)
{
	number_of_thread = 100 + number;
	__atomic_add_fetch(&threads_ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return number;
}

/* With values in registers that only a complete core has. */
static int spin(int number)
{
	long register_value = 0x1234567890abcdef;

	number_of_thread = 100 + number;
	__asm__ volatile("movq %0, %%xmm9\n\t"
			 "movq %0, %%r12\n\t"
			 "lock incl %1\n"
			 "1:\tpause\n\t"
			 "jmp 1b"
			 : "+r"(register_value), "+m"(threads_ready)
			 :
			 : "xmm9", "r12");
	return number;
}

static void *run_thread(void *argument)
{
	int number = (int)(long)argument;

	if (number == 3)
		spin(number);
	else
		wait_in_call(number);
	return NULL;
}

static int run_threads(void)
{
	pthread_t thread;

	for (long i = 1; i < THREADS; i++)
		if (pthread_create(&thread, NULL, run_thread, (void *)i))
			return 1;
	while (__atomic_load_n(&threads_ready, __ATOMIC_SEQ_CST) < THREADS - 1)
		sched_yield();
	puts("ready");
	fflush(stdout);
	return wait_in_call(0);
}

int main(int argc, char **argv)
{
	make_list();
	if (argc >= 3 && strcmp(argv[1], "checkpoint") == 0)
		return checkpoint(argv[2], argc > 3);
	return run_threads();
}
