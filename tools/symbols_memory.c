/* SPDX-License-Identifier: MIT */
/*
 * Dynamic symbols from the memory of an image: what the dynamic linker itself uses, and so always
 * there.  Called by symbols.c; the bytes are hostile.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "tools/symbols.h"

#define MAX_DYNAMIC_ENTRIES 1024u
#define MAX_DYNAMIC_SYMBOLS (1u << 20)
#define MAX_BUCKETS (1u << 20)
#define MAX_STRING_BYTES (64u << 20)

struct dynamic {
	uint64_t symbols, strings, string_bytes, gnu_hash, hash;
};

/* The dynamic linker has added the bias to the addresses in memory, but not in the vdso and in
 * static programs. */
static uint64_t relocate(const struct rf_object *object, uint64_t address)
{
	return address >= object->start && address < object->end ? address : address + object->bias;
}

static void take_entry(struct dynamic *dynamic, const struct rf_object *object,
		       const Elf64_Dyn *entry)
{
	const uint64_t address = relocate(object, entry->d_un.d_ptr);

	switch (entry->d_tag) {
	case DT_SYMTAB:
		dynamic->symbols = address;
		break;
	case DT_STRTAB:
		dynamic->strings = address;
		break;
	case DT_STRSZ:
		dynamic->string_bytes = entry->d_un.d_val;
		break;
	case DT_GNU_HASH:
		dynamic->gnu_hash = address;
		break;
	case DT_HASH:
		dynamic->hash = address;
		break;
	}
}

static void read_dynamic(struct dynamic *dynamic, struct rf_image_memory *memory,
			 const struct rf_object *object)
{
	*dynamic = (struct dynamic){ 0 };
	for (uint64_t i = 0;
	     i < MAX_DYNAMIC_ENTRIES && (i + 1) * sizeof(Elf64_Dyn) <= object->dynamic_bytes; i++) {
		Elf64_Dyn entry;

		if (!rf_image_memory_read(memory, object->dynamic + i * sizeof(entry), &entry,
					  sizeof(entry)) ||
		    entry.d_tag == DT_NULL)
			return;
		take_entry(dynamic, object, &entry);
	}
}

static bool read_word(struct rf_image_memory *memory, uint64_t address, uint32_t *word)
{
	return rf_image_memory_read(memory, address, word, sizeof(*word));
}

/* The chains of a GNU hash table hold all symbols from the first one on; the last chain ends with
 * the last one. */
static uint32_t count_gnu(struct rf_image_memory *memory, uint64_t table)
{
	uint32_t head[4]; /* buckets, first symbol, words of the Bloom filter, shift */
	uint64_t buckets, chains;
	uint32_t last = 0, word;

	if (!rf_image_memory_read(memory, table, head, sizeof(head)) || head[0] > MAX_BUCKETS)
		return 0;
	buckets = table + sizeof(head) + head[2] * sizeof(uint64_t);
	chains = buckets + head[0] * sizeof(uint32_t);
	for (uint32_t i = 0; i < head[0]; i++)
		if (read_word(memory, buckets + i * sizeof(word), &word) && word > last)
			last = word;
	if (last < head[1])
		return head[1];
	for (; last < MAX_DYNAMIC_SYMBOLS; last++)
		if (!read_word(memory, chains + (last - head[1]) * sizeof(word), &word) || word & 1)
			break;
	return last + 1;
}

static uint32_t count_symbols(struct rf_image_memory *memory, const struct dynamic *dynamic)
{
	uint32_t head[2]; /* buckets, chains: as many as symbols */
	uint32_t count = 0;

	if (dynamic->gnu_hash)
		count = count_gnu(memory, dynamic->gnu_hash);
	else if (dynamic->hash && rf_image_memory_read(memory, dynamic->hash, head, sizeof(head)))
		count = head[1];
	return count < MAX_DYNAMIC_SYMBOLS ? count : MAX_DYNAMIC_SYMBOLS;
}

int rf_symbols_add_dynamic(struct rf_symbols *symbols, struct rf_objects *objects,
			   const struct rf_object *object)
{
	struct rf_image_memory *memory = objects->memory;
	struct dynamic dynamic;
	uint32_t count;
	char *strings;
	int error = 0;

	read_dynamic(&dynamic, memory, object);
	count = count_symbols(memory, &dynamic);
	if (!count || !dynamic.string_bytes || dynamic.string_bytes > MAX_STRING_BYTES)
		return 0;
	strings = calloc(1, dynamic.string_bytes + 1);
	if (!strings)
		return -ENOMEM;
	if (!rf_image_memory_read(memory, dynamic.strings, strings, dynamic.string_bytes))
		count = 0;
	for (uint32_t i = 0; error == 0 && i < count; i++) {
		Elf64_Sym symbol;

		if (!rf_image_memory_read(memory, dynamic.symbols + i * sizeof(symbol), &symbol,
					  sizeof(symbol)))
			break;
		if (symbol.st_name < dynamic.string_bytes)
			error = rf_symbols_add(symbols, &symbol, object->bias,
					       strings + symbol.st_name);
	}
	free(strings);
	return error;
}
