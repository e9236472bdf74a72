/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints for tests that look at what is written: files to commit to, and the holders.
 */
#ifndef TEST_SUPPORT_CHECKPOINT_H
#define TEST_SUPPORT_CHECKPOINT_H

#include "tests/support/test.h"

/* A directory of the test's own, and a path in it; static buffers. */
const char *checkpoint_directory(void);
const char *checkpoint_path(const char *name);

/* Removes the directory, which must hold nothing but these files. */
void checkpoint_clean(const char *const *names, size_t count);

/* Holds a checkpoint; fails the test, with the sentence, if that does not work.  0 in a restarted
 * process. */
rfork_crid_t checkpoint_hold(unsigned flags);

/* Commits to a path, and waits for the end. */
void checkpoint_write(rfork_crid_t crid, const char *path);

/* Expects that a call, which returned `result`, has failed with `error` and a sentence that holds
 * `names`. */
void checkpoint_expect_failure(int64_t result, int error, const char *names);

/* The holder of a checkpoint, a child of this process; 0 if there is none. */
pid_t checkpoint_holder(rfork_crid_t crid);

/* Reads a statefile, all of it, and checks every digest; fails the test, with the sentence.  For
 * programs that link what reads one: $(rf_statefile_ldadd). */
struct rf_source;
void checkpoint_read(struct rf_source *source, const char *path);

/* Whether a file holds `bytes` bytes (of whole pages) at an offset that is page aligned. */
bool checkpoint_file_has(const char *path, const void *pages, size_t bytes);

#endif
