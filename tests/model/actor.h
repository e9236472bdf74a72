/* SPDX-License-Identifier: MIT */
/*
 * A process of a script: runs its own steps, and writes down what it saw.  Each has a file of its
 * own for that, which it opens by path for every line, so that nothing of it is a descriptor that
 * a fork would carry.
 */
#ifndef TEST_MODEL_ACTOR_H
#define TEST_MODEL_ACTOR_H

#include "tests/model/script.h"
#include "tests/support/node.h"

#define ACTOR_NODES 2

struct actor_stage {
	const struct script *script;
	const char *directory;	  /* of the traces, FIFOs and files */
	const struct node *nodes; /* ACTOR_NODES for rfork(), or NULL for fork() */
};

/* The names of files in the directory. */
void actor_trace_path(const struct actor_stage *stage, unsigned process, char path[96]);
void actor_file_path(const struct actor_stage *stage, const char *name, char path[96]);

/* Becomes the root; all descriptors but the script's own are closed first. */
_Noreturn void actor_begin(const struct actor_stage *stage);

#endif
