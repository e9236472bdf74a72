/* SPDX-License-Identifier: MIT */
/*
 * The checkpoints that this process holds in memory: each is a process, the holder, and a socket
 * to it.  Part of the library's globals: for every call the caller holds the lock of the state.
 */
#ifndef RF_HELD_H
#define RF_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/increment.h"
#include "rfork/report.h"

/* Each is a process: more would exhaust a user's limit by mistake. */
#define RF_HELD_MAX 256u

struct rf_held {
	int64_t crid; /* 0 = the place is free */
	pid_t owner; /* who made it: a fork child has a copy of this table, but not the checkpoints */
	pid_t holder;		   /* 0 = not started yet */
	struct rf_kept_fd control; /* socket to the holder */
	bool is_claimed;	   /* a call uses it */
	bool is_writing;	   /* a commit has begun, and nobody has heard how it ended */
	bool has_ended; /* it has: `outcome` says how, and the program has not asked yet */
	struct rf_report outcome;
	struct rf_increment increment;
};

/* Takes a place, with a crid that was never used, and claims it; NULL when all are taken. */
struct rf_held *rf_held_add(void);

/* The checkpoint of this crid, whosoever it is; NULL if there is none. */
struct rf_held *rf_held_find(int64_t crid);

/* Ends the holder, closes what belongs to a checkpoint, and frees its place. */
void rf_held_drop(struct rf_held *held);

/* Whether a descriptor belongs to a checkpoint. */
bool rf_held_owns(int fd);

/* Whether a child of the calling process is a holder; pid 0: whether it has any. */
bool rf_held_has(pid_t pid);

/* In a fork child: the checkpoints are its parent's. */
void rf_held_leave(void);

/* In a process that was restored: they were those of another. */
void rf_held_forget(void);

/* In what is left of a process that has moved: lets them end, and those that do not write do at
 * once.  No malloc, no errno. */
void rf_held_end(void);

#endif
