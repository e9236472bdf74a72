/* SPDX-License-Identifier: MIT */
/*
 * Gathers refusals.  Called by whoever looks at a process that is to go: in the caller, in the
 * frozen ghost, and in the shell of a node that only looks.
 */
#define _GNU_SOURCE
#include "rfork/refusals.h"

#include <errno.h>
#include <string.h>

/* For the words around what a sentence names: the verb, the number of the others, the advice. */
#define AROUND_BYTES 96u

void rf_refusals_begin(struct rf_refusals *refusals, char *lines, size_t bytes)
{
	*refusals = (struct rf_refusals){ .lines = lines, .bytes = bytes };
	if (bytes)
		lines[0] = '\0';
}

void rf_refusals_clear(struct rf_refusals *refusals)
{
	rf_refusals_begin(refusals, refusals->lines, refusals->bytes);
}

/* A line may name a path with a newline in it, and goes to a terminal. */
static void add_line(struct rf_refusals *refusals, int error, const char *line, size_t length)
{
	if (!refusals->count++)
		refusals->error = error;
	/* in order: behind one for which there was no room none is listed */
	if (refusals->listed + 1 != refusals->count ||
	    length + sizeof("\n") > refusals->bytes - refusals->used)
		return;
	for (size_t i = 0; i < length; i++)
		refusals->lines[refusals->used++] =
			(unsigned char)line[i] < ' ' || line[i] == 0x7f ? '?' : line[i];
	refusals->lines[refusals->used++] = '\n';
	refusals->lines[refusals->used] = '\0';
	refusals->listed++;
}

void rf_refuse(struct rf_refusals *refusals, const char *format, ...)
{
	char line[RF_REPORT_BYTES];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = rf_vformat(line, sizeof(line), 0, format, arguments);
	va_end(arguments);
	add_line(refusals, ENOTSUP, line, length);
}

bool rf_is_refusal(int error)
{
	return error == ENOTSUP || error == ENOEXEC || error == ENOSPC;
}

int rf_refuse_reported(struct rf_refusals *refusals, struct rf_report *report)
{
	if (!rf_is_refusal(report->error))
		return -report->error;
	add_line(refusals, report->error, report->sentence, strlen(report->sentence));
	*report = (struct rf_report){ 0 };
	return 0;
}

/* Joins as many of the lines as have room, the first one in any case; returns how many. */
static unsigned join_lines(const struct rf_refusals *refusals, char *joined, size_t bytes)
{
	const char *line = refusals->lines;
	unsigned count = 0;
	size_t used = 0;

	while (count < refusals->listed) {
		size_t length = (size_t)(strchr(line, '\n') - line);

		if (count && used + length + sizeof("; ") > bytes)
			break;
		used += rf_format(joined + used, bytes - used, "%s", count ? "; " : "");
		if (length > bytes - used - 1)
			length = bytes - used - 1;
		memcpy(joined + used, line, length);
		used += length;
		joined[used] = '\0';
		line = strchr(line, '\n') + 1;
		count++;
	}
	return count;
}

int rf_refusals_report(const struct rf_refusals *refusals, const char *verb, const char *advice,
		       struct rf_report *report)
{
	char joined[RF_REPORT_BYTES - AROUND_BYTES] = "";
	const char *colon = verb[0] ? ": " : "";
	unsigned named;

	if (!refusals->count)
		return 0;
	named = join_lines(refusals, joined, sizeof(joined));
	if (named < refusals->count)
		return rf_report(report, refusals->error, "%s%s%s; and %u more%s", verb, colon,
				 joined, refusals->count - named, advice);
	return rf_report(report, refusals->error, "%s%s%s%s", verb, colon, joined, advice);
}
