/* SPDX-License-Identifier: MIT */
/*
 * The ways by which a process comes to where the state of a row is looked at.
 */
#ifndef TEST_STATE_WAYS_H
#define TEST_STATE_WAYS_H

#include "tests/state/row.h"
#include "tests/support/node.h"

enum state_result {
	STATE_THERE,   /* verify() found all as it must be */
	STATE_MISSING, /* it did not, or it could not even run */
	STATE_SKIPPED, /* there is no such thing here */
};

/* "fork", "rfork", "move", "restart", "process", "node"; and back, STATE_WAYS if there is none. */
const char *state_way_name(enum state_way way);
enum state_way state_way_find(const char *name);

/*
 * Makes the state of a row in a process of its own, lets it go by `way`, and looks at it there.
 * drop: the kind that is left out, or NULL.  What the process says of a state that is missing goes
 * to standard error if is_heard.
 */
enum state_result state_go(const struct state_row *row, enum state_way way, const char *drop,
			   const struct node *node, bool is_heard);

#endif
