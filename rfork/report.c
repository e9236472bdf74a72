/* SPDX-License-Identifier: MIT */
/*
 * Sentences about failures, formatted without stdio, malloc or locale: the
 * frozen ghost and the shell call these functions as well as the caller.
 */
#define _GNU_SOURCE
#include "rfork/report.h"

#include <stdint.h>
#include <string.h>

struct sink {
	char *buffer;
	size_t bytes; /* capacity, at least 1 */
	size_t used;
};

static void put_char(struct sink *sink, char c)
{
	if (sink->used + 1 < sink->bytes)
		sink->buffer[sink->used++] = c;
}

static void put_string(struct sink *sink, const char *string)
{
	while (*string)
		put_char(sink, *string++);
}

static void put_number(struct sink *sink, uint64_t value, unsigned base)
{
	char digits[20];
	size_t count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (count)
		put_char(sink, digits[--count]);
}

static void put_signed(struct sink *sink, int64_t value)
{
	if (value < 0)
		put_char(sink, '-');
	put_number(sink, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

static void put_error(struct sink *sink, int error)
{
	const char *description = strerrordesc_np(error);

	if (description) {
		put_string(sink, description);
		return;
	}
	put_string(sink, "error ");
	put_signed(sink, error);
}

/* Formats one conversion; returns the byte behind it. */
static const char *put_conversion(struct sink *sink, int error, const char *format, va_list *list)
{
	int wide = 0;

	for (; *format == 'l' || *format == 'z'; format++)
		wide = 1;
	switch (*format) {
	case 's':
		put_string(sink, va_arg(*list, const char *));
		break;
	case 'c':
		put_char(sink, (char)va_arg(*list, int));
		break;
	case 'd':
		put_signed(sink, wide ? va_arg(*list, int64_t) : va_arg(*list, int));
		break;
	case 'u':
		put_number(sink, wide ? va_arg(*list, uint64_t) : va_arg(*list, unsigned), 10);
		break;
	case 'x':
		put_number(sink, wide ? va_arg(*list, uint64_t) : va_arg(*list, unsigned), 16);
		break;
	case 'm':
		put_error(sink, error);
		break;
	case '\0':
		return format;
	default:
		put_char(sink, *format);
	}
	return format + 1;
}

size_t rf_vformat(char *buffer, size_t bytes, int error, const char *format, va_list arguments)
{
	struct sink sink = { .buffer = buffer, .bytes = bytes };
	va_list list;

	va_copy(list, arguments);
	while (*format) {
		if (*format != '%')
			put_char(&sink, *format++);
		else
			format = put_conversion(&sink, error, format + 1, &list);
	}
	va_end(list);
	buffer[sink.used] = '\0';
	return sink.used;
}

size_t rf_format(char *buffer, size_t bytes, const char *format, ...)
{
	va_list arguments;
	size_t used;

	va_start(arguments, format);
	used = rf_vformat(buffer, bytes, 0, format, arguments);
	va_end(arguments);
	return used;
}

int rf_report(struct rf_report *report, int error, const char *format, ...)
{
	va_list arguments;

	if (report && !report->error) {
		report->error = error;
		va_start(arguments, format);
		rf_vformat(report->sentence, sizeof(report->sentence), error, format, arguments);
		va_end(arguments);
	}
	return -error;
}

void rf_report_sanitize(struct rf_report *report)
{
	report->sentence[sizeof(report->sentence) - 1] = '\0';
	for (char *c = report->sentence; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}
