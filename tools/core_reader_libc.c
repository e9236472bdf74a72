/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knows of threads and no core says, but the C library has in memory: where the
 * kernel writes the number of the processor (rseq), where it clears the thread's id, and the list
 * of robust mutexes.  Nothing is taken from a version of glibc: variables are found by name, fields
 * by what stands in them.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "tools/core_reader_parts.h"

#define MAX_PROGRAM_HEADERS 64u
#define MAX_DYNAMIC 256u
#define MAX_NAME_BYTES 32u
#define MAX_CHAIN 65536u
#define THREAD_BYTES 4096u	   /* of struct pthread that are searched */
#define ROBUST_DISTANCE 64u	   /* from a thread's id to its list, at most */
#define ROBUST_OFFSET INT64_C(-32) /* from the next pointer in a mutex to its lock */
#define ROBUST_BYTES 24u
#define RSEQ_BYTES 32u
#define RSEQ_SIGNATURE 0x53053053u
#define MAX_PROCESSOR 65536u
#define MAX_RSEQ_DISTANCE (INT64_C(1) << 24)

/* -- dynamic symbols in memory ----------------------------------------------------------------- */

struct module {
	uint64_t start, bias;
	uint64_t symbols, strings, hash;
};

static uint64_t relocated(const struct module *module, uint64_t value)
{
	/* the loader puts addresses there, but not into its own table */
	return value < module->start ? value + module->bias : value;
}

