/* SPDX-License-Identifier: MIT */
/*
 * Walks through a vdso's ELF structures.  Every offset is checked against the pages before it is
 * used, and everything is copied out of them, for nothing in them need be aligned.
 */
#define _GNU_SOURCE
#include "rfork/vdso_symbols.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#define MAX_PROGRAM_HEADERS 16u
#define MAX_DYNAMIC 64u

/* Where a vdso says its tables are, as addresses; 0 = it does not say. */
struct dynamic {
	uint64_t symbols, strings, strings_bytes, hash, gnu_hash;
};

static bool copy_out(const struct rf_vdso_symbols *symbols, uint64_t offset, void *to, size_t bytes)
{
	if (offset > symbols->bytes || bytes > symbols->bytes - offset)
		return false;
	memcpy(to, symbols->code + offset, bytes);
	return true;
}

static bool read_word(const struct rf_vdso_symbols *symbols, uint64_t offset, uint32_t *word)
{
	return copy_out(symbols, offset, word, sizeof(*word));
}

/* -- headers ------------------------------------------------------------------------------- */

static bool is_vdso_header(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       header->e_type == ET_DYN && header->e_phentsize == sizeof(Elf64_Phdr) &&
	       header->e_phnum <= MAX_PROGRAM_HEADERS;
}

static bool take_entry(struct dynamic *dynamic, const Elf64_Dyn *entry)
{
	switch (entry->d_tag) {
	case DT_NULL:
		return false;
	case DT_SYMTAB:
		dynamic->symbols = entry->d_un.d_ptr;
		break;
	case DT_STRTAB:
		dynamic->strings = entry->d_un.d_ptr;
		break;
	case DT_STRSZ:
		dynamic->strings_bytes = entry->d_un.d_val;
		break;
	case DT_HASH:
		dynamic->hash = entry->d_un.d_ptr;
		break;
	case DT_GNU_HASH:
		dynamic->gnu_hash = entry->d_un.d_ptr;
		break;
	}
	return true;
}

static void read_dynamic(const struct rf_vdso_symbols *symbols, const Elf64_Phdr *segment,
			 struct dynamic *dynamic)
{
	Elf64_Dyn entry;

	for (uint64_t i = 0; i < MAX_DYNAMIC; i++)
		if (!copy_out(symbols, segment->p_offset + i * sizeof(entry), &entry,
			      sizeof(entry)) ||
		    !take_entry(dynamic, &entry))
			return;
}

/* The code is mapped as one piece, whatever segments it has: the first one tells for which
 * address. */
static bool read_headers(struct rf_vdso_symbols *symbols, struct dynamic *dynamic)
{
	bool is_loaded = false;
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (!copy_out(symbols, 0, &header, sizeof(header)) || !is_vdso_header(&header))
		return false;
	for (uint64_t i = 0; i < header.e_phnum; i++) {
		if (header.e_phoff > symbols->bytes ||
		    !copy_out(symbols, header.e_phoff + i * sizeof(segment), &segment,
			      sizeof(segment)))
			return false;
		if (segment.p_type == PT_LOAD && !is_loaded) {
			symbols->bias = segment.p_vaddr - segment.p_offset;
			is_loaded = true;
		} else if (segment.p_type == PT_DYNAMIC && segment.p_offset <= symbols->bytes) {
			read_dynamic(symbols, &segment, dynamic);
		}
	}
	return is_loaded;
}

/* -- tables -------------------------------------------------------------------------------- */

/* nbucket and nchain; there is a chain for each symbol. */
static uint32_t count_by_hash(const struct rf_vdso_symbols *symbols, uint64_t hash)
{
	uint32_t count;

	return read_word(symbols, hash + sizeof(count), &count) ? count : 0;
}

/* The end of the chain in the last bucket: in it the lowest bit is set. */
static uint32_t end_of_chains(const struct rf_vdso_symbols *symbols, uint64_t chains,
			      uint32_t first, uint32_t last)
{
	uint32_t value;

	while (last <= RF_VDSO_MAX_SYMBOLS &&
	       read_word(symbols, chains + (last - first) * sizeof(value), &value)) {
		last++;
		if (value & 1)
			return last;
	}
	return 0;
}

/* Number of buckets, first symbol, words of the bloom filter, shift; the filter, buckets,
 * chains. */
static uint32_t count_by_gnu_hash(const struct rf_vdso_symbols *symbols, uint64_t hash)
{
	uint32_t head[4], symbol, last = 0;
	uint64_t buckets;

	if (!copy_out(symbols, hash, head, sizeof(head)) || head[0] > RF_VDSO_MAX_SYMBOLS ||
	    head[1] > RF_VDSO_MAX_SYMBOLS || head[2] > symbols->bytes)
		return 0;
	buckets = hash + sizeof(head) + head[2] * sizeof(uint64_t);
	for (uint32_t i = 0; i < head[0]; i++) {
		if (!read_word(symbols, buckets + i * sizeof(symbol), &symbol))
			return 0;
		if (symbol > last)
			last = symbol;
	}
	if (last < head[1])
		return head[1];
	return end_of_chains(symbols, buckets + head[0] * sizeof(symbol), head[1], last);
}

static bool is_inside(const struct rf_vdso_symbols *symbols, uint64_t offset, uint64_t bytes)
{
	return offset <= symbols->bytes && bytes <= symbols->bytes - offset;
}

int rf_vdso_symbols_open(struct rf_vdso_symbols *symbols, const void *code, size_t bytes)
{
	struct dynamic dynamic = { 0 };

	*symbols = (struct rf_vdso_symbols){ .code = code, .bytes = bytes };
	if (!read_headers(symbols, &dynamic) || !dynamic.symbols || !dynamic.strings ||
	    !dynamic.strings_bytes || !(dynamic.hash | dynamic.gnu_hash))
		return -EBADMSG;
	symbols->count = dynamic.hash
				 ? count_by_hash(symbols, dynamic.hash - symbols->bias)
				 : count_by_gnu_hash(symbols, dynamic.gnu_hash - symbols->bias);
	symbols->table = dynamic.symbols - symbols->bias;
	symbols->strings = dynamic.strings - symbols->bias;
	symbols->strings_bytes = dynamic.strings_bytes;
	if (symbols->count == 0 || symbols->count > RF_VDSO_MAX_SYMBOLS ||
	    !is_inside(symbols, symbols->table, symbols->count * sizeof(Elf64_Sym)) ||
	    !is_inside(symbols, symbols->strings, symbols->strings_bytes) ||
	    /* so all names end within */
	    symbols->code[symbols->strings + symbols->strings_bytes - 1])
		return -EBADMSG;
	return 0;
}

bool rf_vdso_symbols_function(const struct rf_vdso_symbols *symbols, uint32_t index,
			      struct rf_vdso_function *function)
{
	Elf64_Sym symbol;
	uint64_t offset;

	if (!copy_out(symbols, symbols->table + index * sizeof(symbol), &symbol, sizeof(symbol)))
		return false;
	offset = symbol.st_value - symbols->bias;
	if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
	    symbol.st_name >= symbols->strings_bytes || symbol.st_size == 0 ||
	    !is_inside(symbols, offset, symbol.st_size))
		return false;
	*function = (struct rf_vdso_function){
		.name = (const char *)symbols->code + symbols->strings + symbol.st_name,
		.offset = (size_t)offset,
		.bytes = (size_t)symbol.st_size,
	};
	return true;
}
