/* SPDX-License-Identifier: MIT */
/*
 * Plays a script once, with fork(2) or with rfork(3), and collects what its processes saw.
 */
#ifndef TEST_MODEL_STAGE_H
#define TEST_MODEL_STAGE_H

#include "tests/model/actor.h"

#define STAGE_TRACE_BYTES 32768

/* Texts, so that they can be shown. */
struct stage_play {
	bool has_hung;
	char traces[SCRIPT_PROCESSES][STAGE_TRACE_BYTES];
	char ends[256];	   /* what the root's status is, and how far the files have come */
	char errors[4096]; /* standard error of all */
};

/* `nodes` as in struct actor_stage; after `limit_ms` it has hung. */
void stage_play(struct stage_play *play, const struct script *script, const struct node *nodes,
		int limit_ms);

bool stage_agrees(const struct stage_play *a, const struct stage_play *b);

/* Prints both where they differ. */
void stage_print(const struct stage_play *with_fork, const struct stage_play *with_rfork, int fd);

#endif
