/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump -p makes of an unrelated running process of eight threads an executable that goes
 * on where each of them stood: with its memory, thread-local data, waits, mutexes and pipes,
 * signals and timers; over and over.  The process itself notices nothing.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "tests/support/target.h"
#include "tests/support/undump.h"

#define RESTARTS 5
#define PAGES 500
#define SECONDS 5000

enum { READY, COUNT, FINISH };

static struct target *shared;
static pid_t original;
static int pipe_ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static bool is_restarted;
static __thread uint64_t own;
static volatile sig_atomic_t handled;
static atomic_bool paused; /* and woken */

/* The kernel's, for libc need not ask it. */
static bool is_over(void)
{
	return syscall(SYS_getpid) != original || atomic_load(&shared->words[FINISH]);
}

static void handle(int signal)
{
	handled = signal;
}

static void begin(uintptr_t index)
{
	own = index * 0x123456789abcdefu;
	target_add(shared, READY);
}

static void check_own(uintptr_t index)
{
	CHECK_EQUAL(own, index * 0x123456789abcdefu);
}

static void *wait_for_condition(void *index)
{
	begin((uintptr_t)index);
	CHECK_EQUAL(pthread_mutex_lock(&mutex), 0);
	while (!is_restarted)
		CHECK_EQUAL(pthread_cond_wait(&condition, &mutex), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&mutex), 0);
	check_own((uintptr_t)index);
	return index;
}

static void *read_pipe(void *index)
{
	char byte;

	begin((uintptr_t)index);
	CHECK_EQUAL(read(pipe_ends[0], &byte, 1), 1);
	CHECK_EQUAL(byte, 'b');
	check_own((uintptr_t)index);
	return index;
}

static void *pause_once(void *index)
{
	begin((uintptr_t)index);
	CHECK_EQUAL(pause(), -1);
	CHECK_EQUAL(handled, SIGUSR1);
	atomic_store(&paused, true);
	check_own((uintptr_t)index);
	return index;
}

static void *sleep_often(void *index)
{
	struct timespec short_time = { .tv_nsec = 30000000 };

	begin((uintptr_t)index);
	while (!is_over())
		nanosleep(&short_time, NULL);
	check_own((uintptr_t)index);
	return index;
}

/* Live in every register that a compiler likes. */
static void *compute(void *index)
{
	double sum = 0, expected = 0;
	uint64_t a = 1, b = 1;

	begin((uintptr_t)index);
	while (!is_over()) {
		for (int i = 0; i < 1000; i++) {
			a = a * 6364136223846793005u + 1442695040888963407u;
			sum += (double)(a >> 40);
			b = b * 6364136223846793005u + 1442695040888963407u;
			expected += (double)(b >> 40);
		}
		CHECK(a == b && sum == expected);
		target_add(shared, COUNT);
	}
	check_own((uintptr_t)index);
	return index;
}

static timer_t set_up(stack_t *altstack)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = SA_ONSTACK };
	struct itimerval itimer = { .it_value.tv_sec = SECONDS, .it_interval.tv_sec = 7 };
	struct itimerspec posix = { .it_value.tv_sec = 2 * SECONDS };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	sigset_t set;
	timer_t timer;

	altstack->ss_sp = malloc(SIGSTKSZ);
	altstack->ss_size = (size_t)SIGSTKSZ;
	altstack->ss_flags = 0;
	CHECK_CALL(sigaltstack(altstack, NULL));
	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
	CHECK_CALL(setitimer(ITIMER_REAL, &itimer, NULL));
	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, &timer));
	CHECK_CALL(timer_settime(timer, 0, &posix, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	CHECK_CALL(pthread_sigmask(SIG_BLOCK, &set, NULL));
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 4711 }));
	umask(0137);
	return timer;
}

static void check_state(const stack_t *altstack, timer_t timer)
{
	struct itimerval itimer;
	struct itimerspec posix;
	struct timespec now = { 0 };
	siginfo_t info;
	sigset_t set;
	stack_t found;

	CHECK_CALL(sigaltstack(NULL, &found));
	CHECK(found.ss_sp == altstack->ss_sp && found.ss_size == altstack->ss_size &&
	      found.ss_flags == 0);
	CHECK_CALL(getitimer(ITIMER_REAL, &itimer));
	CHECK(itimer.it_value.tv_sec > SECONDS - 200 && itimer.it_interval.tv_sec == 7);
	CHECK_CALL(timer_gettime(timer, &posix));
	CHECK(posix.it_value.tv_sec > 2 * SECONDS - 200);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	CHECK_EQUAL(sigtimedwait(&set, &info, &now), SIGRTMIN + 2);
	CHECK_EQUAL(info.si_value.sival_int, 4711);
	CHECK_EQUAL(umask(0), 0137);
}

/* A restarted thread makes its call again: until it does, a signal is handled before it. */
static void wake_pause(pthread_t thread)
{
	while (!atomic_load(&paused)) {
		CHECK_EQUAL(pthread_kill(thread, SIGUSR1), 0);
		sched_yield();
	}
}

static int run(struct target *target)
{
	void *(*const bodies[])(void *) = {
		wait_for_condition, read_pipe, pause_once, sleep_often, compute, compute, compute
	};
	enum { THREADS = sizeof(bodies) / sizeof(bodies[0]) };
	pthread_t threads[THREADS];
	stack_t altstack;
	timer_t timer;
	uint64_t digest;
	void *memory = mmap(NULL, PAGES * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	shared = target;
	original = (pid_t)syscall(SYS_getpid);
	test_fill(memory, PAGES * TEST_PAGE_BYTES, 42);
	digest = rf_digest64(memory, PAGES * TEST_PAGE_BYTES);
	CHECK_CALL(pipe(pipe_ends));
	timer = set_up(&altstack);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, bodies[i], (void *)(i + 1)), 0);
	while (!is_over())
		sched_yield();
	check_state(&altstack, timer);
	CHECK_EQUAL(rf_digest64(memory, PAGES * TEST_PAGE_BYTES), digest);
	CHECK_EQUAL(pthread_mutex_lock(&mutex), 0);
	is_restarted = true;
	CHECK_EQUAL(pthread_cond_signal(&condition), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&mutex), 0);
	CHECK_EQUAL(write(pipe_ends[1], "b", 1), 1);
	wake_pause(threads[2]);
	for (uintptr_t i = 0; i < THREADS; i++) {
		void *result;

		CHECK_EQUAL(pthread_join(threads[i], &result), 0);
		CHECK_EQUAL((uintptr_t)result, i + 1);
	}
	printf("all %d threads have gone on\n", THREADS);
	return fflush(stdout);
}

int main(void)
{
	char path[] = "executable-XXXXXX";
	struct undump_result result;
	struct target target;

	test_begin();
	CHECK_CALL(close(CHECK_CALL(mkstemp(path))));
	target_start(&target, run, 0);
	target_await(&target, READY, 7);
	target_await(&target, COUNT, 100);
	for (int i = 0; i < RESTARTS; i++) {
		char program[64];

		undump_process(target.pid, path, NULL);
		snprintf(program, sizeof(program), "./%s", path);
		undump_run(&result, program, NULL);
		if (result.status != 0 || strcmp(result.text, "all 7 threads have gone on\n") != 0)
			test_fail(__FILE__, __LINE__, "the executable: exit %d: %s", result.status,
				  result.text);
		target_await(&target, COUNT, atomic_load(&target.words[COUNT]) + 1);
	}
	target_set(&target, FINISH, 1);
	target_end(&target);
	undump_remove(path);
	return test_end();
}
