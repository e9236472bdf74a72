/* SPDX-License-Identifier: MIT */
/*
 * Two machines in one: the test and its server, each in a network namespace of its own, joined
 * by a pair of cables (veth) that can go silent.  All of it vanishes with the two processes.
 */
#ifndef TEST_SUPPORT_NETWORK_H
#define TEST_SUPPORT_NETWORK_H

#include "tests/support/node.h"

#define NETWORK_CABLES 2

struct network {
	struct node node;
	char hosts[NETWORK_CABLES][64]; /* to be given to rfork(), by cable */
};

/*
 * Moves this process to a namespace and starts a server in another one; `arguments` are further
 * ones, or NULL.  Skips the test where that cannot be had.  The children are of this process's
 * user.
 */
void network_start(struct network *network, const char *const *arguments);

/* The cable is pulled out at the caller's end. */
void network_pull(unsigned cable);
void network_plug(unsigned cable);

/* What either side sends goes out and reaches nobody, which no sender is told. */
void network_drop(const struct network *network, unsigned cable);
/* The same for what the caller's side sends; what the node sends still arrives. */
void network_drop_ours(unsigned cable);
void network_deliver(const struct network *network, unsigned cable);

#endif
