/* SPDX-License-Identifier: MIT */
/*
 * A hook for tests: with RFORK_TEST_DROP=KIND in the environment, every image that the process
 * writes lacks one kind of state, as if nobody had thought of it.  A test that claims that the
 * state travels must fail then (doc/state.md, tests/state/).
 *
 * It sits in the image writer, which rfork(), moves, checkpoints and undump have in common.  No
 * malloc, no errno: runs in the frozen ghost.  An entry of the table in drop.c is all that a new
 * kind needs.
 */
#ifndef RF_DROP_H
#define RF_DROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "rfork/arena.h"
#include "rfork/image_format.h"
#include "rfork/report.h"

/* What is to be dropped, and what has been seen of the image so far. */
struct rf_drop;

/*
 * Reads the environment (secure_getenv): *drop is NULL where it asks for nothing, as nearly always.
 * Memory comes from the arena.  0, or a negative errno with a report: -EINVAL for a name that is
 * none, so that a misspelt one lets no test pass.
 */
int rf_drop_choose(struct rf_drop **drop, struct rf_arena *arena, struct rf_report *report);

/*
 * Says what is left of a record: 0 if nothing is, and it must not be written; 1, and `payload`
 * points to it, in memory of the drop's that is valid until the next call; RF_DROP_UNCHANGED; or
 * -EMSGSIZE for a record that is too long to be changed.  Every record of an image must come, in
 * its order.
 * file: where page data are that are dropped, and become a hole; -1 = nowhere yet.
 */
#define RF_DROP_UNCHANGED 2
int rf_drop_record(struct rf_drop *drop, int file, enum rf_record_type type,
		   const struct iovec *pieces, int count, struct iovec *payload);

/* Whether pages of data from `address` on, which lie in one mapping, are dropped; and guard
 * pages. */
bool rf_drop_has_data(const struct rf_drop *drop, uint64_t address);
bool rf_drop_has_guards(const struct rf_drop *drop);

/* The kinds by their names, from 0 on; NULL past the last. */
const char *rf_drop_name(size_t index);

#endif
