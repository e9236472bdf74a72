/* SPDX-License-Identifier: MIT */
/*
 * What a process may do that its descendants may not do more of: capabilities, and the root
 * directory that they are confined to.  A node says what a child would have (WELCOME,
 * doc/protocol.txt 3).  What the caller does not have itself the image has the node take from the
 * child (RIGHTS, doc/image-format.txt 32), or it is refused: nobody gets out of a sandbox by going
 * to a node.
 */
#ifndef RF_RIGHTS_H
#define RF_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/image_format.h"
#include "rfork/protocol.h"
#include "rfork/refusals.h"

/* Reads those of the calling process. */
void rf_rights_read(struct rf_rights *rights);

/* Puts them into the facts of WELCOME, where the name of the caller's program is in REQUEST. */
void rf_rights_put(struct rf_machine_facts *welcome, const struct rf_rights *rights);

/* Fills the rights that the child may have; false if it would get no more anyway. */
bool rf_rights_limit(struct rf_image_rights *rights, const struct rf_machine_facts *node,
		     bool same_boot);

/* Adds what the calling process lacks of the rights in the node's facts, and the node cannot take
 * from the child.  same_boot: the node runs on this very kernel. */
void rf_rights_refuse(const struct rf_machine_facts *node, bool same_boot,
		      struct rf_refusals *refusals);

#endif
