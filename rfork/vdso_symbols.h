/* SPDX-License-Identifier: MIT */
/*
 * The functions of a vdso by their names, from its pages alone, which may be hostile: whatever
 * is found lies within them.  No libelf, no malloc, no errno: used by rfork-shell and by
 * executables that restart themselves.
 */
#ifndef RF_VDSO_SYMBOLS_H
#define RF_VDSO_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Linux has fourteen on x86_64. */
#define RF_VDSO_MAX_SYMBOLS 256u

struct rf_vdso_symbols {
	const unsigned char *code;
	size_t bytes;
	uint64_t bias;	       /* the address for which code[0] was linked */
	size_t table, strings; /* offsets in code */
	size_t strings_bytes;
	uint32_t count;
};

struct rf_vdso_function {
	const char *name;     /* in the code */
	size_t offset, bytes; /* in the code; bytes is not 0 */
};

/* Finds the dynamic symbols in a vdso's pages; 0, or -EBADMSG if they are not those of a vdso. */
int rf_vdso_symbols_open(struct rf_vdso_symbols *symbols, const void *code, size_t bytes);

/* Whether symbol `index`, below symbols->count, is a function; and which. */
bool rf_vdso_symbols_function(const struct rf_vdso_symbols *symbols, uint32_t index,
			      struct rf_vdso_function *function);

#endif
