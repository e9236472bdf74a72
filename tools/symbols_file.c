/* SPDX-License-Identifier: MIT */
/*
 * Symbols from files: that which the process had mapped, and its debug file, wherever Debian and
 * others put them: by build-id, or by the debug link.  A file counts only if it is provably the
 * image's: by its build-id, by the link's CRC, or unchanged.  Called by symbols.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rfork/io.h"
#include "tools/symbols.h"

#define DEBUG_FOLDER "/usr/lib/debug"

struct file {
	int fd;
	Elf *elf;
};

/* -- opening ---------------------------------------------------------------------------------- */

static void close_file(struct file *file)
{
	elf_end(file->elf);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct file){ .fd = -1 };
}

static bool open_file(struct file *file, const char *path)
{
	*file = (struct file){ .fd = -1 };
	if (elf_version(EV_CURRENT) == EV_NONE)
		return false;
	file->fd = rf_io_above_stdio(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
	if (file->fd < 0)
		return false;
	file->elf = elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
	if (file->elf && elf_kind(file->elf) == ELF_K_ELF && gelf_getclass(file->elf) == ELFCLASS64)
		return true;
	close_file(file);
	return false;
}

/* The next section of a type, after `section`; NULL = none. */
static Elf_Scn *next_section(Elf *elf, Elf_Scn *section, uint32_t type, GElf_Shdr *header)
{
	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, header) && header->sh_type == type)
			return section;
	return NULL;
}

static bool holds_build_id(Elf_Data *data, const struct rf_object *object)
{
	size_t next = 0, name, description;
	GElf_Nhdr note;

	while ((next = gelf_getnote(data, next, &note, &name, &description)) > 0) {
		const char *bytes = data->d_buf;

		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(bytes + name, "GNU", 4) == 0)
			return note.n_descsz == object->build_id_bytes &&
			       memcmp(bytes + description, object->build_id, note.n_descsz) == 0;
	}
	return false;
}

static bool has_build_id(Elf *elf, const struct rf_object *object)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = next_section(elf, section, SHT_NOTE, &header))) {
		Elf_Data *data = elf_getdata(section, NULL);

		if (data && data->d_type == ELF_T_NHDR && holds_build_id(data, object))
			return true;
	}
	return false;
}

/* Without a build-id. */
static bool is_unchanged(struct rf_source *source, const struct rf_object *object)
{
	return !object->own_name &&
	       source->image.mappings[object->mapping].kind != RF_MAPPING_ANONYMOUS &&
	       rf_source_open_file(source, object->mapping) >= 0;
}

/* The file that the process had mapped, if it still is. */
static bool open_mapped(struct file *file, struct rf_objects *objects,
			const struct rf_object *object)
{
	struct rf_source *source = objects->memory->source;

	if (*object->name != '/' || !open_file(file, object->name))
		return false;
	if (object->build_id_bytes ? has_build_id(file->elf, object) : is_unchanged(source, object))
		return true;
	close_file(file);
	return false;
}

/* -- symbols ---------------------------------------------------------------------------------- */

/* Symbols without a type may be anything but code. */
static bool is_in_code(Elf *elf, const GElf_Sym *symbol)
{
	Elf_Scn *section;
	GElf_Shdr header;

	if (GELF_ST_TYPE(symbol->st_info) != STT_NOTYPE)
		return true;
	section = elf_getscn(elf, symbol->st_shndx);
	return section && gelf_getshdr(section, &header) && header.sh_flags & SHF_EXECINSTR;
}

