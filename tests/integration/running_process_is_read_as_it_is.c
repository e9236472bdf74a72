/* SPDX-License-Identifier: MIT */
/*
 * Claim: the source of a running process says what the process itself says of its state: memory,
 * signals, timers, threads, ranges; and when it is let go it has lost nothing of it and goes on.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/timer_value.h"
#include "tests/support/target.h"
#include "tools/process_reader.h"

#define PAGES 300
#define SECONDS 5000

enum { READY, COUNT, FINISH };

/* What the process says of itself. */
struct facts {
	struct rf_image_sigaction actions[RF_IMAGE_SIGNALS];
	stack_t altstack;
	uint64_t mask, brk, tid_address, robust_list;
	void *dirty, *hidden, *zeros, *file;
	uint64_t digest;
	timer_t timer;
};

static void handle(int signal)
{
	(void)signal;
}

static void look(struct facts *facts)
{
	size_t bytes;

	for (int signal = 1; signal <= RF_IMAGE_SIGNALS; signal++)
		syscall(SYS_rt_sigaction, signal, NULL, &facts->actions[signal - 1], 8);
	sigaltstack(NULL, &facts->altstack);
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &facts->mask, 8);
	facts->brk = (uint64_t)syscall(SYS_brk, 0);
	prctl(PR_GET_TID_ADDRESS, &facts->tid_address);
	syscall(SYS_get_robust_list, 0, &facts->robust_list, &bytes);
	facts->digest = rf_digest64(facts->dirty, PAGES * TEST_PAGE_BYTES);
}

static void *map(size_t pages, int protection)
{
	void *memory =
		mmap(NULL, pages * TEST_PAGE_BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void set_up(struct facts *facts)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = SA_ONSTACK };
	stack_t altstack = { .ss_sp = map(16, PROT_READ | PROT_WRITE),
			     .ss_size = 16 * TEST_PAGE_BYTES };
	struct itimerval itimer = { .it_value.tv_sec = SECONDS, .it_interval.tv_sec = 7 };
	struct itimerspec posix = { .it_value.tv_sec = 2 * SECONDS, .it_interval.tv_nsec = 9 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGRTMIN + 1,
				  .sigev_value.sival_int = 4711 };
	sigset_t set;

	sigaddset(&action.sa_mask, SIGTERM);
	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
	CHECK_CALL(sigaction(SIGRTMIN + 3, &action, NULL));
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	action.sa_handler = SIG_DFL;
	action.sa_flags = SA_NOCLDWAIT;
	CHECK_CALL(sigaction(SIGCHLD, &action, NULL));
	CHECK_CALL(sigaltstack(&altstack, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 2);
	CHECK_CALL(sigprocmask(SIG_SETMASK, &set, NULL));
	CHECK_CALL(kill(getpid(), SIGUSR2));
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 1 }));
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 2 }));
	CHECK_CALL(setitimer(ITIMER_REAL, &itimer, NULL));
	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, &facts->timer));
	CHECK_CALL(timer_settime(facts->timer, 0, &posix, NULL));
	umask(0137);
	prctl(PR_SET_NAME, "a target");
	facts->dirty = map(PAGES, PROT_READ | PROT_WRITE);
	test_fill(facts->dirty, PAGES * TEST_PAGE_BYTES, 42);
	facts->hidden = map(4, PROT_READ | PROT_WRITE);
	test_fill(facts->hidden, TEST_PAGE_BYTES, 43);
	CHECK_CALL(mprotect(facts->hidden, 4 * TEST_PAGE_BYTES, PROT_NONE));
	facts->zeros = map(4, PROT_READ | PROT_WRITE);
	CHECK_EQUAL(*(volatile char *)facts->zeros, 0);
}

static int run(struct target *target)
{
	struct facts *facts = target->memory, now;

	set_up(facts);
	look(facts);
	target_set(target, READY, 1);
	while (!atomic_load(&target->words[FINISH]))
		target_add(target, COUNT);
	now = *facts;
	look(&now);
	CHECK(memcmp(&now, facts, sizeof(now)) == 0);
	return 0;
}

static void check_signals(const struct rf_image *image, const struct facts *facts)
{
	const struct rf_image_thread *thread = &image->threads[0].image;

	/* of what a signal does by default, flags are worth nothing, but for SIGCHLD */
	for (int signal = 1; signal <= RF_IMAGE_SIGNALS; signal++) {
		const struct rf_image_sigaction *action = &image->sigactions[signal - 1];
		const struct rf_image_sigaction *expected = &facts->actions[signal - 1];

		CHECK_EQUAL(action->handler, expected->handler);
		CHECK((expected->handler == 0 && signal != SIGCHLD) ||
		      memcmp(action, expected, sizeof(*action)) == 0);
	}
	CHECK_EQUAL(thread->altstack_address, (uintptr_t)facts->altstack.ss_sp);
	CHECK_EQUAL(thread->altstack_bytes, facts->altstack.ss_size);
	CHECK_EQUAL(thread->altstack_flags, 0);
	CHECK_EQUAL(thread->signal_mask, facts->mask);
	CHECK_EQUAL(image->pending_count, 3);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_EQUAL(image->pending[i].flags, 0);
	CHECK_EQUAL(image->pending[0].signal, SIGUSR2);
	for (int i = 1; i <= 2; i++) {
		siginfo_t info;

		memcpy(&info, image->pending[i].siginfo, sizeof(info));
		CHECK_EQUAL(info.si_signo, SIGRTMIN + 2);
		CHECK_EQUAL(info.si_value.sival_int, i);
	}
}

