/* SPDX-License-Identifier: MIT */
/*
 * The holder: the process that keeps a checkpoint in memory, a frozen copy of the caller, and
 * writes it on demand.  No child that the caller's wait() could meet; it ends when the caller
 * does.
 */
#ifndef RF_HOLDER_H
#define RF_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"
#include "rfork/pending.h"
#include "rfork/pipes.h"
#include "rfork/report.h"
#include "rfork/rest.h"
#include "rfork/restore_plan.h"
#include "rfork/snapshot.h"
#include "rfork/timers.h"

/* What the caller hands to its holder; made in the arena before the fork. */
struct rf_holder_order {
	struct rf_arena arena;
	struct rf_arena large; /* for what does not fit; mapped on demand */
	pid_t caller;
	int control; /* SOCK_SEQPACKET */
	struct rf_fdtable fds;
	struct rf_terminal terminal;
	struct rf_attributes attributes;
	struct rf_timers timers;
	struct rf_pending pending;
	struct rf_pipes pipes;
	struct rf_image_thread
		ties; /* of the calling thread to the kernel: see rf_procstate_ties() */
	struct rf_machine_facts facts;
	struct rf_snapshot_request request;
	struct rf_rest kept;
	struct rf_snapshot_rest rest;
	enum rf_frozen_check frozen;
	char name[16]; /* of the process, "rfork:crid N" */
};

#define RF_HOLDER_MAX_NAME_BYTES 255u

/*
 * One message from the caller, with descriptors: of what to write to, or for UNDUMP of the
 * folder in which the executable is to have the name.  The holder answers READY once by itself;
 * to a command it answers BEGUN, and if that says no error, WRITTEN later, with the chain
 * (chain.h) of an incremental checkpoint that was written to a named file.
 */
struct rf_holder_command {
	uint32_t kind;
	uint32_t flags; /* RF_HOLDER_HAS_* */
	char name[RF_HOLDER_MAX_NAME_BYTES + 1];
};

enum rf_holder_command_kind { RF_HOLDER_COMMIT = 1, RF_HOLDER_UNDUMP = 2 };

/* Descriptors that follow the one to write to, in this order. */
#define RF_HOLDER_HAS_CHAIN 1u	 /* what the checkpoint can build on */
#define RF_HOLDER_HAS_CHANGES 2u /* increment.h */

#define RF_HOLDER_MAX_FDS 3u

struct rf_holder_answer {
	uint32_t kind;
	uint32_t reserved;
	struct rf_report report;
};

enum rf_holder_answer_kind { RF_HOLDER_READY = 1, RF_HOLDER_BEGUN = 2, RF_HOLDER_WRITTEN = 3 };

/* Sends a message with descriptors, which stay open; 0 or a negative errno.  No malloc, no
 * errno. */
int rf_holder_send(int control, const void *message, size_t bytes, const int *fds, size_t count);

/* Receives one, with at most `capacity` descriptors, at most RF_HOLDER_MAX_FDS; its length, 0 at
 * the end, or a negative errno.  No malloc, no errno. */
long rf_holder_receive(int control, void *message, size_t bytes, int *fds, size_t capacity,
		       size_t *count);

/*
 * Becomes the holder, in the forked process.  Never returns in this process.  In the restored
 * thread it returns the arrival: what is left of the restore.
 */
struct rf_arrival *rf_holder_become(struct rf_holder_order *order);

#endif
