/* SPDX-License-Identifier: MIT */
/*
 * The rfork-server that is measured, with a key and a folder of its own.
 */
#ifndef BENCH_NODE_H
#define BENCH_NODE_H

#include <stdint.h>
#include <sys/types.h>

#define NODE_LOOPBACK "127.0.0.1"

struct node {
	pid_t pid; /* 0 = none */
	uint16_t port;
	char directory[64]; /* "" = none */
	char key_file[96], port_file[96], log_file[96];
};

/* Starts the server and waits until it listens at a port of this address; sets RFORK_KEY_FILE.  0,
 * or -1 after a message.  node_stop() is right after both. */
int node_start(struct node *node, const char *server, const char *address);

/* Ends the server and removes its folder; 0, or -1 after a message if it did not end well. */
int node_stop(struct node *node);

#endif
