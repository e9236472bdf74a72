/* SPDX-License-Identifier: MIT */
/*
 * A proxy on loopback that counts what goes from a caller to the node.
 */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include <stdint.h>
#include <sys/types.h>

struct counter {
	pid_t pid;     /* 0 = none */
	uint16_t port; /* where callers connect to */
	int counts;    /* where counts come from */
};

/* Starts the proxy in front of a port; 0, or -1 after a message. */
int counter_start(struct counter *counter, uint16_t port);

/* Bytes from the caller to the node on the next connection that ends; -1 after a message. */
int64_t counter_read(const struct counter *counter);

void counter_stop(struct counter *counter);

#endif
