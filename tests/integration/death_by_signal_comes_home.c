/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child that dies by a signal makes its ghost die by the same one, without a core file
 * of the ghost, for every signal that is fatal by default.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/node.h"

static const int fatal[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGILL,	   SIGTRAP, SIGABRT, SIGBUS,
			     SIGFPE,  SIGKILL, SIGUSR1, SIGSEGV,   SIGUSR2, SIGPIPE, SIGALRM,
			     SIGTERM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO,   SIGSYS };

static void die_by(int signal)
{
	struct rlimit none = { 0, 0 };
	sigset_t set;

	/* Whether the child itself dumps core is the node's affair. */
	CHECK_CALL(setrlimit(RLIMIT_CORE, &none));
	sigemptyset(&set);
	sigaddset(&set, signal);
	CHECK_CALL(sigprocmask(SIG_UNBLOCK, &set, NULL));
	kill(getpid(), signal);
	_exit(0);
}

static void check(const struct node *node, int signal)
{
	pid_t pid = node_move_returns_twice(node, 0);

	if (!pid)
		die_by(signal);
	test_expect_signal(pid, signal);
}

int main(void)
{
	struct rlimit unlimited;
	struct node node;

	test_begin();
	CHECK_CALL(getrlimit(RLIMIT_CORE, &unlimited));
	unlimited.rlim_cur = unlimited.rlim_max;
	node_start(&node, NULL);
	CHECK_CALL(setrlimit(RLIMIT_CORE, &unlimited));
	for (unsigned i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		check(&node, fatal[i]);
	check(&node, SIGRTMIN);
	check(&node, SIGRTMAX);
	node_stop(&node);
	return test_end();
}
