/* SPDX-License-Identifier: MIT */
/*
 * Several machines in one: the test and its nodes, each in a network namespace of its own, every two of
 * them joined by a cable (veth) of their own that can go silent.  All of it vanishes with the
 * processes.  A machine has one address, under which all others reach it.
 */
#ifndef TEST_SUPPORT_NETWORK_H
#define TEST_SUPPORT_NETWORK_H

#include "tests/support/node.h"

#define NETWORK_NODES_MAX 3

struct network {
	struct node nodes[NETWORK_NODES_MAX];
	char hosts[NETWORK_NODES_MAX][64]; /* to be given to rfork(), from anywhere */
	unsigned count;
	bool is_loopback;
};

/*
 * Moves this process to a namespace and starts the servers in others; `arguments` are further ones, or
 * NULL.  All have the same key; the children are of this process's user.  Skips the test where
 * that cannot be had.
 */
void network_start(struct network *network, unsigned count, const char *const *arguments);

/* The same, but for tests that break nothing: on loopback where namespaces cannot be had, which it says. */
void network_start_anywhere(struct network *network, unsigned count, const char *const *arguments);

/* Ends all servers, as node_stop(). */
void network_stop(struct network *network);

/* rfork_with() that must succeed, with the flag that such a network needs. */
pid_t network_move_returns_twice(const struct network *network, unsigned node, uint64_t flags);

/* The cable between the test and a node is pulled out at the test's end. */
void network_pull(const struct network *network, unsigned node);
void network_plug(const struct network *network, unsigned node);

/* What either side of that cable sends goes out and reaches nobody, which no sender is told: a packet
 * filter drops it at the other end. */
void network_drop(const struct network *network, unsigned node);
/* Only what the test sends is lost. */
void network_drop_ours(const struct network *network, unsigned node);
void network_deliver(const struct network *network, unsigned node);

/* The cable lets so much of what the test sends through, as tc(8) writes rates: "200mbit".  Skips
 * the test where the kernel has no token buckets. */
void network_limit(const struct network *network, unsigned node, const char *rate);
/* Bytes that the test has sent over the cable, headers included. */
int64_t network_sent_bytes(const struct network *network, unsigned node);

#endif
