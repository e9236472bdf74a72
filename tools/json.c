/* SPDX-License-Identifier: MIT */
/*
 * JSON for programs that read what undump says.  Called by info_json.c; strings come from hostile
 * files.
 */
#define _GNU_SOURCE
#include "tools/json.h"

#include <inttypes.h>
#include <stddef.h>

/* Bytes of the character that begins here, 0 if it is no UTF-8 (RFC 3629). */
static size_t character_bytes(const unsigned char *text)
{
	size_t bytes = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	uint32_t value = text[0] & (bytes == 1 ? 0x7f : 0x7f >> bytes);
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if ((text[0] >= 0x80 && text[0] < 0xc0) || text[0] >= 0xf8)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if ((text[i] & 0xc0) != 0x80) /* a zero at the end, too */
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < least[bytes] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	return bytes;
}

static void put_string(FILE *to, const char *string)
{
	const unsigned char *text = (const unsigned char *)string;

	putc('"', to);
	while (*text) {
		size_t bytes = character_bytes(text);

		if (bytes == 0)
			fprintf(to, "\\udc%02x", *text);
		else if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text);
		else if (*text < ' ' || *text == 0x7f)
			fprintf(to, "\\u%04x", *text);
		else
			fwrite(text, 1, bytes, to);
		text += bytes ? bytes : 1;
	}
	putc('"', to);
}

static void begin_line(struct json *json)
{
	fprintf(json->to, "\n%*s", (int)(2 * json->depth), "");
}

static void begin_member(struct json *json, const char *key)
{
	if (json->has_members)
		putc(',', json->to);
	if (json->depth)
		begin_line(json);
	json->has_members = true;
	if (key) {
		put_string(json->to, key);
		fputs(": ", json->to);
	}
}

void json_open(struct json *json, const char *key, char bracket)
{
	begin_member(json, key);
	putc(bracket, json->to);
	json->depth++;
	json->has_members = false;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (json->has_members)
		begin_line(json);
	putc(bracket == '{' ? '}' : ']', json->to);
	json->has_members = true;
	if (json->depth == 0)
		putc('\n', json->to);
}

void json_string(struct json *json, const char *key, const char *text)
{
	begin_member(json, key);
	if (text)
		put_string(json->to, text);
	else
		fputs("null", json->to);
}

void json_number(struct json *json, const char *key, uint64_t number)
{
	begin_member(json, key);
	fprintf(json->to, "%" PRIu64, number);
}

void json_signed(struct json *json, const char *key, int64_t number)
{
	begin_member(json, key);
	fprintf(json->to, "%" PRId64, number);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_member(json, key);
	fputs(value ? "true" : "false", json->to);
}

void json_hex(struct json *json, const char *key, uint64_t number)
{
	begin_member(json, key);
	fprintf(json->to, "\"0x%" PRIx64 "\"", number);
}

void json_bytes(struct json *json, const char *key, const uint8_t *bytes, size_t count)
{
	begin_member(json, key);
	putc('"', json->to);
	for (size_t i = 0; i < count; i++)
		fprintf(json->to, "%02x", bytes[i]);
	putc('"', json->to);
}
