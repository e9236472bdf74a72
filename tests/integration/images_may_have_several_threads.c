/* SPDX-License-Identifier: MIT */
/*
 * Claim: an image of several threads runs on a node: each thread has its own registers, stack, thread
 * pointer, id, robust list, alternate stack, mask, rseq area and floating point control; an
 * interrupted main thread goes on where it was.  When one thread cannot be made, none executes.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xmmintrin.h>

#include "rfork/sys.h"
#include "tests/support/image.h"

#define THREADS 5u
#define STACK_BYTES 16384u
#define FIRST_TID 4000000u /* above what a kernel gives by default: nobody has it */
#define MXCSR_TOWARDS_ZERO 0x7f80u

/* What one thread has, and what it finds.  No libc: its thread pointer is not libc's. */
struct witness {
	uint64_t self; /* what fs points to */
	uint32_t tid;  /* as libc caches it */
	uint32_t uncached;
	uint32_t rseq[8] __attribute__((aligned(32)));
	uint64_t robust_list[3];
	unsigned char stack[STACK_BYTES] __attribute__((aligned(16)));
	unsigned char altstack[STACK_BYTES];
	uint32_t is_done, fault;
};

static struct witness *witnesses; /* memory that the image carries */
static struct image image;

static uint32_t look(struct witness *me, uint64_t argument, uint64_t rax)
{
	uint32_t number = (uint32_t)(me - witnesses);
	uint64_t fs = 0, mask = 0, robust_list = 0;
	size_t robust_list_bytes;
	stack_t altstack = { 0 };
	uint32_t tid = (uint32_t)rf_syscall(SYS_gettid);

	rf_syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
	rf_syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
	rf_syscall(SYS_get_robust_list, 0, &robust_list, &robust_list_bytes);
	rf_syscall(SYS_sigaltstack, NULL, &altstack);
	return (argument != 100 + number) << 0 | (rax != 200 + number) << 1 |
	       (fs != (uintptr_t)me) << 2 | (me->tid != tid) << 3 |
	       (mask != UINT64_C(1) << (SIGRTMIN + number)) << 4 |
	       (robust_list != (uintptr_t)me->robust_list) << 5 |
	       (altstack.ss_sp != me->altstack) << 6 |
	       (_mm_getcsr() != (MXCSR_TOWARDS_ZERO | number)) << 7 |
	       (me->rseq[1] == UINT32_MAX) << 8 | (me->uncached != 7) << 9;
}

__attribute__((used)) static void bear_witness(struct witness *me, uint64_t argument, uint64_t rax)
{
	me->fault = look(me, argument, rax);
	__atomic_store_n(&me->is_done, 1, __ATOMIC_RELEASE);
	rf_syscall(SYS_futex, &me->is_done, 1 /* FUTEX_WAKE */, 1, 0, 0, 0);
	for (;;)
		rf_syscall(SYS_exit, 0);
}

/* rdi, rsi: the arguments; rax is what a result would have overwritten */
__attribute__((naked, noinline)) static void enter(void)
{
	__asm__("movq %rax, %rdx\n\t"
		"call bear_witness\n\t"
		"ud2");
}

/* The main thread, from wherever it was: waits for the others; exits with 23 if all is well. */
static void await_witnesses(void)
{
	uint32_t faults = 0;

	for (unsigned i = 1; i < THREADS; i++) {
		struct witness *witness = &witnesses[i];

		while (!__atomic_load_n(&witness->is_done, __ATOMIC_ACQUIRE))
			rf_syscall(SYS_futex, &witness->is_done, 0 /* FUTEX_WAIT */, 0, NULL, 0, 0);
		faults |= witness->fault;
	}
	if (faults)
		dprintf(2, "on the node: faults %#x\n", faults);
	rf_sys_exit(faults ? 24 : 23);
}

__attribute__((used)) static void go_on(uint64_t rax)
{
	if (rax != 77)
		rf_sys_exit(25);
	await_witnesses();
}

__attribute__((naked, noinline)) static void enter_main(void)
{
	__asm__("movq %rax, %rdi\n\t"
		"call go_on\n\t"
		"ud2");
}

