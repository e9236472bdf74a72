/* SPDX-License-Identifier: MIT */
/*
 * Warnings: lines about what a process could not be given exactly as it was.  Made where it is
 * restored; told there and to the caller by rfork_report().  No malloc, no stdio.
 */
#ifndef RF_WARNINGS_H
#define RF_WARNINGS_H

#include <stddef.h>
#include <stdint.h>

#define RF_WARNINGS_BYTES 4096u

struct rf_warnings {
	uint32_t bytes;
	char text[RF_WARNINGS_BYTES]; /* lines, each with its newline; no zero */
};

/* Adds a line, as rf_report() formats it; one that has no room is left out.  error: for %m. */
void rf_warn(struct rf_warnings *warnings, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Takes lines that came from another machine: control characters are replaced.  What is behind
 * RF_WARNINGS_BYTES is left out. */
void rf_warnings_take(struct rf_warnings *warnings, const void *text, size_t bytes);

#endif