static bool read_dynamic(const struct core *core, struct module *module, uint64_t address)
{
	for (unsigned i = 0; i < MAX_DYNAMIC; i++) {
		Elf64_Dyn entry;

		if (!core_read(core, address + i * sizeof(entry), &entry, sizeof(entry)))
			return false;
		switch (entry.d_tag) {
		case DT_NULL:
			return module->symbols && module->strings && module->hash;
		case DT_SYMTAB:
			module->symbols = relocated(module, entry.d_un.d_ptr);
			break;
		case DT_STRTAB:
			module->strings = relocated(module, entry.d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			module->hash = relocated(module, entry.d_un.d_ptr);
			break;
		}
	}
	return false;
}

static bool read_module(const struct core *core, uint64_t start, struct module *module)
{
	Elf64_Phdr headers[MAX_PROGRAM_HEADERS];
	uint64_t dynamic = 0, first = UINT64_MAX;
	Elf64_Ehdr elf;

	if (!core_read(core, start, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_phentsize != sizeof(headers[0]) ||
	    elf.e_phnum > MAX_PROGRAM_HEADERS ||
	    !core_read(core, start + elf.e_phoff, headers, elf.e_phnum * sizeof(headers[0])))
		return false;
	for (size_t i = 0; i < elf.e_phnum; i++) {
		if (headers[i].p_type == PT_LOAD && headers[i].p_vaddr < first)
			first = headers[i].p_vaddr & ~(uint64_t)(CORE_PAGE_BYTES - 1);
		if (headers[i].p_type == PT_DYNAMIC)
			dynamic = headers[i].p_vaddr;
	}
	if (!dynamic || first == UINT64_MAX)
		return false;
	*module = (struct module){ .start = start, .bias = start - first };
	return read_dynamic(core, module, module->bias + dynamic);
}

static uint32_t hash_name(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

/* Whether a symbol is a variable of that name. */
static bool is_symbol(const struct core *core, const struct module *module, uint32_t index,
		      const char *name, uint64_t *address)
{
	char text[MAX_NAME_BYTES] = "";
	Elf64_Sym symbol;

	if (!core_read(core, module->symbols + (uint64_t)index * sizeof(symbol), &symbol,
		       sizeof(symbol)) ||
	    symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT ||
	    !core_read(core, module->strings + symbol.st_name, text, strlen(name) + 1) ||
	    strcmp(text, name) != 0)
		return false;
	*address = module->bias + symbol.st_value;
	return true;
}

/* Source of the table's form: glibc, elf/dl-lookup.c. */
static bool look_up(const struct core *core, const struct module *module, const char *name,
		    uint64_t *address)
{
	uint32_t head[4]; /* buckets, first symbol, words of the filter, its shift */
	uint32_t hash = hash_name(name), index, entry;
	uint64_t buckets, chains;

	if (!core_read(core, module->hash, head, sizeof(head)) || head[0] == 0)
		return false;
	buckets = module->hash + sizeof(head) + (uint64_t)head[2] * sizeof(uint64_t);
	chains = buckets + (uint64_t)head[0] * sizeof(uint32_t);
	if (!core_read(core, buckets + (hash % head[0]) * sizeof(uint32_t), &index,
		       sizeof(index)) ||
	    index < head[1])
		return false;
	for (unsigned i = 0; i < MAX_CHAIN; i++, index++) {
		if (!core_read(core, chains + (uint64_t)(index - head[1]) * sizeof(entry), &entry,
			       sizeof(entry)))
			return false;
		if ((entry | 1) == (hash | 1) && is_symbol(core, module, index, name, address))
			return true;
		if (entry & 1)
			return false;
	}
	return false;
}

/* -- symbols of the program's file ------------------------------------------------------------- */

static bool find_in_section(Elf *elf, Elf_Scn *section, const char *name, uint64_t *value)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Shdr header;
	GElf_Sym symbol;

	if (!data || !gelf_getshdr(section, &header))
		return false;
	for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
		const char *text = elf_strptr(elf, header.sh_link, symbol.st_name);

		if (symbol.st_shndx != SHN_UNDEF && GELF_ST_TYPE(symbol.st_info) == STT_OBJECT &&
		    text && strcmp(text, name) == 0) {
			*value = symbol.st_value;
			return true;
		}
	}
	return false;
}

/* A static program exports nothing, but its file may have all symbols. */
static bool find_in_program(struct core *core, const char *name, uint64_t *address)
{
	const struct rf_image *image = &core->source->image;
	size_t mapping = rf_image_find_mapping(image, core->first, core->first + 1);
	const struct core_proof *proof;
	Elf_Scn *section = NULL;
	bool is_found = false;
	Elf *elf;

	if (mapping == SIZE_MAX || image->mappings[mapping].file == RF_IMAGE_NONE)
		return false;
	proof = core_prove(core, image->mappings[mapping].file);
	if (proof->fd < 0)
		return false;
	elf = elf_begin(proof->fd, ELF_C_READ, NULL);
	while (elf && !is_found && (section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
			is_found = find_in_section(elf, section, name, address);
	}
	elf_end(elf);
	*address += is_found ? core->bias : 0;
	return is_found;
}

bool core_find_symbol(struct core *core, const char *name, uint64_t *address)
{
	const struct rf_image *image = &core->source->image;

	*address = 0;
	/* wherever a library begins: NT_FILE of a restarted process names the executable that it
	 * came from */
	for (uint32_t i = 0; i < image->mappings_read; i++) {
		struct module module;

		if (image->mappings[i].protection & RF_PROTECTION_READ &&
		    read_module(core, image->mappings[i].start, &module) &&
		    look_up(core, &module, name, address))
			return true;
	}
	return find_in_program(core, name, address);
}

/* -- rseq -------------------------------------------------------------------------------------- */

static bool is_writable(const struct core *core, uint64_t address, uint64_t bytes)
{
	const struct rf_image *image = &core->source->image;
	size_t mapping = rf_image_find_mapping(image, address, address + bytes);

	return mapping != SIZE_MAX && image->mappings[mapping].protection & RF_PROTECTION_WRITE;
}

/* The kernel keeps the number of the processor there while the thread is registered, else glibc has
 * a negative one.  Source: Linux, include/uapi/linux/rseq.h. */
static bool take_rseq(struct core *core, struct rf_image_thread *thread, int64_t offset,
		      uint32_t bytes)
{
	uint64_t address = thread->registers.fs_base + (uint64_t)offset;
	uint32_t processor;

	if (address % 8 || !is_writable(core, address, bytes) ||
	    !core_read(core, address + 4, &processor, sizeof(processor)) ||
	    processor >= MAX_PROCESSOR)
		return false;
	thread->rseq_address = address;
	thread->rseq_bytes = bytes;
	thread->rseq_signature = RSEQ_SIGNATURE;
	return true;
}

static int take_all_rseq(struct core *core)
{
	struct rf_image *image = &core->source->image;
	uint64_t variable;
	int64_t offset = 0;
	uint32_t bytes = 0, tid = 0;
	size_t lost = 0;
	bool is_known = core_find_symbol(core, "__rseq_offset", &variable) &&
			core_read(core, variable, &offset, sizeof(offset)) &&
			offset > -MAX_RSEQ_DISTANCE && offset < MAX_RSEQ_DISTANCE &&
			core_find_symbol(core, "__rseq_size", &variable) &&
			core_read(core, variable, &bytes, sizeof(bytes)) && bytes < THREAD_BYTES;

	if (is_known && !bytes)
		return 0; /* glibc was told not to use it */
	/* what glibc registers has always been at least that long */
	if (bytes < RSEQ_BYTES)
		bytes = RSEQ_BYTES;
	for (uint32_t i = 0; i < image->threads_read; i++) {
		struct rf_image_thread *thread = &image->threads[i].image;

		if ((!is_known || !take_rseq(core, thread, offset, bytes)) && lost++ == 0)
			tid = thread->tid;
	}
	return core_lose_of_threads(core, lost, tid, "where it looks up its processor (rseq)");
}

/* -- the thread's id and robust mutexes -------------------------------------------------------- */

/* In a list head that glibc has made, the distance is the same for all mutexes; -1 = none. */
static long find_robust_list(const unsigned char *memory, size_t tid)
{
	for (size_t at = (tid + 7) & ~(size_t)7; at < tid + ROBUST_DISTANCE; at += 8) {
		uint64_t head[3];

		if (at + sizeof(head) > THREAD_BYTES)
			return -1;
		memcpy(head, memory + at, sizeof(head));
		if ((int64_t)head[1] == ROBUST_OFFSET && head[0])
			return (long)at;
	}
	return -1;
}

/* The id in its thread's memory that is followed by such a list head. */
static bool take_ids(struct core *core, struct rf_image_thread *thread)
{
	uint64_t base = thread->registers.fs_base;
	unsigned char memory[THREAD_BYTES] = { 0 };
	ssize_t got = rf_source_read(core->source, base, memory, sizeof(memory));

	for (ssize_t at = 0; base % 8 == 0 && at + 4 <= got; at += 4) {
		uint32_t tid;
		long robust;

		memcpy(&tid, memory + at, sizeof(tid));
		robust = tid == thread->tid ? find_robust_list(memory, (size_t)at) : -1;
		if (robust < 0)
			continue;
		thread->tid_address = base + (uint64_t)at;
		thread->robust_list = base + (uint64_t)robust;
		thread->robust_list_bytes = ROBUST_BYTES;
		return true;
	}
	return false;
}

int core_take_libc(struct core *core)
{
	struct rf_image *image = &core->source->image;
	int error = take_all_rseq(core);
	uint32_t tid = 0;
	size_t lost = 0;

	for (uint32_t i = 0; i < image->threads_read && error == 0; i++) {
		struct rf_image_thread *thread = &image->threads[i].image;

		if (!take_ids(core, thread) && lost++ == 0)
			tid = thread->tid;
	}
	if (error < 0)
		return error;
	return core_lose_of_threads(core, lost, tid,
				    "where its id is kept and which robust mutexes it holds");
}