/* -- the image ------------------------------------------------------------------------------ */

static struct rf_image_thread *find_thread(struct image *changed, unsigned number)
{
	return (void *)image_find(changed, RF_RECORD_THREAD, number)->payload;
}

static void make_thread(struct rf_image_thread *thread, unsigned number)
{
	struct witness *witness = &witnesses[number];

	thread->flags = RF_THREAD_INTERRUPTED;
	thread->tid = FIRST_TID + number;
	thread->registers.rip = (uintptr_t)enter;
	thread->registers.rsp = (uintptr_t)witness->stack + STACK_BYTES;
	thread->registers.rdi = (uintptr_t)witness;
	thread->registers.rsi = 100 + number;
	thread->registers.rax = 200 + number;
	thread->registers.fs_base = (uintptr_t)witness;
	thread->tid_address = (uintptr_t)&witness->tid;
	thread->robust_list = (uintptr_t)witness->robust_list;
	thread->robust_list_bytes = sizeof(witness->robust_list);
	thread->altstack_address = (uintptr_t)witness->altstack;
	thread->altstack_bytes = STACK_BYTES;
	thread->altstack_flags = 0;
	thread->signal_mask = UINT64_C(1) << (SIGRTMIN + number);
	thread->rseq_address = (uintptr_t)witness->rseq;
	thread->rseq_bytes = sizeof(witness->rseq);
	thread->rseq_signature = 0x53053053;
	thread->mxcsr = MXCSR_TOWARDS_ZERO | number;
}

static void fix_end(struct image *changed)
{
	struct rf_image_end *end = (void *)image_find(changed, RF_RECORD_END, 0)->payload;

	end->records = changed->count;
}

static void add_threads(struct image *changed)
{
	struct rf_image_head *head = (void *)image_find(changed, RF_RECORD_IMAGE, 0)->payload;

	head->threads = THREADS;
	for (unsigned i = 1; i < THREADS; i++)
		image_duplicate(changed, image_index(changed, RF_RECORD_THREAD, 0));
	for (unsigned i = 1; i < THREADS; i++)
		make_thread(find_thread(changed, i), i);
	fix_end(changed);
}

static void interrupt_main(struct image *changed)
{
	struct rf_image_thread *thread = find_thread(changed, 0);

	thread->flags = RF_THREAD_INTERRUPTED;
	thread->registers.rip = (uintptr_t)enter_main;
	thread->registers.rax = 77;
	thread->registers.rsp = (uintptr_t)witnesses[0].stack + STACK_BYTES;
	add_threads(changed);
}

/* The kernel takes one size only. */
static void break_last_thread(struct image *changed)
{
	add_threads(changed);
	find_thread(changed, THREADS - 1)->robust_list_bytes = 5;
}

static void expect_run(const struct node *node, const char *what, void (*change)(struct image *))
{
	struct rf_report report;
	struct image copy;

	image_copy(&copy, &image);
	change(&copy);
	if (image_offer(&copy, node, &report))
		test_fail(__FILE__, __LINE__, "%s: %s", what, report.sentence);
	image_free(&copy);
}

int main(void)
{
	struct node_load load;
	struct node node;

	test_begin();
	witnesses = CHECK_CALL(mmap(NULL, THREADS * sizeof(*witnesses), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (unsigned i = 0; i < THREADS; i++) {
		witnesses[i].self = (uintptr_t)&witnesses[i];
		witnesses[i].tid = FIRST_TID + i;
		witnesses[i].uncached = 7;
		witnesses[i].rseq[1] = UINT32_MAX; /* cpu_id: not registered */
	}
	node_start(&node, NULL);
	image_record_child(&image, &node, await_witnesses);
	node_expect_service(&node);
	load = node_settle(&node);
	for (unsigned i = 0; i < 20; i++) {
		expect_run(&node, "a captured call and threads", add_threads);
		expect_run(&node, "interrupted threads", interrupt_main);
	}
	image_expect_refusal(&image, &node, "a thread that cannot be made", break_last_thread,
			     EINVAL);
	image_free(&image);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
