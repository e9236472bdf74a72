/* SPDX-License-Identifier: MIT */
/*
 * Attributes of processes and threads: each can be set to what is not its default, and told.  For
 * tests that compare a process with what it becomes.
 */
#ifndef TEST_SUPPORT_ATTRIBUTES_H
#define TEST_SUPPORT_ATTRIBUTES_H

#include "tests/support/test.h"

struct attribute {
	const char *name;
	/* Gives the calling process another value; false if it may not, or the kernel has no
	 * such. */
	bool (*set)(void);
	/* Its value as text, which is the same for the same value. */
	void (*tell)(char *text, size_t bytes);
	unsigned flags;
};

/* The process cannot have it together with those before it, or does less with it. */
#define ATTRIBUTE_ALONE 1u
/* Of a process on a node this is the node's, which ends what it has lost. */
#define ATTRIBUTE_OF_THE_NODE 2u
/* Not to be looked at from outside by an ordinary user. */
#define ATTRIBUTE_HIDES 4u

#define ATTRIBUTE_BYTES 1024

extern const struct attribute attributes[];
extern const unsigned attribute_count;

/* All that can be set together and with none of these flags, with their values after that. */
struct attributes_told {
	bool is_set[64];
	char text[64][ATTRIBUTE_BYTES];
};

void attributes_set_all(struct attributes_told *told, unsigned but_for);

/* How many of them are now not as they were told; says which, on standard error. */
unsigned attributes_count_lost(const struct attributes_told *told, const char *where);

#endif