static void check_timers(const struct rf_image *image)
{
	const struct rf_image_timer *itimer = &image->timers[0], *posix = &image->timers[1];

	CHECK_EQUAL(image->timer_count, 2);
	CHECK_EQUAL(itimer->kind, RF_TIMER_REAL);
	CHECK(itimer->remaining_ns > (SECONDS - 100) * RF_SECOND_NS &&
	      itimer->remaining_ns <= SECONDS * RF_SECOND_NS);
	CHECK_EQUAL(itimer->interval_ns, 7 * RF_SECOND_NS);
	CHECK_EQUAL(posix->kind, RF_TIMER_POSIX);
	CHECK(posix->remaining_ns > (2 * SECONDS - 100) * RF_SECOND_NS);
	CHECK_EQUAL(posix->interval_ns, 9);
	CHECK_EQUAL(posix->clock, CLOCK_MONOTONIC);
	CHECK_EQUAL(posix->signal, SIGRTMIN + 1);
	CHECK_EQUAL(posix->value, 4711);
}

static void check_process(const struct rf_image *image, const struct facts *facts)
{
	const struct rf_image_thread *thread = &image->threads[0].image;
	char cwd[4096];

	CHECK_EQUAL(image->head.threads, 1);
	CHECK_EQUAL(thread->flags, RF_THREAD_INTERRUPTED);
	CHECK_EQUAL(thread->tid_address, facts->tid_address);
	CHECK_EQUAL(thread->robust_list, facts->robust_list);
	CHECK(thread->rseq_address && thread->rseq_signature == 0x53053053);
	CHECK(thread->xsave_bytes >= 576);
	CHECK_EQUAL(image->process.brk, facts->brk);
	CHECK_EQUAL(image->process.umask, 0137);
	CHECK_TEXT(image->process.comm, "a target");
	CHECK_TEXT(image->cwd, getcwd(cwd, sizeof(cwd)));
	CHECK(image->vdso.digest && image->vdso.areas >= 2);
}

/* That something is in a segment, or is not. */
static bool is_carried(const struct rf_source *source, const void *address)
{
	size_t index = rf_source_find(source, (uintptr_t)address);

	return index < source->segment_count &&
	       source->segments[index].address <= (uintptr_t)address;
}

static void check_memory(struct rf_source *source, const struct facts *facts)
{
	static unsigned char copy[PAGES * TEST_PAGE_BYTES], expected[TEST_PAGE_BYTES];
	size_t hidden = rf_image_find_mapping(&source->image, (uintptr_t)facts->hidden,
					      (uintptr_t)facts->hidden + 1);

	CHECK_EQUAL(rf_source_read(source, (uintptr_t)facts->dirty, copy, sizeof(copy)),
		    sizeof(copy));
	CHECK_EQUAL(rf_digest64(copy, sizeof(copy)), facts->digest);
	CHECK(hidden != SIZE_MAX && source->image.mappings[hidden].protection == 0);
	test_fill(expected, sizeof(expected), 43);
	CHECK_EQUAL(rf_source_read(source, (uintptr_t)facts->hidden, copy, TEST_PAGE_BYTES),
		    TEST_PAGE_BYTES);
	CHECK(memcmp(copy, expected, sizeof(expected)) == 0);
	CHECK(!is_carried(source, (char *)facts->hidden + TEST_PAGE_BYTES));
	CHECK(!is_carried(source, facts->zeros));
	/* code, which is a file's */
	CHECK(!is_carried(source, (void *)(uintptr_t)run));
	CHECK_EQUAL(rf_source_read(source, (uintptr_t)run, copy, 64), 64);
	CHECK(memcmp(copy, (void *)(uintptr_t)run, 64) == 0);
}

int main(void)
{
	struct rf_report report = { 0 };
	struct rf_source source;
	struct target target;
	int count;

	test_begin();
	target_start(&target, run, sizeof(struct facts));
	target_await(&target, READY, 1);
	target_await(&target, COUNT, 1);
	if (rf_process_open(&source, target.pid, NULL, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	count = atomic_load(&target.words[COUNT]);
	check_process(&source.image, target.memory);
	check_signals(&source.image, target.memory);
	check_timers(&source.image);
	check_memory(&source, target.memory);
	CHECK_EQUAL(atomic_load(&target.words[COUNT]), count);
	rf_source_let_go(&source);
	CHECK(source.held_ns > 0);
	target_await(&target, COUNT, count + 1);
	rf_source_close(&source);
	target_set(&target, FINISH, 1);
	target_end(&target);
	return test_end();
}
