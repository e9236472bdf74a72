/* SPDX-License-Identifier: MIT */
/*
 * Whether a core file's structure is sound.
 */
#ifndef TOOLS_CHECK_CORE_H
#define TOOLS_CHECK_CORE_H

#include "rfork/report.h"

/*
 * Checks program headers, segments and notes of a core, and that all lies within the file; says
 * on standard output that it is whole.  0, or a negative errno with a report that names the file
 * and the offset of the first fault.
 */
int undump_check_core(const char *path, struct rf_report *report);

#endif
