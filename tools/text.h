/* SPDX-License-Identifier: MIT */
/*
 * How undump shows amounts, names and times to people.
 */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <stdint.h>
#include <stdio.h>

#define TEXT_AMOUNT_BYTES 32

/* An amount of bytes with a binary unit, such as "4 KiB" or "1.5 GiB". */
const char *text_amount(char text[TEXT_AMOUNT_BYTES], uint64_t bytes);

/* "s" for every count but 1. */
const char *text_plural(uint64_t count);

/*
 * Prints a name that comes from a file: what a terminal would take for more than text is
 * replaced.
 */
void text_print(FILE *to, const char *name);

#endif