/* How many there are, or -ENOMEM. */
static int add_table(struct rf_symbols *symbols, Elf *elf, uint32_t type, uint64_t bias)
{
	GElf_Shdr header;
	Elf_Scn *section = next_section(elf, NULL, type, &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	size_t count = data ? data->d_size / sizeof(Elf64_Sym) : 0;

	for (size_t i = 0; i < count && i < INT32_MAX; i++) {
		GElf_Sym symbol;
		const char *name;

		if (!gelf_getsym(data, (int)i, &symbol) || !is_in_code(elf, &symbol))
			continue;
		name = elf_strptr(elf, header.sh_link, symbol.st_name);
		if (name && rf_symbols_add(symbols, &symbol, bias, name) < 0)
			return -ENOMEM;
	}
	return count < INT32_MAX ? (int)count : INT32_MAX;
}

/* -- debug files ------------------------------------------------------------------------------ */

static bool open_by_build_id(struct file *file, const struct rf_object *object)
{
	char path[sizeof(DEBUG_FOLDER "/.build-id/") + 2 * RF_OBJECT_MAX_BUILD_ID +
		  sizeof("/.debug")];
	int used = sprintf(path, DEBUG_FOLDER "/.build-id/");

	if (object->build_id_bytes < 2)
		return false;
	for (size_t i = 0; i < object->build_id_bytes; i++)
		used += sprintf(path + used, "%02x%s", object->build_id[i], i == 0 ? "/" : "");
	strcpy(path + used, ".debug");
	if (!open_file(file, path))
		return false;
	if (has_build_id(file->elf, object))
		return true;
	close_file(file);
	return false;
}

/* The CRC of debug links: that of zip files. */
static uint32_t crc32_of(const unsigned char *data, size_t bytes)
{
	uint32_t table[256];
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
	}
	for (size_t i = 0; i < bytes; i++)
		crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
	return ~crc;
}

static bool open_with_crc(struct file *file, const char *path, uint32_t crc)
{
	size_t bytes;
	const char *data;

	if (!open_file(file, path))
		return false;
	data = elf_rawfile(file->elf, &bytes);
	if (data && crc32_of((const unsigned char *)data, bytes) == crc)
		return true;
	close_file(file);
	return false;
}

/* A section .gnu_debuglink: a name, padded to four bytes, and a CRC. */
static const char *find_link(Elf *elf, uint32_t *crc)
{
	Elf_Scn *section = NULL;
	size_t strings;
	GElf_Shdr header;

	if (elf_getshdrstrndx(elf, &strings) < 0)
		return NULL;
	while ((section = next_section(elf, section, SHT_PROGBITS, &header))) {
		const char *name = elf_strptr(elf, strings, header.sh_name);
		Elf_Data *data;
		size_t bytes;

		if (!name || strcmp(name, ".gnu_debuglink") != 0)
			continue;
		data = elf_rawdata(section, NULL);
		if (!data || !data->d_buf || data->d_size < 8)
			return NULL;
		bytes = strnlen(data->d_buf, data->d_size);
		if (((bytes + 4) & ~(size_t)3) + sizeof(*crc) > data->d_size)
			return NULL;
		memcpy(crc, (const char *)data->d_buf + ((bytes + 4) & ~(size_t)3), sizeof(*crc));
		return data->d_buf;
	}
	return NULL;
}

static bool open_by_link(struct file *file, Elf *mapped, const char *path)
{
	static const char *const forms[] = { "%.*s/%s", "%.*s/.debug/%s", DEBUG_FOLDER "%.*s/%s" };
	const char *slash = strrchr(path, '/');
	uint32_t crc;
	const char *link = find_link(mapped, &crc);
	bool found = false;

	if (!link || !slash || strchr(link, '/'))
		return false;
	for (size_t i = 0; !found && i < sizeof(forms) / sizeof(forms[0]); i++) {
		char *name;

		if (asprintf(&name, forms[i], (int)(slash - path), path, link) < 0)
			return false;
		found = open_with_crc(file, name, crc);
		free(name);
	}
	return found;
}

/* -- together --------------------------------------------------------------------------------- */

/* The symbols of a debug file are more than those of the file without them. */
static int add_debug(struct rf_symbols *symbols, Elf *mapped, const struct rf_object *object)
{
	struct file debug;
	int found;

	if (!open_by_build_id(&debug, object) &&
	    !(mapped && open_by_link(&debug, mapped, object->name)))
		return 0;
	found = add_table(symbols, debug.elf, SHT_SYMTAB, object->bias);
	close_file(&debug);
	return found;
}

int rf_symbols_add_files(struct rf_symbols *symbols, struct rf_objects *objects,
			 const struct rf_object *object)
{
	struct file mapped;
	bool is_open = open_mapped(&mapped, objects, object);
	int found = is_open ? add_table(symbols, mapped.elf, SHT_SYMTAB, object->bias) : 0;

	if (found == 0)
		found = add_debug(symbols, is_open ? mapped.elf : NULL, object);
	if (found == 0 && is_open)
		found = add_table(symbols, mapped.elf, SHT_DYNSYM, object->bias);
	if (is_open)
		close_file(&mapped);
	return found;
}
