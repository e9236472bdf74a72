/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON (RFC 8259), indented.  In an array `key` is NULL.
 */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	unsigned depth;
	bool has_members; /* what is open has one already */
};

/* bracket: '{' or '['; json_close() takes the same. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);

/*
 * text: any bytes; those that are no UTF-8 become lone surrogates, U+DC00 plus the byte, as
 * Python has them (PEP 383).  NULL is null.
 */
void json_string(struct json *json, const char *key, const char *text);
void json_number(struct json *json, const char *key, uint64_t number);
void json_signed(struct json *json, const char *key, int64_t number);
void json_bool(struct json *json, const char *key, bool value);

/* As a string, such as "0x7f00": numbers of JSON need not have 64 bits. */
void json_hex(struct json *json, const char *key, uint64_t number);

/* Bytes as a string of hexadecimal digits. */
void json_bytes(struct json *json, const char *key, const uint8_t *bytes, size_t count);

#endif
