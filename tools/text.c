/* SPDX-License-Identifier: MIT */
/*
 * Amounts and names as undump prints them.  Names come from hostile files and go to terminals.
 */
#define _GNU_SOURCE
#include "tools/text.h"

#include <stddef.h>

const char *text_amount(char text[TEXT_AMOUNT_BYTES], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t unit = 0;
	uint64_t whole = bytes, rest = 0;

	for (; whole >= 1024; unit++) {
		rest = whole % 1024;
		whole /= 1024;
	}
	/* a digit behind the point while there is only one before it */
	if (whole < 10 && rest >= 103)
		snprintf(text, TEXT_AMOUNT_BYTES, "%u.%u %s", (unsigned)whole,
			 (unsigned)(rest * 10 / 1024), units[unit]);
	else
		snprintf(text, TEXT_AMOUNT_BYTES, "%u %s", (unsigned)whole, units[unit]);
	return text;
}

const char *text_plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

void text_print(FILE *to, const char *name)
{
	for (const unsigned char *byte = (const unsigned char *)name; *byte; byte++) {
		if (*byte < ' ' || *byte == 0x7f) {
			putc('?', to);
		} else if (byte[0] == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0) {
			/* a control character of the second kind, in UTF-8 */
			putc('?', to);
			byte++;
		} else {
			putc(*byte, to);
		}
	}
}
