/* SPDX-License-Identifier: MIT */
/*
 * Processes that move themselves: each is a child of the test that forks, calls rfork_move(), and goes
 * on on a node, while the test is the parent that stays at home.
 */
#ifndef TEST_SUPPORT_MOVER_H
#define TEST_SUPPORT_MOVER_H

#include "tests/support/node.h"

/* Moves the calling process, which must succeed. */
void mover_go(const struct node *node);
void mover_go_with(const struct node *node, uint64_t flags);

/* A child that runs `body` and exits with its result; `body` moves. */
pid_t mover_start(const struct node *node, int (*body)(const struct node *node));

/* The same, and its exit status must be 0. */
void mover_run(const struct node *node, int (*body)(const struct node *node));

#endif
