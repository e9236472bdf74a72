/* SPDX-License-Identifier: MIT */
/*
 * Claim: a program that is restarted has its timers, with the time that was left, its pending
 * signals in their order, its locks on files and of memory, the pipes of its own with what was in
 * them, and the kernel knows its thread as before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/restart.h"

static timer_t slow;
static int pipe_ends[2], locked_file;
static char locked_path[128];
static void *robust_list;
static uint64_t tid_address;

static void make_timer(timer_t *timer, int signal, long first_s, long interval_ns)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal };
	struct itimerspec when = { .it_value = { first_s, interval_ns },
				   .it_interval = { 0, interval_ns } };

	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, timer));
	CHECK_CALL(timer_settime(*timer, 0, &when, NULL));
}

static void make_signals(void)
{
	struct itimerval alarm = { .it_value = { .tv_sec = 1000 }, .it_interval = { .tv_sec = 7 } };
	sigset_t set;
	timer_t fast;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGRTMAX);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 1; i <= 3; i++)
		CHECK_CALL(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }));
	CHECK_CALL(setitimer(ITIMER_REAL, &alarm, NULL));
	make_timer(&slow, SIGUSR1, 5000, 0);
	make_timer(&fast, SIGRTMAX, 0, 1000000);
}

static void set_lock(int command, off_t start, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 5 };

	CHECK_CALL(fcntl(locked_file, command, &lock));
}

static void make_locks(void)
{
	char *memory = mmap(NULL, 2 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_CALL(mlock(memory, TEST_PAGE_BYTES));
	snprintf(locked_path, sizeof(locked_path), "%s", checkpoint_path("locked"));
	locked_file = CHECK_CALL(open(locked_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	set_lock(F_SETLK, 10, F_WRLCK);
	set_lock(F_OFD_SETLK, 100, F_RDLCK);
	CHECK_CALL(flock(locked_file, LOCK_EX));
}

static void note_thread(void **list, uint64_t *address)
{
	size_t bytes;

	CHECK_CALL(syscall(SYS_get_robust_list, 0, list, &bytes));
	prctl(PR_GET_TID_ADDRESS, address, 0, 0, 0); /* 0 where the kernel does not tell */
}

/* -- restarted -------------------------------------------------------------------------------- */

static void check_signals(void)
{
	const struct timespec limit = { .tv_sec = TEST_DEADLINE_MS / 1000 };
	struct itimerspec left;
	struct itimerval alarm;
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	for (int i = 1; i <= 3; i++) {
		CHECK_EQUAL(sigtimedwait(&set, &info, &limit), SIGRTMIN);
		CHECK_EQUAL(info.si_value.sival_int, i);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGRTMAX);
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(sigtimedwait(&set, &info, &limit), SIGRTMAX);
	CHECK_CALL(getitimer(ITIMER_REAL, &alarm));
	CHECK(alarm.it_value.tv_sec > 900 && alarm.it_value.tv_sec <= 1000);
	CHECK_EQUAL(alarm.it_interval.tv_sec, 7);
	CHECK_CALL(timer_gettime(slow, &left));
	CHECK(left.it_value.tv_sec > 4900 && left.it_value.tv_sec <= 5000);
}

/* What another description of the file sees of a lock at `start`. */
static short see_lock(int fd, off_t start)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1
	};

	CHECK_CALL(fcntl(fd, F_OFD_GETLK, &lock));
	return lock.l_type;
}

/* In a child: to close a file of the same inode would end the record lock of the process. */
static void check_locks(void)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		int fd = CHECK_CALL(open(locked_path, O_RDWR | O_CLOEXEC));

		CHECK_EQUAL(see_lock(fd, 12), F_WRLCK);
		CHECK_EQUAL(see_lock(fd, 50), F_UNLCK);
		CHECK_EQUAL(see_lock(fd, 102), F_RDLCK);
		CHECK_EQUAL(flock(fd, LOCK_SH | LOCK_NB), -1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void check_locked_memory(void)
{
	char text[4096];
	int fd = CHECK_CALL(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
	ssize_t bytes = CHECK_CALL(read(fd, text, sizeof(text) - 1));
	const char *found;

	close(fd);
	text[bytes] = '\0';
	found = strstr(text, "VmLck:");
	CHECK(found);
	CHECK_EQUAL(strtol(found + 6, NULL, 10), 4);
}

static int body(void)
{
	char message[] = "in the pipe", got[sizeof(message)];
	uint64_t address = 0;
	void *list;

	make_locks();
	CHECK_CALL(pipe(pipe_ends));
	test_write(pipe_ends[1], message, sizeof(message));
	note_thread(&robust_list, &tid_address);
	make_signals();
	restart_point();
	check_signals();
	check_locks();
	check_locked_memory();
	CHECK_EQUAL(test_read(pipe_ends[0], got, sizeof(got)), sizeof(got));
	CHECK_TEXT(got, message);
	note_thread(&list, &address);
	CHECK(list == robust_list);
	CHECK_EQUAL(address, tid_address);
	return RESTART_RIGHT;
}

int main(void)
{
	static const char *const names[] = { "app", "locked" };

	test_begin();
	restart_write(checkpoint_path("app"), body);
	restart_expect(checkpoint_path("app"));
	restart_expect(checkpoint_path("app"));
	checkpoint_clean(names, 2);
	return test_end();
}
