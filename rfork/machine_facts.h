/* SPDX-License-Identifier: MIT */
/*
 * What must fit together before an image may move from one machine to another.  The
 * caller collects its facts before the fork, the server once at its start; the session
 * compares.  No malloc.
 */
#ifndef RF_MACHINE_FACTS_H
#define RF_MACHINE_FACTS_H

#include "rfork/protocol.h"
#include "rfork/report.h"

/*
 * Fills every field but `program`, which is zeroed.  Takes some tens of microseconds, CPUID in a
 * virtual machine for the most part; the answer holds until the process moves.
 * 0, or a negative errno if the process's own mappings cannot be read.
 */
int rf_machine_facts_collect(struct rf_machine_facts *facts);

/*
 * Whether an image of the caller's machine can run on the node.  Both structs may come from
 * the wire.  0, or -ENOEXEC with a report that names what differs.
 */
int rf_machine_facts_compare(const struct rf_machine_facts *caller,
			     const struct rf_machine_facts *node, struct rf_report *report);

#endif
