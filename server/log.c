/* SPDX-License-Identifier: MIT */
/*
 * Formats and writes log lines.  Called by every process of the server; must not
 * block a session for long nor fail it: a log that cannot be written is lost.
 */
#define _GNU_SOURCE
#include "server/log.h"

#include <stdarg.h>
#include <unistd.h>

#include "rfork/report.h"
#include "rfork/sys.h"

static uint32_t log_connection_id;

void rf_log_set_connection(uint32_t connection_id)
{
	log_connection_id = connection_id;
}

void rf_log(const char *format, ...)
{
	char line[RF_REPORT_BYTES + 256];
	va_list arguments;
	size_t used;

	used = rf_format(line, sizeof(line), "rfork-server: ");
	if (log_connection_id)
		used += rf_format(line + used, sizeof(line) - used, "[c%u] ", log_connection_id);
	va_start(arguments, format);
	used += rf_vformat(line + used, sizeof(line) - used - 1, 0, format, arguments);
	va_end(arguments);
	for (size_t i = 0; i < used; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[used++] = '\n';
	(void)rf_sys_write(STDERR_FILENO, line, used);
}
