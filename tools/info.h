/* SPDX-License-Identifier: MIT */
/*
 * The two halves of undump --info.
 */
#ifndef TOOLS_INFO_H
#define TOOLS_INFO_H

#include "tools/undump.h"

/* Prints what a source says, for programs (info_json.c; undump.1 names the members). */
void undump_info_json(const struct rf_source *source);

#endif
