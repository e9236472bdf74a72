/* SPDX-License-Identifier: MIT */
/*
 * The shared secret of callers and nodes.  It lives in one private page that no fork
 * child inherits and no image or core file contains; so a process holds a key only
 * from load to wipe, and a fork between the two must not touch it in the child.
 * No malloc, no stdio.
 */
#ifndef RF_KEY_H
#define RF_KEY_H

#include <stdint.h>

#include "rfork/protocol.h"
#include "rfork/report.h"

struct rf_key {
	uint8_t *bytes; /* RF_KEY_BYTES in the private page; NULL = no key */
};

/* Maps the private page, zeroed; -ENOMEM with a report. */
int rf_key_allocate(struct rf_key *key, struct rf_report *report);

/*
 * Loads the key from a file of 64 hexadecimal digits and an optional newline.  path NULL =
 * RFORK_KEY_FILE of the environment, and, where that is unset or cannot be opened, the
 * default file ${XDG_CONFIG_HOME:-$HOME/.config}/rfork/key.
 *
 * 0; -ENOKEY if there is no file, -EKEYREJECTED if it is malformed, belongs to someone else or can
 * be used by group or others; -ENOMEM.  The report names the file.  On failure key->bytes is NULL.
 */
int rf_key_load(struct rf_key *key, const char *path, struct rf_report *report);

/*
 * The same, but makes the file (path, or the default file) with a random key, and the folders on
 * the way to it, where it is missing.  Processes that race end with the same key.
 */
int rf_key_load_or_create(struct rf_key *key, const char *path, struct rf_report *report);

/* Erases and unmaps the key; harmless on an empty one. */
void rf_key_wipe(struct rf_key *key);

#endif
