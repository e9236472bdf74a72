/* SPDX-License-Identifier: MIT */
/*
 * Claim: timers, pending signals and pipes of an image that are out of range are refused as corrupt, and
 * those that only the node's kernel refuses are refused by name; the node serves on.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/image.h"
#include "tests/support/mover.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

static struct image image;

/* Has one of each. */
static int move_with_all(const struct node *line)
{
	struct itimerval far = { .it_value.tv_sec = 100000 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;
	int ends[2];

	signals_block_all(NULL);
	CHECK_CALL(setitimer(ITIMER_REAL, &far, NULL));
	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, &timer));
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 }));
	CHECK_CALL(pipe(ends));
	stream_write_text(ends[1], "contents");
	mover_go_with(line, RFORK_CLOSE_OTHERS);
	return 0;
}

#define TIMER(name, nth, statement)                                                                \
	static void name(struct image *changed)                                                    \
	{                                                                                          \
		struct rf_image_timer *timer =                                                     \
			(void *)image_find(changed, RF_RECORD_TIMERS, 0)->payload;                 \
                                                                                                   \
		timer += nth;                                                                      \
		statement;                                                                         \
	}
TIMER(timer_kind, 0, timer->kind = 9)
TIMER(timer_without_end, 0, timer->remaining_ns = UINT64_MAX)
TIMER(timer_of_another_process, 1, timer->clock = (int32_t)(~UINT32_C(1) << 3 | 2))
TIMER(timer_signal, 1, timer->signal = 65)
TIMER(timer_of_no_clock, 1, timer->clock = 12345)
TIMER(timer_of_a_forbidden_clock, 1, timer->clock = 4) /* CLOCK_MONOTONIC_RAW has no timers */

#define PENDING(name, statement)                                                                   \
	static void name(struct image *changed)                                                    \
	{                                                                                          \
		struct rf_image_pending *pending =                                                 \
			(void *)image_find(changed, RF_RECORD_PENDING, 0)->payload;                \
                                                                                                   \
		statement;                                                                         \
	}
PENDING(pending_kill, pending->signal = SIGKILL)
PENDING(pending_stop, pending->signal = SIGSTOP)
PENDING(pending_none, pending->signal = 0)
PENDING(pending_flag, pending->flags = 4)

#define PIPE(name, statement)                                                                      \
	static void name(struct image *changed)                                                    \
	{                                                                                          \
		struct rf_image_pipe *pipe =                                                       \
			(void *)image_find(changed, RF_RECORD_PIPE, 0)->payload;                   \
                                                                                                   \
		(void)pipe;                                                                        \
		statement;                                                                         \
	}
PIPE(pipe_index, pipe->index = 1)
PIPE(pipe_capacity, pipe->capacity_bytes = 1 << 30)
PIPE(pipe_packets, pipe->packets = UINT32_MAX)
PIPE(pipe_bytes, pipe->bytes = UINT32_MAX)
PIPE(pipe_twice, image_duplicate(changed, image_index(changed, RF_RECORD_PIPE, 0)))
PIPE(pipe_missing, image_remove(changed, image_index(changed, RF_RECORD_PIPE, 0)))

static const struct {
	const char *name;
	void (*change)(struct image *image);
	int error;
} changes[] = {
	{ "timer of an unknown kind", timer_kind, EBADMSG },
	{ "timer without end", timer_without_end, EBADMSG },
	{ "timer with another process's clock", timer_of_another_process, EBADMSG },
	{ "timer with signal 65", timer_signal, EBADMSG },
	{ "timer of no clock", timer_of_no_clock, ENOTSUP },
	{ "timer of a clock without timers", timer_of_a_forbidden_clock, ENOTSUP },
	{ "pending SIGKILL", pending_kill, EBADMSG },
	{ "pending SIGSTOP", pending_stop, EBADMSG },
	{ "pending signal 0", pending_none, EBADMSG },
	{ "pending signal with a flag", pending_flag, EBADMSG },
	{ "pipe of another index", pipe_index, EBADMSG },
	{ "pipe of 1 GiB", pipe_capacity, EBADMSG },
	{ "pipe of many packets", pipe_packets, EBADMSG },
	{ "pipe of many bytes", pipe_bytes, EBADMSG },
	{ "pipe twice", pipe_twice, EBADMSG },
	{ "pipe that is missing", pipe_missing, EBADMSG },
};

int main(void)
{
	struct node_load load;
	struct node node;

	test_begin();
	if (geteuid() != 0)
		test_skip("an ordinary user's pipes may be relayed, and are then not in the image");
	node_start(&node, NULL);
	image_record_mover(&image, &node, move_with_all);
	node_expect_service(&node);
	load = node_settle(&node);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		image_expect_refusal(&image, &node, changes[i].name, changes[i].change,
				     changes[i].error);
	image_free(&image);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
