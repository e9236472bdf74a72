/* SPDX-License-Identifier: MIT */
/*
 * A table of functions by address.  Called by the backtrace.
 */
#define _GNU_SOURCE
#include "tools/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SYMBOLS (4u << 20)
#define MAX_NAME_BYTES (256u << 20)

/* -- making it -------------------------------------------------------------------------------- */

static int grow(void **array, size_t *capacity, size_t needed, size_t size)
{
	size_t bigger = *capacity ? *capacity : 64;
	void *grown;

	if (needed <= *capacity)
		return 0;
	while (bigger < needed)
		bigger *= 2;
	grown = reallocarray(*array, bigger, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = bigger;
	return 0;
}

/* Public names come before private ones, and those without underscores before those with. */
static unsigned rank_symbol(const Elf64_Sym *symbol, const char *name)
{
	static const unsigned binding[] = { [STB_LOCAL] = 0, [STB_WEAK] = 1, [STB_GLOBAL] = 2 };
	unsigned bind = ELF64_ST_BIND(symbol->st_info);
	size_t underscores = strspn(name, "_");

	return (bind < 3 ? binding[bind] : 0) * 4 +
	       (underscores < 3 ? 3 - (unsigned)underscores : 0);
}

static bool is_function(const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

int rf_symbols_add(struct rf_symbols *symbols, const void *elf_symbol, uint64_t bias,
		   const char *name)
{
	const Elf64_Sym *symbol = elf_symbol;
	size_t bytes = strcspn(name, "@") + 1; /* without its version */

	if (!is_function(symbol) || !*name || symbols->count == MAX_SYMBOLS ||
	    symbols->name_bytes + bytes > MAX_NAME_BYTES)
		return 0;
	if (grow((void **)&symbols->entries, &symbols->capacity, symbols->count + 1,
		 sizeof(*symbols->entries)) < 0 ||
	    grow((void **)&symbols->names, &symbols->name_capacity, symbols->name_bytes + bytes,
		 1) < 0)
		return -ENOMEM;
	symbols->entries[symbols->count++] = (struct rf_symbol){
		.address = symbol->st_value + bias,
		.bytes = symbol->st_size,
		.name = symbols->name_bytes,
		.rank = rank_symbol(symbol, name),
	};
	memcpy(symbols->names + symbols->name_bytes, name, bytes - 1);
	symbols->names[symbols->name_bytes + bytes - 1] = 0;
	symbols->name_bytes += bytes;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct rf_symbol *first = a, *second = b;

	if (first->address != second->address)
		return first->address < second->address ? -1 : 1;
	if (first->rank != second->rank)
		return first->rank < second->rank ? -1 : 1;
	return first->name < second->name ? -1 : first->name > second->name;
}

struct rf_symbols *rf_symbols_load(struct rf_objects *objects, const struct rf_object *object)
{
	struct rf_symbols *symbols = calloc(1, sizeof(*symbols));
	int found;

	if (!symbols)
		return NULL;
	found = rf_symbols_add_files(symbols, objects, object);
	if (found == 0)
		found = rf_symbols_add_dynamic(symbols, objects, object);
	if (found < 0) {
		rf_symbols_free(symbols);
		return NULL;
	}
	if (symbols->count)
		qsort(symbols->entries, symbols->count, sizeof(*symbols->entries), compare);
	return symbols;
}

void rf_symbols_free(struct rf_symbols *symbols)
{
	if (!symbols)
		return;
	free(symbols->entries);
	free(symbols->names);
	free(symbols);
}

/* -- looking up ------------------------------------------------------------------------------- */

/* How many begin at or before an address. */
static size_t count_before(const struct rf_symbols *symbols, uint64_t address)
{
	size_t low = 0;
	size_t high = symbols->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->entries[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* One without a size is a label, or written in assembly: it counts unless a function that has one
 * holds the address. */
const char *rf_symbols_find(const struct rf_symbols *symbols, uint64_t address, uint64_t *offset)
{
	const struct rf_symbol *found = NULL;

	for (size_t i = count_before(symbols, address); i > 0; i--) {
		const struct rf_symbol *symbol = &symbols->entries[i - 1];

		if (symbol->bytes == 0) {
			found = found ? found : symbol;
			continue;
		}
		if (address - symbol->address < symbol->bytes)
			found = symbol;
		break;
	}
	if (!found)
		return NULL;
	*offset = address - found->address;
	return symbols->names + found->name;
}
