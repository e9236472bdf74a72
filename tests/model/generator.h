/* SPDX-License-Identifier: MIT */
/*
 * Random scripts.  The same seed gives the same script, and a script without some of its choices
 * is a script again, which is how a failing one is made smaller.
 */
#ifndef TEST_MODEL_GENERATOR_H
#define TEST_MODEL_GENERATOR_H

#include "tests/model/script.h"

#define GENERATOR_CHOICES 64

struct generator_order {
	uint64_t seed;
	unsigned choices; /* how many, at most GENERATOR_CHOICES */
	uint64_t without; /* bits of those that are left out */
	bool has_freezes; /* SIGSTOP from outside takes two seconds */
};

/* The order that goes with a seed. */
struct generator_order generator_order(uint64_t seed);

void generator_make(struct script *script, const struct generator_order *order);

#endif
