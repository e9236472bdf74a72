/* SPDX-License-Identifier: MIT */
/*
 * With RFORK_TEST_CHECK in the environment every test is one of rfork_check(), too: before each
 * rfork() or rfork_move() to a node of the test's own it is asked, and must have foreseen what
 * happens.
 */
#ifndef TEST_SUPPORT_FORESEEN_H
#define TEST_SUPPORT_FORESEEN_H

#include <rfork.h>

/* A node that answers as nodes do, unlike those that misbehave on purpose. */
void foreseen_add_host(const char *host);

pid_t foreseen_rfork(const char *host);
pid_t foreseen_rfork_with(const char *host, const struct rfork_options *options);
int foreseen_rfork_move(const char *host);
int foreseen_rfork_move_with(const char *host, const struct rfork_options *options);

#ifndef TEST_SUPPORT_FORESEEN_UNSEEN
#define rfork(host) foreseen_rfork(host)
#define rfork_with(host, options) foreseen_rfork_with(host, options)
#define rfork_move(host) foreseen_rfork_move(host)
#define rfork_move_with(host, options) foreseen_rfork_move_with(host, options)
#endif

#endif
