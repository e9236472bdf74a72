/* SPDX-License-Identifier: MIT */
/*
 * Memory and thread state of a traveller: a heap whose every byte counts, rseq, robust lists.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/rdma/traveller.h"
#include "tests/support/test.h"

#define BLOCKS 2000
#define BLOCK_MOST_BYTES 3000

static struct {
	unsigned char *blocks[BLOCKS];
	size_t bytes[BLOCKS];
	uint64_t digest;
	unsigned char *large;
	size_t large_bytes;
	uint64_t large_digest;
	uint64_t seed;
} heap;

static uint64_t digest_of_blocks(void)
{
	uint64_t digest = 0;

	for (unsigned i = 0; i < BLOCKS; i++)
		digest = digest * 31 + test_digest(heap.blocks[i], heap.bytes[i]);
	return digest;
}

static void allocate_block(unsigned i)
{
	heap.bytes[i] = 1 + test_random(&heap.seed) % BLOCK_MOST_BYTES;
	heap.blocks[i] = malloc(heap.bytes[i]);
	CHECK(heap.blocks[i]);
	test_fill(heap.blocks[i], heap.bytes[i], heap.seed);
}

void heap_fill(size_t mib)
{
	heap.seed = 20;
	for (unsigned i = 0; i < BLOCKS; i++)
		allocate_block(i);
	heap.digest = digest_of_blocks();
	heap.large_bytes = mib << 20;
	heap.large = malloc(heap.large_bytes + 1);
	CHECK(heap.large);
	test_fill(heap.large, heap.large_bytes, heap.seed);
	heap.large_digest = test_digest(heap.large, heap.large_bytes);
}

/* memmove() is one of those functions of which glibc has taken a variant for the CPU of home. */
static void shift_large(void)
{
	unsigned char *copy = malloc(heap.large_bytes + 1);

	CHECK(copy);
	memmove(copy, heap.large, heap.large_bytes);
	CHECK(!memcmp(copy, heap.large, heap.large_bytes));
	free(heap.large);
	heap.large = copy;
}

void heap_check(void)
{
	CHECK_EQUAL(digest_of_blocks(), heap.digest);
	CHECK_EQUAL(test_digest(heap.large, heap.large_bytes), heap.large_digest);
	for (unsigned i = 0; i < BLOCKS; i += 2) {
		free(heap.blocks[i]);
		allocate_block(i);
	}
	heap.digest = digest_of_blocks();
	shift_large();
}

/* -- thread --------------------------------------------------------------------------------- */

static struct robust_list_head *robust_head;

void thread_remember(void)
{
	size_t bytes;

	CHECK_CALL(syscall(SYS_get_robust_list, 0, &robust_head, &bytes));
	CHECK(robust_head);
}

/* A process that dies with it makes the next owner see that. */
static void check_robust_mutex(void)
{
	pthread_mutex_t *shared_mutex;
	pthread_mutexattr_t attributes;
	pid_t pid;

	shared_mutex = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared_mutex != MAP_FAILED);
	CHECK_EQUAL(pthread_mutexattr_init(&attributes), 0);
	CHECK_EQUAL(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQUAL(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQUAL(pthread_mutex_init(shared_mutex, &attributes), 0);
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(pthread_mutex_lock(shared_mutex) ? 1 : 0);
	test_expect_exit(pid, 0);
	CHECK_EQUAL(pthread_mutex_lock(shared_mutex), EOWNERDEAD);
	CHECK_EQUAL(pthread_mutex_consistent(shared_mutex), 0);
	CHECK_EQUAL(pthread_mutex_unlock(shared_mutex), 0);
	CHECK_CALL(munmap(shared_mutex, TEST_PAGE_BYTES));
}

/* glibc answers from the rseq area, which only the kernel writes. */
static void check_rseq(void)
{
	const volatile struct rseq *area =
		(volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	cpu_set_t allowed, one;

	CHECK_CALL(sched_getaffinity(0, sizeof(allowed), &allowed));
	for (unsigned cpu = 0; __rseq_size && cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK_CALL(sched_setaffinity(0, sizeof(one), &one));
		CHECK_EQUAL(area->cpu_id, cpu);
		CHECK_EQUAL(sched_getcpu(), cpu);
	}
	CHECK_CALL(sched_setaffinity(0, sizeof(allowed), &allowed));
}

void thread_check(void)
{
	struct robust_list_head *head;
	size_t bytes;

	CHECK_CALL(syscall(SYS_get_robust_list, 0, &head, &bytes));
	CHECK(head == robust_head);
	CHECK_EQUAL(gettid(), getpid());
	check_robust_mutex();
	check_rseq();
}
