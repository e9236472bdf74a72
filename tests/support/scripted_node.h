/* SPDX-License-Identifier: MIT */
/*
 * A node that keeps to the protocol until it has said RUNNING, and then does what a test wants: a
 * process that takes one connection and restores nothing.
 */
#ifndef TEST_SUPPORT_SCRIPTED_NODE_H
#define TEST_SUPPORT_SCRIPTED_NODE_H

#include "rfork/protocol.h"
#include "tests/support/test.h"

struct scripted_node {
	pid_t pid;
	char host[64];
};

/* `script` runs in the node's process, with the connection, once the caller believes in a child. */
void scripted_node_start(struct scripted_node *scripted, const unsigned char key[32],
			 void (*script)(int connection));

/* RF_RUNNING_*, of what the caller's image waits for: RF_RUNNING_EXPECTS if its originals have
 * anything to show.  0 at first. */
extern unsigned scripted_node_running_flags;

/* The script begins once the image has ended, and nothing has been said of it. */
void scripted_node_start_at_end(struct scripted_node *scripted, const unsigned char key[32],
				void (*script)(int connection));

/* The script has returned, and the ghost has closed the connection. */
void scripted_node_finish(struct scripted_node *scripted);

/* The handshake alone, as the caller's machine, which agrees to all that it asks for; or as one
 * that is like it, but another, or whose CPU has no features. */
extern bool scripted_node_is_elsewhere;
extern bool scripted_node_is_without_features;
void scripted_node_shake_hands(int connection, const unsigned char key[32]);

/* For scripts.  A header alone may announce what never comes; the ghost may have gone. */
void scripted_node_put_header(int connection, unsigned type, unsigned flags, unsigned channel,
			      uint32_t bytes);
void scripted_node_put(int connection, unsigned type, unsigned flags, unsigned channel,
		       const void *payload, uint32_t bytes);

#endif
