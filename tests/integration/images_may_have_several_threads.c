/* SPDX-License-Identifier: MIT */
/*
 * Claim: an image of several threads runs on a node: each thread has its own registers, stack,
 * thread pointer, id, robust list, alternate stack, mask, rseq area, floating point control,
 * pending signals and timers; an interrupted main thread goes on where it was.  When one thread
 * cannot be made, none executes.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
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

/* Two for each thread: one is pending, one comes from a timer. */
#define SIGNAL_OF(number) (40 + 2 * (int)(number))

static bool has_timers;		  /* the kernel can make timers of given numbers */
static struct witness *witnesses; /* memory that the image carries */
static struct image image;

/* Takes a signal that was queued for this thread only; its value. */
static uint64_t take_signal(int signal)
{
	const struct timespec soon = { .tv_sec = 10 };
	const uint64_t set = UINT64_C(1) << (signal - 1);
	siginfo_t info = { 0 };

	return rf_syscall(SYS_rt_sigtimedwait, &set, &info, &soon, sizeof(set)) == signal
		       ? (uint64_t)(uintptr_t)info.si_value.sival_ptr
		       : 0;
}

/* One is pending, and a timer sends one; the thread blocks both, and only it has them. */
static bool has_errands(uint32_t number)
{
	int signal = SIGNAL_OF(number);
	struct itimerspec left = { 0 };

	return take_signal(signal) == 500 + number &&
	       (!has_timers || (take_signal(signal + 1) == 600 + number &&
				rf_syscall(SYS_timer_gettime, number, &left) == 0 &&
				left.it_interval.tv_sec == 1000));
}

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
	       (mask != UINT64_C(3) << (SIGNAL_OF(number) - 1)) << 4 |
	       (robust_list != (uintptr_t)me->robust_list) << 5 |
	       (altstack.ss_sp != me->altstack) << 6 |
	       (_mm_getcsr() != (MXCSR_TOWARDS_ZERO | number)) << 7 |
	       (me->rseq[1] == UINT32_MAX) << 8 | (me->uncached != 7) << 9 |
	       !has_errands(number) << 10;
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

	thread->flags |= RF_THREAD_INTERRUPTED;
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
	thread->signal_mask = UINT64_C(3) << (SIGNAL_OF(number) - 1);
	thread->rseq_address = (uintptr_t)witness->rseq;
	thread->rseq_bytes = sizeof(witness->rseq);
	thread->rseq_signature = 0x53053053;
	thread->mxcsr = MXCSR_TOWARDS_ZERO | number;
}

/* Appends a record behind all that is said of threads, with room for so many bytes, zeroed. */
static void *add_record(struct image *changed, enum rf_record_type type, size_t bytes)
{
	unsigned index = image_index(changed, RF_RECORD_THREAD_STATE, 0) + 1;
	struct image_record *record;

	image_duplicate(changed, index);
	record = &changed->records[index];
	record->header.type = (uint16_t)type;
	record->header.flags = 0;
	image_resize(record, 0);
	image_resize(record, (uint32_t)bytes);
	return record->payload;
}

static void add_errands(struct image *changed)
{
	struct rf_image_pending *pending =
		add_record(changed, RF_RECORD_PENDING, (THREADS - 1) * sizeof(*pending));
	struct rf_image_timer *timers;

	for (unsigned i = 1; i < THREADS; i++, pending++) {
		siginfo_t info = { .si_signo = SIGNAL_OF(i), .si_code = SI_QUEUE };

		info.si_value.sival_ptr = (void *)(uintptr_t)(500 + i);
		*pending = (struct rf_image_pending){ .flags = RF_PENDING_THREAD, .thread = i };
		memcpy(pending->siginfo, &info, sizeof(pending->siginfo));
	}
	if (!has_timers)
		return;
	timers = add_record(changed, RF_RECORD_TIMERS, (THREADS - 1) * sizeof(*timers));
	for (unsigned i = 1; i < THREADS; i++, timers++)
		*timers = (struct rf_image_timer){ .kind = RF_TIMER_POSIX,
						   .id = i,
						   .remaining_ns = 1,
						   .interval_ns = 1000 * UINT64_C(1000000000),
						   .clock = CLOCK_MONOTONIC,
						   .notify = RF_TIMER_THREAD,
						   .signal = (uint32_t)SIGNAL_OF(i) + 1,
						   .thread = i,
						   .value = 600 + i };
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
	add_errands(changed);
	fix_end(changed);
}

static void interrupt_main(struct image *changed)
{
	struct rf_image_thread *thread = find_thread(changed, 0);

	thread->flags |= RF_THREAD_INTERRUPTED;
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
	has_timers = prctl(77 /* PR_TIMER_CREATE_RESTORE_IDS */, 2, 0, 0, 0) >= 0;
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
