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
	char host[64];	    /* 127.0.0.1:PORT, behind RFORK_TEST_SCHEME, such as rdma:// */
	char directory[64]; /* holds key_file and the port file */
	char key_file[96];
	char key_text[65]; /* 64 hex digits */
	unsigned char key[32];
};

/* What a server holds: to be the same before and after a move. */
struct node_load {
	unsigned descriptors; /* of the listener */
	unsigned processes;   /* its descendants */
	bool is_at_work;      /* one of them runs, or a spare is half made */
};

/* Starts a server and waits for its port; `arguments` are further ones, or NULL.  Sets
 * RFORK_KEY_FILE. */
void node_start(struct node *node, const char *const *arguments);

/* Called in the new process before it becomes the server, unless NULL. */
extern void (*node_before_server)(const struct node *node);

/* The parts of node_start(), for a test that starts the server in its own way: directory, key
 * and RFORK_KEY_FILE; the wait for the port file while node->pid lives; where that file is. */
void node_prepare(struct node *node);
void node_await(struct node *node);
void node_port_file(const struct node *node, char path[96]);

/*
 * Runs the server with exactly these arguments, the first being its name, until it exits and
 * its output ends; returns the exit status, and the output in `text`.  For one that is to fail, or
 * that goes to the background.
 */
int node_run_server(const char *const *arguments, char *text, size_t bytes);

/* Ends the server by SIGTERM: it must exit 0 and leave no process and no file. */
void node_stop(struct node *node);

/* The parent of a process; -1 if there is none of that number, or only a zombie. */
pid_t node_parent_of(pid_t pid);

/* Waits until the server's load no longer changes, and returns it. */
struct node_load node_settle(const struct node *node);

/* The same when a spare has been made as a whole, which is a session with its shell: on a busy
 * machine that may take long. */
struct node_load node_settle_in_pairs(const struct node *node);

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
