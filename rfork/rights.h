/* SPDX-License-Identifier: MIT */
/*
 * What a process may do that its descendants may not do more of: capabilities, and the root
 * directory that they are confined to.  A node says what a child would have (WELCOME,
 * doc/protocol.txt 3).  What the process does not have itself the image has the node take from the
 * child (RIGHTS, doc/image-format.txt 32), or it is refused: nobody gets out of a sandbox by going
 * to a node, nor by a rest in a file.
 */
#ifndef RF_RIGHTS_H
#define RF_RIGHTS_H

#include <linux/securebits.h>
#include <stdbool.h>
#include <stdint.h>

#include "rfork/image_format.h"
#include "rfork/protocol.h"
#include "rfork/refusals.h"

/* Without these a process could get more, or keep more: of the others two are for keeping
 * capabilities, and the later ones for interpreters. */
#define RF_CONFINING_SECUREBITS                                                                    \
	((uint32_t)(SECBIT_NOROOT | SECBIT_NO_CAP_AMBIENT_RAISE | SECURE_ALL_LOCKS))

/* Reads those of the calling process, for a caller to compare with. */
void rf_rights_read(struct rf_rights *rights);

/* Puts them into the facts of WELCOME, where the name of the caller's program is in REQUEST. */
void rf_rights_put(struct rf_machine_facts *welcome, const struct rf_rights *rights);

/* Fills what the calling process has at most.  Of others than root the permitted and effective
 * capabilities are no limit: who restores the image decides as which user, and what that may do. */
void rf_rights_collect(struct rf_image_rights *rights);

/* The same of another process, whose sets are in `rights`. */
void rf_rights_bound(struct rf_image_rights *rights, bool is_root);

/* Whether there is anything that a process with these rights lacks: else they need not be told. */
bool rf_rights_are_limited(const struct rf_image_rights *rights);

/* From the rights that the process has to those that its child may have; false if it would get no
 * more anyway.  same_boot: the node runs on the kernel that they were collected on. */
bool rf_rights_limit(struct rf_image_rights *rights, const struct rf_machine_facts *node,
		     bool same_boot);

/* Adds what a process with these rights, and the securebits and no_new_privs of that state, lacks
 * of those in the node's facts, and the node cannot take from the child. */
void rf_rights_refuse(const struct rf_image_rights *rights, const struct rf_image_state *state,
		      const struct rf_machine_facts *node, bool same_boot,
		      struct rf_refusals *refusals);

/* Writes the names of a set of capabilities: those of capabilities(7), in small letters and without
 * "CAP_". */
void rf_rights_name(uint64_t capabilities, char *text, size_t bytes);

#endif
