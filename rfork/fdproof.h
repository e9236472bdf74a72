/* SPDX-License-Identifier: MIT */
/*
 * What proves to another machine which file a descriptor has open: the digest of a file that is
 * only read, and a lock in one that is written to.  On the same boot device and inode suffice.
 */
#ifndef RF_FDPROOF_H
#define RF_FDPROOF_H

#include <stdint.h>

#include "rfork/digest_cache.h"
#include "rfork/fdtable.h"
#include "rfork/report.h"

/*
 * Digests the regular files that are open for reading only.  Reads the whole of each that the cache
 * does not know, in the caller, so that one reading serves all its children; what cannot be read
 * stays without a digest, and the node refuses it.  The caller does not hold the state's lock.  0,
 * or -ETIMEDOUT with a report.
 */
int rf_fdproof_digest(struct rf_fdtable *table, struct rf_digest_cache *cache, int64_t deadline_ns,
		      struct rf_report *report);

/*
 * Locks a byte at a random place in each regular file that is open for writing: who sees that lock
 * has the same file, on a network file system for one.  Through descriptions of the ghost's own, so
 * that the locks end with the ghost and are none of the caller's; where that fails there is no
 * proof, and the node refuses the file.  In the ghost, whose /proc files must be open to it; they
 * are held until rf_fdproof_release().
 */
void rf_fdproof_witness(struct rf_fdtable *table);
void rf_fdproof_release(struct rf_fdtable *table);

/* Of larger files no digest is made for what goes to rest. */
#define RF_FDPROOF_MAX_BYTES (UINT64_C(256) << 20)

/* Computes the digest of what has the path, if that is still the file of this identity: for frozen
 * code.  0 or a negative errno. */
int rf_fdproof_digest_path(const char *path, const struct rf_image_file *identity,
			   uint64_t digest[2]);

/* Gives digests to all files of a table that are only read, by their paths; what cannot have one
 * gets none. */
void rf_fdproof_digest_by_path(struct rf_fdtable *table);

#endif
