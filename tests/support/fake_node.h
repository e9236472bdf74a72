/* SPDX-License-Identifier: MIT */
/*
 * Nodes that misbehave on purpose, each a process that takes one connection.
 */
#ifndef TEST_SUPPORT_FAKE_NODE_H
#define TEST_SUPPORT_FAKE_NODE_H

#include "tests/support/test.h"

enum fake_manner {
	FAKE_SILENT,	    /* takes the connection and never answers */
	FAKE_OTHER_VERSION, /* REFUSED with EPROTONOSUPPORT */
	FAKE_CHOSE_99,	    /* CHALLENGE with a version that nobody offered */
	FAKE_WRONG_PROOF,   /* CHALLENGE without knowing the key */
	FAKE_HANGS_UP,	    /* closes after HELLO */
	FAKE_GARBAGE,	    /* noise instead of frames */
	FAKE_HUGE_FRAME,    /* a length of 4 GiB */
	FAKE_ESCAPES,	    /* REFUSED whose sentence holds control characters */
};

struct fake_node {
	pid_t pid;
	int result;
	char host[64];
};

/* key: 32 bytes for the manners that know it, else NULL. */
void fake_node_start(struct fake_node *fake, enum fake_manner manner, const unsigned char *key);

/* Waits for its end; returns how many bytes the caller sent after the answer. */
int64_t fake_node_finish(struct fake_node *fake);

#endif
