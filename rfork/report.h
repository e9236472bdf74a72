/* SPDX-License-Identifier: MIT */
/*
 * A report: the one sentence that says why something failed and names the object.
 * Filled once, where the detail is known; carried up to rfork_error() or over
 * the wire in REFUSED.  Formatting uses no stdio and no locale, so that the frozen
 * ghost may report too.
 */
#ifndef RF_REPORT_H
#define RF_REPORT_H

#include <stdarg.h>
#include <stddef.h>

#define RF_REPORT_BYTES 512

struct rf_report {
	int error; /* positive errno; 0 = nothing failed */
	char sentence[RF_REPORT_BYTES];
};

/*
 * Fills the report, unless it already holds an error, and returns -error.
 * Format: %s %c %d %u %ld %lu %zu %x %lx %m (description of `error`) and %%.
 */
int rf_report(struct rf_report *report, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Formats into buffer, always terminated; returns the length kept, in bytes. */
size_t rf_format(char *buffer, size_t bytes, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t rf_vformat(char *buffer, size_t bytes, int error, const char *format, va_list arguments);

/* Replaces control characters: a sentence from the wire goes to a terminal. */
void rf_report_sanitize(struct rf_report *report);

#endif
