/* SPDX-License-Identifier: MIT */
/*
 * A node for one test: rfork-server on loopback with a key and a directory of its own, and
 * the moves to it.  Nothing of it stays open in the caller, so that a plain rfork() has only
 * the standard descriptors to carry.
 */
#ifndef TEST_SUPPORT_NODE_H
#define TEST_SUPPORT_NODE_H

#include "tests/support/test.h"

struct node {
	pid_t pid;
	unsigned port;
	char host[64];	    /* 127.0.0.1:PORT */
	char directory[64]; /* holds key_file and the port file */
	char key_file[96];
	char key_text[65]; /* 64 hex digits */
	unsigned char key[32];
};

/* What a server holds: to be the same before and after a move. */
struct node_load {
	unsigned descriptors; /* of the listener */
	unsigned processes;   /* its descendants */
};

/* Starts a server and waits for its port; `arguments` are further ones, or NULL.  Sets
 * RFORK_KEY_FILE. */
void node_start(struct node *node, const char *const *arguments);

/* Ends the server by SIGTERM: it must exit 0 and leave no process and no file. */
void node_stop(struct node *node);

/* Waits until the server's load no longer changes, and returns it. */
struct node_load node_settle(const struct node *node);

/* Waits until the server's load is `load` again; fails the test at the deadline. */
void node_expect_load(const struct node *node, struct node_load load);

/* rfork_with() that must succeed; the key is RFORK_KEY_FILE's. */
pid_t node_move_returns_twice(const struct node *node, uint64_t flags);

/* A child that only exits: the server still serves. */
void node_expect_service(const struct node *node);

/*
 * The three beats of most tests: build() makes a state in the caller, the caller moves, and
 * verify() looks at the state in the child.  build may be NULL.  Returns main()'s exit status.
 */
int node_three_beats(void (*build)(void), void (*verify)(void));
int node_three_beats_with(uint64_t flags, void (*build)(void), void (*verify)(void));

/* Pids of the processes below `pid`; returns how many. */
unsigned node_descendants(pid_t pid, pid_t *pids, unsigned capacity);

/* Makes a key file of 64 hex digits with the given mode. */
void node_write_key(const char *path, const char *text, mode_t mode);
void node_random_key(char text[65], unsigned char key[32]);

#endif
