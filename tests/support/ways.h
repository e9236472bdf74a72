/* SPDX-License-Identifier: MIT */
/*
 * The ways that a process can go, for claims that hold for each: rfork(), rfork_move(), an
 * executable that it writes of itself, and one that undump(1) makes of it while it runs.
 */
#ifndef TEST_SUPPORT_WAYS_H
#define TEST_SUPPORT_WAYS_H

#include "tests/support/node.h"

enum way {
	WAY_FORK, /* rfork() */
	WAY_MOVE,
	WAY_EXECUTABLE, /* rfork_undump() */
	WAY_PROCESS,	/* undump -p */
	WAYS,
};

/* Builds the state in a process of its own, which goes that way, and verifies it there.  Both fail
 * the test by checks. */
void ways_go(const struct node *node, enum way way, void (*build)(void),
	     void (*verify)(enum way way));

/* The same for each way in turn. */
void ways_check(const struct node *node, void (*build)(void), void (*verify)(enum way way));

/* A whole test of that: returns main()'s exit status. */
int ways_three_beats(void (*build)(void), void (*verify)(enum way way));

#endif
