/* SPDX-License-Identifier: MIT */
/*
 * A program whose cores the tests restart; it knows nothing of rfork.  Seven threads count, with
 * values in every vector register that the processor has; the main thread waits in read(2).  Once
 * that has read a byte, all must have counted on, and whatever libc and kernel know of the process
 * must still be so.  Says on standard output, line by line, what is not as it was, and at last
 * "end".
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 7
#define COUNTS 1000u
#define WAIT_NS 1000000
#define WAITS 20000
#define BLOCK_BYTES ((size_t)1 << 20)

struct vectors {
	unsigned char zmm[32][64];
	uint64_t k[8];
};

struct counter {
	struct vectors in, out;
	volatile uint64_t count;
	volatile int is_over;
	int id, tid;
	void *robust;
	pthread_t thread;
} __attribute__((aligned(64)));

static struct counter counters[THREADS + 1];
static __thread int own_number;
static size_t register_bytes, registers;

/* clang-format off */
#define ALL_16(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)
#define UPPER_16(m) m(16) m(17) m(18) m(19) m(20) m(21) m(22) m(23) m(24) m(25) m(26) m(27) m(28) m(29) \
	m(30) m(31)
#define MASKS(m) m(1) m(2) m(3) m(4) m(5) m(6) m(7)
#define CLOBBER_16 "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
	"xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define CLOBBER_AVX512 "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", \
	"xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", \
	"k1", "k2", "k3", "k4", "k5", "k6", "k7"
/* clang-format on */

#define LOAD_XMM(n) "movdqu 64*" #n "(%[in]), %%xmm" #n "\n\t"
#define STORE_XMM(n) "movdqu %%xmm" #n ", 64*" #n "(%[out])\n\t"
#define LOAD_YMM(n) "vmovdqu 64*" #n "(%[in]), %%ymm" #n "\n\t"
#define STORE_YMM(n) "vmovdqu %%ymm" #n ", 64*" #n "(%[out])\n\t"
#define LOAD_ZMM(n) "vmovdqu64 64*" #n "(%[in]), %%zmm" #n "\n\t"
#define STORE_ZMM(n) "vmovdqu64 %%zmm" #n ", 64*" #n "(%[out])\n\t"
#define LOAD_K(n) "kmovq 2048+8*" #n "(%[in]), %%k" #n "\n\t"
#define STORE_K(n) "kmovq %%k" #n ", 2048+8*" #n "(%[out])\n\t"
#define COUNT                                                                                      \
	"1: incq (%[count])\n\t"                                                                   \
	"pause\n\t"                                                                                \
	"cmpl $0, (%[over])\n\t"                                                                   \
	"je 1b\n\t"
#define OPERANDS                                                                                   \
	::[in] "r"(&counter->in), [out] "r"(&counter->out), [count] "r"(&counter->count),          \
		[over] "r"(&counter->is_over) : "memory", "cc"

static void count_sse(struct counter *counter)
{
	__asm__ volatile(ALL_16(LOAD_XMM) COUNT ALL_16(STORE_XMM) OPERANDS, CLOBBER_16);
}

__attribute__((target("avx"))) static void count_avx(struct counter *counter)
{
	__asm__ volatile(ALL_16(LOAD_YMM) COUNT ALL_16(STORE_YMM) OPERANDS, CLOBBER_16);
}

__attribute__((target("avx512f,avx512bw"))) static void count_avx512(struct counter *counter)
{
	__asm__ volatile(ALL_16(LOAD_ZMM) UPPER_16(LOAD_ZMM) MASKS(LOAD_K) COUNT ALL_16(STORE_ZMM)
				 UPPER_16(STORE_ZMM) MASKS(STORE_K) OPERANDS,
			 CLOBBER_16, CLOBBER_AVX512);
}

static void (*count)(struct counter *counter);

static void choose_registers(void)
{
	__builtin_cpu_init();
	count = count_sse;
	registers = 16;
	register_bytes = 16;
	if (__builtin_cpu_supports("avx")) {
		count = count_avx;
		register_bytes = 32;
	}
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
		count = count_avx512;
		registers = 32;
		register_bytes = 64;
	}
}

static void *robust_list(void)
{
	void *head = NULL;
	size_t bytes;

	syscall(SYS_get_robust_list, 0, &head, &bytes);
	return head;
}

/* How it rounds: towards zero, with single precision of the x87. */
static void set_rounding(uint32_t mxcsr, uint16_t control)
{
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(control));
}

static bool has_rounding(uint32_t mxcsr, uint16_t control)
{
	uint32_t mxcsr_now;
	uint16_t control_now;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr_now), "=m"(control_now));
	return (mxcsr_now & ~0x3fu) == mxcsr && control_now == control;
}

