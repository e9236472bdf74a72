/* SPDX-License-Identifier: MIT */
/*
 * Claim: timers, pending signals, locks on files, locked memory, pipes of the process's own with
 * what is in them, its robust list and the address of its thread's id are in a checkpoint, though
 * a fork drops or shares them; and the process has them afterwards as before: no timer has
 * stopped, no signal is lost, and none has overtaken another.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "rfork/source.h"
#include "tests/support/checkpoint.h"

#define SECOND INT64_C(1000000000)

static struct rf_source source;
static char message[] = "this is in the pipe";

/* -- built ----------------------------------------------------------------------------------- */

static timer_t slow, fast;
static int pipe_ends[2], locked_file;
static char *locked_memory;

static timer_t make_timer(int signal, int64_t first_ns, int64_t interval_ns)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal };
	struct itimerspec when = {
		.it_value = { .tv_sec = first_ns / SECOND, .tv_nsec = first_ns % SECOND },
		.it_interval = { .tv_sec = interval_ns / SECOND, .tv_nsec = interval_ns % SECOND }
	};
	timer_t timer;

	event.sigev_value.sival_int = 77;
	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, &timer));
	CHECK_CALL(timer_settime(timer, 0, &when, NULL));
	return timer;
}

static void make_timers(void)
{
	struct itimerval alarm = { .it_value = { .tv_sec = 1000 }, .it_interval = { .tv_sec = 7 } };

	CHECK_CALL(setitimer(ITIMER_REAL, &alarm, NULL));
	slow = make_timer(SIGUSR1, 5000 * SECOND, 0);
	fast = make_timer(SIGRTMAX, SECOND / 10000, SECOND / 10000);
}

static void send(int value)
{
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = value }));
}

static void make_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMAX);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	send(1);
	send(2);
	send(3);
	CHECK_CALL(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2));
}

static void set_lock(int command, off_t start, off_t bytes, short type)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = bytes
	};

	CHECK_CALL(fcntl(locked_file, command, &lock));
}

