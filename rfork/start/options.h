/* SPDX-License-Identifier: MIT */
/*
 * What whoever writes an executable tells the program at its beginning: a note of its own in the
 * file's first pages, of name "RFORK" and type 2.
 */
#ifndef RF_START_OPTIONS_H
#define RF_START_OPTIONS_H

#include <stdint.h>

#define RF_START_OPTIONS_TYPE 2u

#define RF_START_COPY 1u /* read all memory at the start, rather than map it */

struct rf_start_options {
	uint32_t flags;
	uint32_t reserved;
};

extern const volatile struct rf_start_options rf_start_options;

#endif