static void *run_counter(void *argument)
{
	struct counter *counter = argument;

	own_number = counter->id;
	counter->tid = gettid();
	counter->robust = robust_list();
	for (size_t i = 0; i < sizeof(counter->in); i++)
		((unsigned char *)&counter->in)[i] =
			(unsigned char)((i * 7 + (size_t)counter->id * 31) | 1);
	set_rounding(0x7f80, 0xc7f);
	count(counter);
	if (!has_rounding(0x7f80, 0xc7f))
		printf("thread %d: rounding\n", counter->id);
	set_rounding(0x1f80, 0x37f);
	/* the thread's own, which only libc and the kernel know where to find */
	if (own_number != counter->id || robust_list() != counter->robust)
		printf("thread %d: it has lost itself\n", counter->id);
	if (gettid() == counter->tid)
		printf("thread %d: it has its old id\n", counter->id);
	return counter;
}

/* -- what must still be so --------------------------------------------------------------------- */

static void check_vectors(const struct counter *counter)
{
	for (size_t i = 0; i < registers; i++) {
		if (memcmp(counter->in.zmm[i], counter->out.zmm[i], 16) != 0)
			printf("thread %d: xmm%zu\n", counter->id, i);
		else if (memcmp(counter->in.zmm[i], counter->out.zmm[i], register_bytes) != 0)
			printf("thread %d: upper %zu\n", counter->id, i);
	}
	for (size_t i = 1; i < 8 && registers == 32; i++)
		if (counter->in.k[i] != counter->out.k[i])
			printf("thread %d: k%zu\n", counter->id, i);
}

/* Waits until every thread has counted for a while. */
static bool all_count(void)
{
	const struct timespec interval = { .tv_nsec = WAIT_NS };
	uint64_t before[THREADS + 1];
	int waiting = THREADS;

	for (int i = 1; i <= THREADS; i++)
		before[i] = counters[i].count;
	for (int waits = 0; waiting && waits < WAITS; waits++) {
		nanosleep(&interval, NULL);
		waiting = 0;
		for (int i = 1; i <= THREADS; i++)
			waiting += counters[i].count < before[i] + COUNTS;
	}
	return !waiting;
}

/* On each processor in turn: the number comes from memory that the kernel has been told of. */
static void check_processor(void)
{
	cpu_set_t allowed, one;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		if (sched_setaffinity(0, sizeof(one), &one) == 0 && sched_getcpu() != i)
			printf("main: it runs on %d and not on %d\n", i, sched_getcpu());
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

static void check_heap(const char *end)
{
	char *more;

	if (sbrk(0) != end)
		printf("main: the heap ends elsewhere\n");
	more = sbrk(8192);
	if (more != end || memset(more, 1, 8192) != more)
		printf("main: the heap does not grow\n");
}

static void check_threads(void)
{
	if (!all_count())
		printf("main: not all threads count\n");
	for (int i = 1; i <= THREADS; i++)
		counters[i].is_over = 1;
	for (int i = 1; i <= THREADS; i++) {
		void *result = NULL;

		/* ends when the kernel clears the thread's id */
		if (pthread_join(counters[i].thread, &result) != 0 || result != &counters[i])
			printf("thread %d: it cannot be joined\n", i);
		check_vectors(&counters[i]);
	}
}

static void check_block(const unsigned char *block)
{
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		if (block[i] != (unsigned char)(i * 13 >> 3)) {
			printf("main: memory has changed\n");
			return;
		}
}

int main(int argc, char **argv)
{
	unsigned char *block = malloc(BLOCK_BYTES);
	const void *robust = robust_list();
	const pid_t tid = gettid();
	char byte = 0;
	char *heap_end;

	choose_registers();
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		block[i] = (unsigned char)(i * 13 >> 3);
	for (int i = 1; i <= THREADS; i++) {
		counters[i].id = i;
		if (pthread_create(&counters[i].thread, NULL, run_counter, &counters[i]) != 0)
			return 2;
	}
	if (!all_count())
		return 3;
	heap_end = sbrk(0);
	printf("ready\n");
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) != 1 || byte != 'x')
		printf("main: read(2) was not made again\n");
	if (argc != 2 || strcmp(argv[1], "argument") != 0 || !getenv("COUNTING"))
		printf("main: arguments or environment have changed\n");
	if (robust_list() != robust || gettid() == tid)
		printf("main: it has lost itself\n");
	check_heap(heap_end);
	check_threads();
	check_processor();
	check_block(block);
	printf("end\n");
	return 7;
}