static void make_locks(void)
{
	locked_file =
		CHECK_CALL(open(checkpoint_path("locked"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	set_lock(F_SETLK, 10, 5, F_WRLCK);
	set_lock(F_OFD_SETLK, 100, 0, F_RDLCK);
	CHECK_CALL(flock(locked_file, LOCK_EX));
	locked_memory = mmap(NULL, 2 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(locked_memory != MAP_FAILED);
	CHECK_CALL(mlock(locked_memory, TEST_PAGE_BYTES));
}

/* -- read ------------------------------------------------------------------------------------- */

static const struct rf_image_timer *find_timer(uint32_t kind, uint32_t signal)
{
	for (uint32_t i = 0; i < source.image.timer_count; i++)
		if (source.image.timers[i].kind == kind && source.image.timers[i].signal == signal)
			return &source.image.timers[i];
	test_fail(__FILE__, __LINE__, "no timer of kind %u for signal %u", kind, signal);
}

static void check_timers(void)
{
	const struct rf_image_timer *timer = find_timer(RF_TIMER_REAL, 0);

	CHECK_EQUAL(source.image.timer_count, 3);
	CHECK_EQUAL(timer->interval_ns, 7 * SECOND);
	CHECK(timer->remaining_ns > 900 * SECOND && timer->remaining_ns <= 1000 * SECOND);
	timer = find_timer(RF_TIMER_POSIX, SIGUSR1);
	CHECK_EQUAL(timer->value & 0xffffffff, 77);
	CHECK_EQUAL(timer->interval_ns, 0);
	CHECK(timer->remaining_ns > 4900 * SECOND && timer->remaining_ns <= 5000 * SECOND);
	timer = find_timer(RF_TIMER_POSIX, SIGRTMAX);
	CHECK_EQUAL(timer->interval_ns, SECOND / 10000);
	CHECK(timer->remaining_ns > 0 && timer->remaining_ns <= SECOND / 10000);
}

static void check_pending(void)
{
	unsigned values = 0, directed = 0;

	for (uint32_t i = 0; i < source.image.pending_count; i++) {
		const struct rf_image_pending *pending = &source.image.pending[i];
		siginfo_t info;

		memcpy(&info, pending->siginfo, sizeof(info));
		if (info.si_signo == SIGRTMIN)
			CHECK_EQUAL(info.si_value.sival_int, ++values);
		directed += info.si_signo == SIGUSR2 && pending->flags & RF_PENDING_THREAD;
	}
	CHECK_EQUAL(values, 3);
	CHECK_EQUAL(directed, 1);
}

static const struct rf_image_lock *find_lock(uint32_t kind)
{
	for (uint32_t i = 0; i < source.lock_count; i++)
		if (source.locks[i].kind == kind)
			return &source.locks[i];
	test_fail(__FILE__, __LINE__, "no lock of kind %u", kind);
}

static void check_locks(void)
{
	const struct rf_image_lock *lock = find_lock(RF_LOCK_RECORD);

	CHECK_EQUAL(source.lock_count, 3);
	CHECK_EQUAL(lock->descriptor, locked_file);
	CHECK(lock->start == 10 && lock->bytes == 5 && lock->type == RF_LOCK_EXCLUSIVE);
	lock = find_lock(RF_LOCK_OPEN_FILE);
	CHECK(lock->start == 100 && lock->bytes == 0 && lock->type == RF_LOCK_SHARED);
	CHECK_EQUAL(find_lock(RF_LOCK_WHOLE)->type, RF_LOCK_EXCLUSIVE);
}

static bool is_locked(const char *address)
{
	for (uint32_t i = 0; i < source.image.head.mappings; i++) {
		const struct rf_image_mapping *mapping = &source.image.mappings[i];

		if (mapping->start <= (uintptr_t)address && (uintptr_t)address < mapping->end)
			return mapping->flags & RF_MAPPING_LOCKED;
	}
	test_fail(__FILE__, __LINE__, "%p is not mapped", (const void *)address);
}

static void check_pipe(void)
{
	CHECK_EQUAL(source.image.pipe_count, 1);
	CHECK_EQUAL(source.image.pipes[0].image.bytes, sizeof(message));
	CHECK(memcmp((const char *)source.image.pipes[0].lengths, message, sizeof(message)) == 0);
	for (uint32_t i = 0; i < source.image.head.descriptors; i++) {
		const struct rf_image_descriptor *image = &source.image.descriptors[i];

		if ((int)image->number == pipe_ends[0] || (int)image->number == pipe_ends[1])
			CHECK_EQUAL(image->kind, RF_DESCRIPTOR_PIPE);
	}
}

static void check_thread(void)
{
	const struct rf_image_thread *thread = &source.image.threads[0].image;
	void *robust_list;
	size_t bytes;
	uint64_t address = 0;

	CHECK_EQUAL(thread->tid, syscall(SYS_gettid));
	CHECK_CALL(syscall(SYS_get_robust_list, 0, &robust_list, &bytes));
	CHECK_EQUAL(thread->robust_list, (uintptr_t)robust_list);
	CHECK_EQUAL(thread->robust_list_bytes, bytes);
	if (prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) == 0)
		CHECK_EQUAL(thread->tid_address, address);
	CHECK_EQUAL(source.origin.pid, getpid());
}

/* -- the process afterwards ------------------------------------------------------------------- */

static int take(int signal, siginfo_t *info)
{
	const struct timespec limit = { .tv_sec = TEST_DEADLINE_MS / 1000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	return CHECK_CALL(sigtimedwait(&set, info, &limit));
}

static void check_process(void)
{
	struct itimerspec left;
	struct itimerval alarm;
	char got[sizeof(message)];
	siginfo_t info;

	for (int i = 1; i <= 4; i++) {
		take(SIGRTMIN, &info);
		CHECK_EQUAL(info.si_value.sival_int, i);
		CHECK_EQUAL(info.si_code, SI_QUEUE);
	}
	take(SIGUSR2, &info);
	for (int i = 0; i < 3; i++) /* its timer goes on */
		take(SIGRTMAX, &info);
	CHECK_CALL(timer_gettime(slow, &left));
	CHECK(left.it_value.tv_sec > 4900);
	CHECK_CALL(getitimer(ITIMER_REAL, &alarm));
	CHECK(alarm.it_value.tv_sec > 900 && alarm.it_interval.tv_sec == 7);
	CHECK_EQUAL(read(pipe_ends[0], got, sizeof(got)), sizeof(message));
	CHECK(memcmp(got, message, sizeof(message)) == 0);
}

int main(void)
{
	static const char *const names[] = { "locked", "state" };
	rfork_crid_t crid;

	test_begin();
	make_signals();
	make_locks();
	CHECK_CALL(pipe(pipe_ends));
	test_write(pipe_ends[1], message, sizeof(message));
	make_timers();
	crid = checkpoint_hold(0);
	CHECK(crid > 0);
	send(4); /* behind the others */
	checkpoint_write(crid, checkpoint_path("state"));
	check_process();
	checkpoint_read(&source, checkpoint_path("state"));
	check_timers();
	check_pending();
	check_locks();
	CHECK(is_locked(locked_memory));
	CHECK(!is_locked(locked_memory + TEST_PAGE_BYTES));
	check_pipe();
	check_thread();
	rf_source_close(&source);
	CHECK_CALL(timer_delete(fast));
	CHECK_CALL(rfork_discard(crid));
	checkpoint_clean(names, 2);
	return test_end();
}
