/* SPDX-License-Identifier: MIT */
/*
 * Offers and takes connections.  Called by ghost_relay.c.  System calls only.
 */
#define _GNU_SOURCE
#include "rfork/ghost_accept.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "rfork/arch.h"
#include "rfork/ghost_signals.h"
#include "rfork/sys.h"

/* How long an accept may wait for a connection that somebody else has taken. */
#define GUARD_NS 1000000
#define SIGACTION_HAS_RESTORER 0x04000000ul /* asm/signal.h */

bool rf_accept_is_listener(uint32_t stream)
{
	return (stream & RF_STREAM_TYPE) == RF_STREAM_LISTENER;
}

/* -- taking ------------------------------------------------------------------------------------ */

static void do_nothing(int signal)
{
	(void)signal;
}

/* As sigaction(2) of the kernel. */
static void set_guard_action(void)
{
	const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} action = { do_nothing, SIGACTION_HAS_RESTORER, rf_arch_signal_return, 0 };

	rf_syscall(SYS_rt_sigaction, RF_GHOST_GUARD_SIGNAL, &action, NULL, sizeof(action.mask));
}

/*
 * Neither O_NONBLOCK nor a time limit may be set on a socket that the caller has as well, and
 * accept(2) has no flag like MSG_DONTWAIT.  So a timer interrupts it, again and again, for the
 * first signal may come before it waits.
 */
int rf_accept_now(int listener)
{
	const struct itimerspec soon = { { 0, GUARD_NS }, { 0, GUARD_NS } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = RF_GHOST_GUARD_SIGNAL };
	const uint64_t guard = UINT64_C(1) << (RF_GHOST_GUARD_SIGNAL - 1);
	uint64_t mask;
	int timer;
	long got = rf_syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer);

	if (got < 0)
		return (int)got;
	set_guard_action();
	rf_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &guard, &mask, sizeof(mask));
	rf_syscall(SYS_timer_settime, timer, 0, &soon, NULL);
	got = rf_syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);
	rf_syscall(SYS_timer_delete, timer);
	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	return got == -EINTR || got == -ECONNABORTED ? -EAGAIN : (int)got;
}

void rf_accept_prepare(const struct rf_relay *relay)
{
	struct rlimit limit;

	for (uint32_t number = 0; number < relay->channel_count; number++) {
		if (!rf_accept_is_listener(relay->channels[number].stream) ||
		    rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0)
			continue;
		limit.rlim_cur = limit.rlim_max;
		rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
		return;
	}
}

static bool has_connection(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return fd >= 0 && rf_sys_poll(&pollfd, 1, 0) > 0 && pollfd.revents & POLLIN;
}

/* -- the relay --------------------------------------------------------------------------------- */

void rf_accept_offer(struct rf_relay *relay, uint32_t listener)
{
	const struct rf_frame_connection offer = { .channel = relay->accepted_from };
	struct rf_channel *channel = &relay->channels[listener];

	channel->may_look = false;
	if (!channel->reads || channel->ahead || !has_connection(channel->fd))
		return;
	channel->ahead = 1;
	rf_ghost_link_send(&relay->link, RF_FRAME_CONNECTION, listener, &offer, sizeof(offer));
}

/* Makes room in the table; false if the number is one of the image's, or in use. */
static bool is_free(struct rf_relay *relay, uint32_t number)
{
	if (number < relay->accepted_from || number >= RF_CHANNELS_MAX)
		return false;
	for (; relay->channel_count <= number; relay->channel_count++)
		relay->channels[relay->channel_count] = (struct rf_channel){ .fd = -1 };
	return !relay->channels[number].is_accepted;
}

static uint32_t find_stream(const struct rf_channel *listener)
{
	uint32_t type = listener->stream & RF_STREAM_CONNECTIONS_KEEP_MESSAGES ? RF_STREAM_SEQPACKET
									       : RF_STREAM_SOCKET;

	return type | RF_STREAM_READ | RF_STREAM_WRITE;
}

static bool is_offered(const struct rf_relay *relay, uint32_t listener)
{
	return listener < relay->accepted_from &&
	       rf_accept_is_listener(relay->channels[listener].stream) &&
	       relay->channels[listener].ahead;
}

int rf_accept_take(struct rf_relay *relay, uint32_t listener, uint32_t number)
{
	struct rf_channel *from;
	int fd = -EAGAIN;

	if (!is_offered(relay, listener) || !is_free(relay, number))
		return -EBADMSG;
	from = &relay->channels[listener];
	from->ahead = 0;
	if (has_connection(from->fd))
		fd = rf_accept_now(from->fd);
	/* without a descriptor for this one, it has to wait until another is closed */
	from->may_look = from->reads && (fd >= 0 || fd == -EAGAIN);
	relay->channels[number] = (struct rf_channel){ .fd = fd < 0 ? -1 : fd,
						       .stream = find_stream(from),
						       .is_accepted = true };
	if (fd >= 0)
		rf_channel_open(&relay->channels[number], &relay->tools, number);
	return 0;
}

/* Listening originals may go on: there is room for a connection again. */
static void look_again(struct rf_relay *relay)
{
	for (uint32_t number = 0; number < relay->accepted_from; number++)
		if (rf_accept_is_listener(relay->channels[number].stream))
			relay->channels[number].may_look = relay->channels[number].reads;
}

bool rf_accept_is_over(const struct rf_relay *relay, uint32_t channel)
{
	return channel >= relay->accepted_from && !relay->channels[channel].is_accepted;
}

void rf_accept_tell_closed(struct rf_relay *relay)
{
	for (uint32_t number = relay->accepted_from; number < relay->channel_count; number++) {
		struct rf_channel *channel = &relay->channels[number];

		if (!channel->is_accepted || channel->fd >= 0)
			continue;
		rf_channel_rest(channel);
		channel->is_accepted = false;
		rf_ghost_link_send(&relay->link, RF_FRAME_CLOSED, number, NULL, 0);
		look_again(relay);
	}
	while (relay->channel_count > relay->accepted_from &&
	       !relay->channels[relay->channel_count - 1].is_accepted)
		relay->channel_count--;
}
