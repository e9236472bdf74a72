/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "rfork/lines.h"

#include <errno.h>
#include <string.h>

#include "rfork/sys.h"

/* What is behind the last newline comes to the front; its length. */
static long take_lines(char *text, size_t used, rf_lines_take take, void *context)
{
	char *line = text, *end;

	for (; (end = memchr(line, '\n', used - (size_t)(line - text))); line = end + 1) {
		int error;

		*end = '\0';
		error = take(context, line);
		if (error < 0)
			return error;
	}
	used -= (size_t)(line - text);
	memmove(text, line, used);
	return (long)used;
}

int rf_lines_read(int fd, rf_lines_take take, void *context)
{
	char text[RF_LINES_MAX_BYTES + 1];
	long used = 0, got;

	while ((got = rf_sys_read(fd, text + used, sizeof(text) - (size_t)used)) != 0) {
		if (got == -EINTR)
			continue;
		if (got < 0)
			return (int)got;
		used = take_lines(text, (size_t)(used + got), take, context);
		if (used < 0)
			return (int)used;
		if (used == sizeof(text))
			return -EPROTO;
	}
	return 0;
}
