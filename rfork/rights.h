/* SPDX-License-Identifier: MIT */
/*
 * What a process may do that its descendants may not do more of: capabilities, and the root directory
 * that they are confined to.  A node says what a child would have (WELCOME, doc/protocol.txt 3), and the
 * caller refuses what it does not have itself: nobody gets out of a sandbox by going to a node.
 */
#ifndef RF_RIGHTS_H
#define RF_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/protocol.h"
#include "rfork/refusals.h"

/* Reads those of the calling process. */
void rf_rights_read(struct rf_rights *rights);

/* Puts them into the facts of WELCOME, where the name of the caller's program is in REQUEST. */
void rf_rights_put(struct rf_machine_facts *welcome, const struct rf_rights *rights);

/* Adds what the calling process lacks of the rights in the node's facts.  same_boot: the node runs
 * on this very kernel. */
void rf_rights_refuse(const struct rf_machine_facts *node, bool same_boot,
		      struct rf_refusals *refusals);

#endif
