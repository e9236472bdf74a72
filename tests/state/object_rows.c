/* SPDX-License-Identifier: MIT */
/*
 * What has a descriptor and no name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/state/row.h"

static int object = -1, second = -1;

static void make_event(void)
{
	object = CHECK_CALL(eventfd(5, EFD_NONBLOCK));
}

static void see_event(void)
{
	uint64_t count = 0;

	CHECK_EQUAL(read(object, &count, sizeof(count)), sizeof(count));
	CHECK_EQUAL(count, 5);
}

static void make_timer(void)
{
	const struct itimerspec value = { .it_value.tv_sec = 5000, .it_interval.tv_sec = 7 };

	object = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, 0));
	CHECK_CALL(timerfd_settime(object, 0, &value, NULL));
}

static void see_timer(void)
{
	struct itimerspec left;

	CHECK_CALL(timerfd_gettime(object, &left));
	CHECK(left.it_value.tv_sec > 4000 && left.it_value.tv_sec <= 5000);
	CHECK_EQUAL(left.it_interval.tv_sec, 7);
}

static void ask_for_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	object = CHECK_CALL(signalfd(-1, &set, SFD_NONBLOCK));
}

/* Blocks it here: what is blocked is another row's. */
static void see_signal(void)
{
	struct signalfd_siginfo info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	CHECK_CALL(raise(SIGUSR1));
	CHECK_EQUAL(read(object, &info, sizeof(info)), sizeof(info));
	CHECK_EQUAL(info.ssi_signo, SIGUSR1);
}

#define WORD UINT64_C(0x123456789abc)

static void watch(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = WORD };

	second = CHECK_CALL(eventfd(0, EFD_NONBLOCK));
	object = CHECK_CALL(epoll_create1(0));
	CHECK_CALL(epoll_ctl(object, EPOLL_CTL_ADD, second, &event));
}

static void see_watched(void)
{
	struct epoll_event event;

	CHECK_CALL(eventfd_write(second, 1));
	CHECK_EQUAL(epoll_wait(object, &event, 1, 0), 1);
	CHECK_EQUAL(event.data.u64, WORD);
}

static void open_oneself(void)
{
	object = CHECK_CALL(pidfd_open(getpid(), 0));
}

static void see_oneself(void)
{
	CHECK_CALL(pidfd_send_signal(object, 0, NULL, 0));
}

/* Of what everybody has in the way to where he is. */
static void watch_folder(void)
{
	object = CHECK_CALL(inotify_init1(IN_NONBLOCK));
	second = CHECK_CALL(inotify_add_watch(object, "/", IN_DELETE_SELF));
}

static void see_folder(void)
{
	CHECK_CALL(inotify_rm_watch(object, second));
}

static void make_memory(void)
{
	object = CHECK_CALL(memfd_create("row", MFD_ALLOW_SEALING));
	test_write(object, "kept", 4);
}

static void see_memory(void)
{
	char link[48] = "", text[64] = "";
	size_t end = sizeof("/proc/self/fd/") - 1;

	memcpy(link, "/proc/self/fd/", end);
	for (int digits = object, scale = 100; scale; scale /= 10)
		if (object >= scale || scale == 1)
			link[end++] = (char)('0' + digits / scale % 10);
	CHECK(readlink(link, text, sizeof(text) - 1) > 0);
	CHECK_TEXT(text, "/memfd:row (deleted)");
}

static void see_contents(void)
{
	char text[8] = "";

	CHECK_EQUAL(pread(object, text, sizeof(text), 0), 4);
	CHECK_TEXT(text, "kept");
}

static void seal(void)
{
	make_memory();
	CHECK_CALL(fcntl(object, F_ADD_SEALS, F_SEAL_GROW));
}

static void see_seals(void)
{
	CHECK_EQUAL(fcntl(object, F_GET_SEALS), F_SEAL_GROW);
}

const struct state_row state_object_rows[] = {
	{ "eventfd", make_event, see_event, .ways = STATE_ALL },
	{ "timerfd", make_timer, see_timer, .ways = STATE_ALL },
	{ "signalfd", ask_for_signals, see_signal, .ways = STATE_ALL },
	/* which it watches */
	{ "epoll", watch, see_watched, .ways = STATE_ALL, .needs = { "eventfd" } },
	/* in a child it would mean the parent */
	{ "pidfd", open_oneself, see_oneself, .ways = STATE_ITSELF },
	{ "inotify", watch_folder, see_folder, .ways = STATE_ALL },
	{ "memfd", make_memory, see_memory, .ways = STATE_ALL },
	{ "file-contents", make_memory, see_contents, .ways = STATE_ALL, .needs = { "memfd" } },
	{ "seals", seal, see_seals, .ways = STATE_ALL, .needs = { "memfd" } },
	{ .kind = NULL },
};
