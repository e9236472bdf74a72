/* SPDX-License-Identifier: MIT */
/*
 * Claim: an executable of rfork_undump() goes on where the program stood, fifty times in a row at
 * addresses that the kernel chooses anew, as root and as an ordinary user: with its memory, its
 * stack, its heap, which grows on, its shared libraries, new ones, and new threads.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/restart.h"

#define RUNS 50u
#define BLOCKS 4u
#define BLOCK_BYTES ((size_t)3 << 20)
#define HEAP_BYTES ((size_t)100 << 10)
#define ORDINARY_ID 65534u

static __thread int thread_local_value = 5;
static int initialized = 7;
static unsigned char zeros[1 << 20];

static void *run_thread(void *argument)
{
	return thread_local_value == 5 ? argument : NULL;
}

static bool starts_threads(void)
{
	pthread_t thread;
	void *result = NULL;

	return pthread_create(&thread, NULL, run_thread, &initialized) == 0 &&
	       pthread_join(thread, &result) == 0 && result == &initialized;
}

static bool grows_heap(void)
{
	const char *before = sbrk(0);
	char *more = sbrk((intptr_t)HEAP_BYTES);

	if (more != before)
		return false;
	memset(more, 1, HEAP_BYTES);
	return more[HEAP_BYTES - 1] == 1;
}

static bool loads_library(void)
{
	void *library = dlopen("libm.so.6", RTLD_NOW);
	double (*cosine)(double) = library ? (double (*)(double))dlsym(library, "cos") : NULL;

	return cosine && cosine(0) == 1;
}

/* Each block, wherever it lies among its neighbours, can be enlarged and keeps what is in it:
 * nothing of the executable, nor its end, may show in what is new. */
static bool reallocates(unsigned char *blocks[BLOCKS], const uint64_t digests[BLOCKS])
{
	bool is_kept = true;

	for (unsigned i = 0; i < BLOCKS; i++) {
		unsigned char *grown = realloc(blocks[i], 16 * BLOCK_BYTES);

		if (!grown || test_digest(grown, BLOCK_BYTES) != digests[i])
			return false;
		memset(grown + BLOCK_BYTES, 9, 15 * BLOCK_BYTES);
		is_kept &= test_digest(grown, BLOCK_BYTES) == digests[i];
		free(grown);
	}
	return is_kept;
}

static bool follows_cpus(void)
{
	unsigned cpu;

	return sched_getcpu() >= 0 && syscall(SYS_getcpu, &cpu, NULL, NULL) == 0;
}

static int body(void)
{
	unsigned char *blocks[BLOCKS], *small = malloc(HEAP_BYTES);
	uint64_t block_digests[BLOCKS], digests[2];
	unsigned char local[20000];
	unsigned faults;

	CHECK(small);
	for (unsigned i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(BLOCK_BYTES);
		CHECK(blocks[i]);
		test_fill(blocks[i], BLOCK_BYTES, 10 + i);
		block_digests[i] = test_digest(blocks[i], BLOCK_BYTES);
	}
	test_fill(small, HEAP_BYTES, 2);
	test_fill(local, sizeof(local), 3);
	digests[0] = test_digest(small, HEAP_BYTES);
	digests[1] = test_digest(local, sizeof(local));
	initialized = 8;
	thread_local_value = 6;
	restart_point();
	faults = (test_digest(small, HEAP_BYTES) != digests[0]) << 0 |
		 (test_digest(local, sizeof(local)) != digests[1]) << 1 |
		 (initialized != 8 || thread_local_value != 6) << 3 |
		 (zeros[0] || zeros[sizeof(zeros) - 1]) << 4 | !grows_heap() << 5 |
		 !loads_library() << 6 | !starts_threads() << 7 |
		 !reallocates(blocks, block_digests) << 8 | !follows_cpus() << 9 |
		 (rfork_error()[0] == '\0' || strcmp(rfork_error(), "no error")) << 10;
	if (faults)
		dprintf(2, "restarted: faults %#x\n", faults);
	return faults ? 1 : RESTART_RIGHT;
}

static void run_as(const char *path, uid_t user)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		if (user && (setgid(user) < 0 || setuid(user) < 0))
			_exit(98);
		execl(path, path, NULL);
		_exit(99);
	}
	test_expect_exit(pid, RESTART_RIGHT);
}

int main(void)
{
	static const char *const names[] = { "app" };
	const char *path;
	struct stat status;

	test_begin();
	path = checkpoint_path("app");
	CHECK_CALL(chdir("/"));
	restart_write(path, body);
	CHECK_CALL(stat(path, &status));
	CHECK_EQUAL(status.st_mode & 07777, 0700);
	for (unsigned i = 0; i < RUNS; i++)
		run_as(path, 0);
	if (geteuid() == 0) {
		CHECK_CALL(chmod(checkpoint_directory(), 0755));
		CHECK_CALL(chmod(path, 0755));
		for (unsigned i = 0; i < RUNS; i++)
			run_as(path, ORDINARY_ID);
	}
	checkpoint_clean(names, 1);
	return test_end();
}
