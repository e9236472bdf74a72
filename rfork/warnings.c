/* SPDX-License-Identifier: MIT */
/*
 * The list of warnings.  Called by whoever restores a process, and by who passes the list on.
 */
#define _GNU_SOURCE
#include "rfork/warnings.h"

#include <stdbool.h>
#include <string.h>

#include "rfork/report.h"

static void sanitize(char *text, size_t bytes, bool has_lines)
{
	for (size_t i = 0; i < bytes; i++)
		if (((unsigned char)text[i] < ' ' && !(has_lines && text[i] == '\n')) ||
		    text[i] == 0x7f)
			text[i] = '?';
}

void rf_warn(struct rf_warnings *warnings, int error, const char *format, ...)
{
	char line[RF_REPORT_BYTES];
	va_list arguments;
	size_t bytes;

	va_start(arguments, format);
	bytes = rf_vformat(line, sizeof(line) - 1, error, format, arguments);
	va_end(arguments);
	sanitize(line, bytes, false); /* names of threads may hold anything */
	line[bytes++] = '\n';
	if (bytes > RF_WARNINGS_BYTES - warnings->bytes)
		return;
	memcpy(warnings->text + warnings->bytes, line, bytes);
	warnings->bytes += (uint32_t)bytes;
}

void rf_warnings_take(struct rf_warnings *warnings, const void *text, size_t bytes)
{
	if (bytes > RF_WARNINGS_BYTES)
		bytes = RF_WARNINGS_BYTES;
	memcpy(warnings->text, text, bytes);
	sanitize(warnings->text, bytes, true);
	warnings->bytes = (uint32_t)bytes;
}
