/* SPDX-License-Identifier: MIT */
/*
 * A man in the middle for one connection: a process that forwards bytes between a caller and
 * a node, counts them, and can flip one bit or cut the line at a chosen byte.
 */
#ifndef TEST_SUPPORT_PROXY_H
#define TEST_SUPPORT_PROXY_H

#include "tests/support/test.h"

#define PROXY_NEVER INT64_MAX

struct proxy_plan {
	int64_t flip_at;	  /* the byte of the caller's stream to damage; PROXY_NEVER */
	unsigned flip_mask;	  /* the bits to turn */
	int64_t cut_after;	  /* bytes of the caller's stream that get through; PROXY_NEVER */
	int64_t cut_answer_after; /* the same of the node's stream */
	const char *record;	  /* file that takes the caller's stream, or NULL */
	/* changes bytes of the node's stream, from offset `start` of it on, in place; or NULL */
	void (*edit_answer)(int64_t start, unsigned char *bytes, size_t count);
};

#define PROXY_PLAIN                                                                                \
	{                                                                                          \
		.flip_at = PROXY_NEVER, .cut_after = PROXY_NEVER, .cut_answer_after = PROXY_NEVER  \
	}

struct proxy_count {
	int64_t up_bytes;   /* caller to node, as sent by the caller */
	int64_t down_bytes; /* node to caller */
};

struct proxy {
	pid_t pid;
	int result;    /* takes one struct proxy_count */
	char host[64]; /* to be given to rfork() */
};

/* Starts a proxy for the next connection to it.  The caller gets one descriptor more. */
void proxy_start(struct proxy *proxy, unsigned node_port, const struct proxy_plan *plan);

/* Waits until the connection has ended. */
struct proxy_count proxy_finish(struct proxy *proxy);

/* A listening socket on loopback; the port that it got. */
int proxy_listen(unsigned *port);
int proxy_connect(unsigned port);

#endif
