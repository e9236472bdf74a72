/* SPDX-License-Identifier: MIT */
/*
 * A core that only names its memory.  Each mapping is a PT_LOAD without bytes in the file; a
 * debugger looks for them in the files that NT_FILE names, and takes what is in none for zero.
 * That order is gdb's (gdb/corelow.c); the format is the kernel's (Linux, fs/binfmt_elf.c).
 */
#define _GNU_SOURCE
#include "tools/core_writer.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rfork/io.h"
#include "tools/core_files.h"
#include "tools/core_notes.h"
#include "tools/vdso_code.h"

struct core {
	struct rf_source *source;
	struct rf_vdso_code vdso;
	char *notes;
	size_t note_bytes;
	Elf64_Phdr *segments; /* the notes, the vdso, then the mappings */
	size_t segment_count;
};

/* -- the parts -------------------------------------------------------------------------------- */

static int make_notes(struct core *core, rf_core_missing missing, void *context,
		      struct rf_report *report)
{
	struct rf_core_files files;
	FILE *out = NULL;
	int error = rf_core_files_collect(&files, core->source, missing, context, report);

	if (error == 0)
		out = open_memstream(&core->notes, &core->note_bytes);
	if (out) {
		rf_core_notes(out, core->source, files.entries, files.count);
		if (ferror(out) | fclose(out))
			error = -ENOMEM;
	} else if (error == 0) {
		error = -ENOMEM;
	}
	rf_core_files_release(&files);
	return error < 0 ? rf_report(report, -error, "%s: %m", core->source->path) : 0;
}

static Elf64_Phdr load(uint64_t start, uint64_t end, uint32_t protection)
{
	return (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = (protection & RF_PROTECTION_READ ? PF_R : 0) |
			   (protection & RF_PROTECTION_WRITE ? PF_W : 0) |
			   (protection & RF_PROTECTION_EXECUTE ? PF_X : 0),
		.p_vaddr = start,
		.p_memsz = end - start,
		.p_align = 1,
	};
}

/* The table, with a section header behind it where the count is too large for the ELF header. */
static uint64_t table_bytes(const struct core *core)
{
	return core->segment_count * sizeof(Elf64_Phdr) +
	       (core->segment_count >= PN_XNUM ? sizeof(Elf64_Shdr) : 0);
}

/* Offsets: of a segment without bytes the end of the file, as the kernel has it. */
static void place_segments(struct core *core)
{
	const uint64_t notes = sizeof(Elf64_Ehdr) + table_bytes(core);

	core->segments[0] = (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = notes,
		.p_filesz = core->note_bytes,
		.p_align = 4,
	};
	for (size_t i = 1; i < core->segment_count; i++)
		core->segments[i].p_offset = notes + core->note_bytes + core->vdso.bytes;
	if (core->vdso.bytes) {
		core->segments[1].p_offset = notes + core->note_bytes;
		core->segments[1].p_filesz = core->vdso.bytes;
	}
}

static int make_segments(struct core *core)
{
	const struct rf_image *image = &core->source->image;
	size_t count = 1;

	core->segments = calloc(image->head.mappings + 2, sizeof(*core->segments));
	if (!core->segments)
		return -ENOMEM;
	/* the code of a vdso that nobody knows is better not there than zero */
	if (core->vdso.bytes)
		core->segments[count++] = load(core->vdso.address,
					       core->vdso.address + core->vdso.bytes,
					       RF_PROTECTION_READ | RF_PROTECTION_EXECUTE);
	for (uint32_t i = 0; i < image->head.mappings; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];

		core->segments[count++] = load(mapping->start, mapping->end, mapping->protection);
	}
	core->segment_count = count;
	place_segments(core);
	return 0;
}

static Elf64_Ehdr make_header(const struct core *core)
{
	bool is_long = core->segment_count >= PN_XNUM;

	return (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_shoff = is_long ? sizeof(Elf64_Ehdr) + core->segment_count * sizeof(Elf64_Phdr)
				   : 0,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = is_long ? PN_XNUM : (Elf64_Half)core->segment_count,
		.e_shentsize = is_long ? sizeof(Elf64_Shdr) : 0,
		.e_shnum = is_long ? 1 : 0,
	};
}

/* -- the file --------------------------------------------------------------------------------- */

static int write_core(const struct core *core, int fd)
{
	Elf64_Ehdr header = make_header(core);
	Elf64_Shdr count = { .sh_size = 1, .sh_info = (Elf64_Word)core->segment_count };
	struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ core->segments, core->segment_count * sizeof(*core->segments) },
		{ &count, header.e_shnum * sizeof(count) },
		{ core->notes, core->note_bytes },
		{ (void *)core->vdso.code, core->vdso.bytes },
	};
	int error = rf_io_writev_full(fd, parts, (int)(sizeof(parts) / sizeof(parts[0])),
				      RF_NO_DEADLINE);

	if (error == 0 && fsync(fd) < 0)
		error = -errno;
	return error;
}

/* The old file stays until the new one is whole. */
static int replace_file(const struct core *core, const char *path)
{
	char *temporary;
	int error = 0;
	int fd;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		goto out_name;
	}
	error = write_core(core, fd);
	close(fd);
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error < 0)
		unlink(temporary);
out_name:
	free(temporary);
	return error;
}

int rf_core_write(struct rf_source *source, const char *path, rf_core_missing missing,
		  void *context, struct rf_report *report)
{
	struct core core = { .source = source };
	int error = rf_vdso_code_find(&core.vdso, source);

	if (error == 0)
		error = make_notes(&core, missing, context, report);
	if (error == 0)
		error = make_segments(&core);
	if (error == 0)
		error = replace_file(&core, path);
	free(core.segments);
	free(core.notes);
	rf_vdso_code_release(&core.vdso);
	return error < 0 ? rf_report(report, -error, "%s: %m", path) : 0;
}
