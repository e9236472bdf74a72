/* SPDX-License-Identifier: MIT */
/*
 * Claim: the actions of all 64 signals and the signal mask are the same in the child as the
 * kernel knows them, and a handler runs.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

static struct kernel_sigaction actions[65];
static uint64_t mask;
static volatile sig_atomic_t seen[65];

static void note(int signal)
{
	seen[signal]++;
}

static void note_more(int signal, siginfo_t *info, void *context)
{
	(void)context;
	CHECK_EQUAL(info->si_signo, signal);
	seen[signal]++;
}

static void read_all(struct kernel_sigaction *to, uint64_t *mask_to)
{
	for (int signal = 1; signal <= 64; signal++)
		CHECK_CALL(syscall(SYS_rt_sigaction, signal, NULL, &to[signal], 8));
	CHECK_CALL(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, mask_to, 8));
}

static void set_action(int signal, struct sigaction action, int masked)
{
	sigemptyset(&action.sa_mask);
	if (masked)
		sigaddset(&action.sa_mask, masked);
	CHECK_CALL(sigaction(signal, &action, NULL));
}

static void set(int signal, void (*handler)(int), int flags, int masked)
{
	set_action(signal, (struct sigaction){ .sa_handler = handler, .sa_flags = flags }, masked);
}

static void build(void)
{
	sigset_t blocked;

	set(SIGUSR1, note, SA_RESTART, SIGUSR2);
	set_action(SIGUSR2,
		   (struct sigaction){ .sa_sigaction = note_more,
				       .sa_flags = SA_SIGINFO | SA_NODEFER },
		   SIGRTMAX);
	set(SIGPIPE, SIG_IGN, 0, 0);
	set(SIGHUP, SIG_IGN, 0, 0);
	set(SIGRTMIN, note, SA_RESETHAND, 0);
	set(SIGRTMAX, note, 0, SIGTERM);
	set(SIGSEGV, note, SA_ONSTACK, 0);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGRTMIN + 3);
	sigaddset(&blocked, SIGWINCH);
	sigaddset(&blocked, SIGTERM);
	CHECK_CALL(sigprocmask(SIG_SETMASK, &blocked, NULL));
	read_all(actions, &mask);
}

static void verify(void)
{
	static struct kernel_sigaction now[65];
	uint64_t mask_now;

	read_all(now, &mask_now);
	CHECK_EQUAL(mask_now, mask);
	for (int signal = 1; signal <= 64; signal++) {
		CHECK_EQUAL(now[signal].handler, actions[signal].handler);
		CHECK_EQUAL(now[signal].flags, actions[signal].flags);
		CHECK_EQUAL(now[signal].restorer, actions[signal].restorer);
		CHECK_EQUAL(now[signal].mask, actions[signal].mask);
	}
	raise(SIGUSR1);
	raise(SIGUSR2);
	raise(SIGRTMIN);
	raise(SIGTERM); /* blocked */
	CHECK_EQUAL(seen[SIGUSR1], 1);
	CHECK_EQUAL(seen[SIGUSR2], 1);
	CHECK_EQUAL(seen[SIGRTMIN], 1);
}

int main(void)
{
	return node_three_beats(build, verify);
}
