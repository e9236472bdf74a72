/* SPDX-License-Identifier: MIT */
/*
 * State of the calling thread.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>

#include "tests/state/row.h"

/* What every line of a program needs. */
static void see_that_it_runs(void)
{
}

/* -- control words ----------------------------------------------------------------------------- */

#define MXCSR_UPWARD_FLUSH 0xdf80u /* rounds up, flushes to zero, all exceptions masked */
#define X87_UPWARD_DOUBLE 0x0a7fu  /* rounds up, 53 bits */

static void set_mxcsr(void)
{
	_mm_setcsr(MXCSR_UPWARD_FLUSH);
}

static void see_mxcsr(void)
{
	/* the sticky flags are not preserved across calls */
	CHECK_EQUAL(_mm_getcsr() & ~0x3fu, MXCSR_UPWARD_FLUSH);
}

static void set_x87(void)
{
	uint16_t word = X87_UPWARD_DOUBLE;

	__asm__ volatile("fldcw %0" : : "m"(word));
}

static void see_x87(void)
{
	uint16_t word;

	__asm__ volatile("fnstcw %0" : "=m"(word));
	CHECK_EQUAL(word, X87_UPWARD_DOUBLE);
}

/* -- vector registers: live only where it is not a call that captures -------------------------- */

#define VECTOR_BYTES 64

static unsigned char vector_was[VECTOR_BYTES], vector[VECTOR_BYTES];

static void choose_vector(void)
{
	test_fill(vector_was, VECTOR_BYTES, 815);
}

/* Keeps a value in a register from before the process stops until it is another. */
#define STAND_WITH(load, store, name)                                                              \
	__asm__ volatile(load "\n"                                                                 \
			      "movl %[kill], %%eax\n"                                              \
			      "movl %[stop], %%esi\n"                                              \
			      "movq %[self], %%rdi\n"                                              \
			      "syscall\n"                                                          \
			      "1: movl %[getpid], %%eax\n"                                         \
			      "syscall\n"                                                          \
			      "cmpq %[self], %%rax\n"                                              \
			      "je 1b\n" store                                                      \
			 : [now] "=m"(vector)                                                      \
			 : [was] "m"(vector_was), [self] "r"(state_pid), [kill] "i"(SYS_kill),     \
			   [stop] "i"(SIGSTOP), [getpid] "i"(SYS_getpid)                           \
			 : "rax", "rcx", "rdi", "rsi", "r11", "memory", name)

__attribute__((target("avx512f"))) static void stand_with_zmm(void)
{
	STAND_WITH("vmovdqu64 %[was], %%zmm29", "vmovdqu64 %%zmm29, %[now]", "xmm29");
}

__attribute__((target("avx"))) static void stand_with_ymm(void)
{
	STAND_WITH("vmovdqu %[was], %%ymm13", "vmovdqu %%ymm13, %[now]", "xmm13");
}

static void stand_with_xmm(void)
{
	STAND_WITH("movdqu %[was], %%xmm13", "movdqu %%xmm13, %[now]", "xmm13");
}

static size_t vector_bytes(void)
{
	if (__builtin_cpu_supports("avx512f"))
		return 64;
	return __builtin_cpu_supports("avx") ? 32 : 16;
}

static void stand_with_vector(void)
{
	switch (vector_bytes()) {
	case 64:
		stand_with_zmm();
		break;
	case 32:
		stand_with_ymm();
		break;
	default:
		stand_with_xmm();
	}
}

static void see_vector(void)
{
	CHECK(memcmp(vector, vector_was, vector_bytes()) == 0);
}

/* -- segment bases ----------------------------------------------------------------------------- */

static uint64_t fs_was, gs_area[2] = { 0x1122334455667788, 0 };

static uint64_t base(int code)
{
	uint64_t value = 0;

	CHECK_CALL(syscall(SYS_arch_prctl, code, &value));
	return value;
}

static void note_fs(void)
{
	fs_was = base(ARCH_GET_FS);
}

static void see_fs(void)
{
	CHECK_EQUAL(base(ARCH_GET_FS), fs_was);
}

static void set_gs(void)
{
	CHECK_CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_area));
}

static void see_gs(void)
{
	uint64_t value;

	CHECK_EQUAL(base(ARCH_GET_GS), (uintptr_t)gs_area);
	__asm__ volatile("movq %%gs:0, %0" : "=r"(value));
	CHECK_EQUAL(value, gs_area[0]);
}

/* -- what ties it to the kernel ---------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* The C library keeps the id of the thread, for one, to know who has a mutex. */
static void see_thread_id(void)
{
	CHECK_EQUAL(pthread_mutex_lock(&mutex), 0);
	CHECK_EQUAL(mutex.__data.__owner, syscall(SYS_gettid));
	CHECK_EQUAL(pthread_mutex_unlock(&mutex), 0);
}

static uint64_t tid_address_was;

static uint64_t tid_address(void)
{
	uint64_t address = 0;

	if (prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) < 0)
		test_skip("this kernel does not tell which word is cleared");
	return address;
}

static void note_tid_address(void)
{
	tid_address_was = tid_address();
	CHECK(tid_address_was);
}

static void see_tid_address(void)
{
	CHECK_EQUAL(tid_address(), tid_address_was);
}

static void *robust_was;

static void *robust_list(void)
{
	void *head = NULL;
	size_t bytes;

	CHECK_CALL(syscall(SYS_get_robust_list, 0, &head, &bytes));
	return head;
}

static void note_robust_list(void)
{
	robust_was = robust_list();
	CHECK(robust_was);
}

static void see_robust_list(void)
{
	CHECK(robust_list() == robust_was);
}

/* A second registration is refused: with EINVAL, or where it is the same, with EBUSY. */
static void see_rseq(void)
{
	void *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	struct rseq *rseq = area;

	CHECK_EQUAL(syscall(SYS_rseq, area, 32, 0, RSEQ_SIG), -1);
	CHECK_EQUAL(errno, EBUSY);
	CHECK((int)rseq->cpu_id >= 0);
}

static void need_rseq(void)
{
	if (!__rseq_size)
		test_skip("the C library has no restartable sequences here");
}

const struct state_row state_thread_rows[] = {
	{ "mxcsr", set_mxcsr, see_mxcsr, .ways = STATE_ALL },
	{ "x87-control", set_x87, see_x87, .ways = STATE_ALL },
	/* at a call of rfork() nothing is live in them */
	{ "vector-registers", choose_vector, see_vector, .stand = stand_with_vector,
	  .ways = STATE_BY(PROCESS) },
	{ "fs-base", note_fs, see_fs, .ways = STATE_ALL },
	{ "gs-base", set_gs, see_gs, .ways = STATE_ALL },
	{ "registers", see_that_it_runs, see_that_it_runs, .ways = STATE_ALL },
	/* the C library has it in the word that the kernel clears when the thread ends */
	{ "thread-id", see_thread_id, see_thread_id, .ways = STATE_ALL,
	  .needs = { "tid-address" } },
	{ "tid-address", note_tid_address, see_tid_address, .ways = STATE_ALL },
	{ "robust-list", note_robust_list, see_robust_list, .ways = STATE_ALL },
	{ "rseq", need_rseq, see_rseq, .ways = STATE_ALL },
	{ .kind = NULL },
};
