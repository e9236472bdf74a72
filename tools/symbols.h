/* SPDX-License-Identifier: MIT */
/*
 * The functions of an object of an image: from its file or its debug file, if they have the
 * build-id that the image has, else from the dynamic symbols in the image's memory.
 */
#ifndef TOOLS_SYMBOLS_H
#define TOOLS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/objects.h"

struct rf_symbol {
	uint64_t address; /* in the image */
	uint64_t bytes;	  /* 0 = to the next one */
	size_t name;	  /* offset in names */
	unsigned rank;	  /* of several at an address, the one to show is of the highest */
};

struct rf_symbols {
	struct rf_symbol *entries; /* ascending by address, then by rank */
	size_t count, capacity;
	char *names;
	size_t name_bytes, name_capacity;
};

/* Always answers, if only with no symbols; NULL without memory.  To be freed by
 * rf_symbols_free(). */
struct rf_symbols *rf_symbols_load(struct rf_objects *objects, const struct rf_object *object);
void rf_symbols_free(struct rf_symbols *symbols);

/* The function that an address lies in, and how far; NULL = unknown. */
const char *rf_symbols_find(const struct rf_symbols *symbols, uint64_t address, uint64_t *offset);

/* -- between the parts of it ------------------------------------------------------------------ */

/* Adds a function; other symbols are passed over.  name: zero-terminated.  0 or -ENOMEM. */
int rf_symbols_add(struct rf_symbols *symbols, const void *elf_symbol, uint64_t bias,
		   const char *name);

/* symbols_file.c: adds those of the object's files; how many files had any, or -ENOMEM. */
int rf_symbols_add_files(struct rf_symbols *symbols, struct rf_objects *objects,
			 const struct rf_object *object);

/* symbols_memory.c: adds the dynamic symbols that the image holds itself; 0 or -ENOMEM. */
int rf_symbols_add_dynamic(struct rf_symbols *symbols, struct rf_objects *objects,
			   const struct rf_object *object);

#endif
