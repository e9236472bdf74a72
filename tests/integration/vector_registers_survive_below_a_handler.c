/* SPDX-License-Identifier: MIT */
/*
 * Claim: who calls rfork() or rfork_undump() in a signal handler returns from it on another machine
 * with the vector registers that the handler has interrupted, also if that machine has more of
 * them, or has them at other places.  The frame is made that of another machine before the call,
 * which is what makes this one another.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/vectors.h"

#define MOVED 23
#define MARK_BYTES 4u /* behind the state */

static struct node node;
static char path[128];
static struct rf_xsave_layout layout; /* of the machine that this is taken for */
static unsigned char foreign[VECTORS_ROOM_BYTES] __attribute__((aligned(64)));
static bool is_in_place, is_restarted, is_child;
static pid_t pid;

static void go(int signal, siginfo_t *info, void *context)
{
	static unsigned char kept[VECTORS_ROOM_BYTES];
	struct kernel_ucontext *ucontext = context;
	uint64_t place = ucontext->context.fpstate;
	unsigned char *state = (unsigned char *)(uintptr_t)place;

	(void)signal;
	(void)info;
	memcpy(kept, state, vectors_layout.bytes + MARK_BYTES);
	CHECK(vectors_make_foreign(ucontext, &layout, is_in_place ? state : foreign));
	if (is_restarted)
		is_child = CHECK_CALL(rfork_undump(path)) == 0;
	else
		is_child = (pid = node_move_returns_twice(&node, 0)) == 0;
	if (is_child)
		return;
	ucontext->context.fpstate = place;
	memcpy(state, kept, vectors_layout.bytes + MARK_BYTES);
}

static void run(bool (*survive)(int))
{
	CHECK(survive(SIGUSR1));
	if (is_child)
		_exit(MOVED);
	if (is_restarted) {
		pid = CHECK_CALL(fork());
		if (!pid) {
			execl(path, path, NULL);
			_exit(1);
		}
	}
	test_expect_exit(pid, MOVED);
}

static void run_all(void)
{
	layout = vectors_small_layout();
	is_in_place = true;
	if (vectors_layout.bytes > layout.bytes)
		run(vectors_survive);
	layout = vectors_long_layout();
	is_in_place = false;
	run(vectors_survive);
	if (vectors_has(VECTORS_AVX512))
		run(vectors_of_avx512_survive);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = go, .sa_flags = SA_SIGINFO };

	test_begin();
	vectors_begin();
	if (!vectors_has(VECTORS_AVX))
		test_skip("this CPU has no vector registers but XMM");
	node_start(&node, NULL);
	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
	run_all();
	snprintf(path, sizeof(path), "%s/program", node.directory);
	is_restarted = true;
	run_all();
	unlink(path);
	node_stop(&node);
	return test_end();
}
