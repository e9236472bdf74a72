/* SPDX-License-Identifier: MIT */
/*
 * Program headers and notes of a core, by libelf.  Every number is checked before it is used,
 * nothing is understood yet.  Source of the notes: Linux, fs/binfmt_elf.c; gdb, gdb/linux-tdep.c.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "tools/core_reader_parts.h"

#define MAX_HEADERS (RF_IMAGE_MAX_MAPPINGS + 16u)
#define MAX_NOTE_BYTES (UINT64_C(128) << 20) /* 4096 threads with AMX have 48 MiB */
#define KERNEL_ADDRESS (UINT64_C(1) << 63)
#ifndef NT_X86_XSAVE_LAYOUT
#define NT_X86_XSAVE_LAYOUT 0x205 /* Linux 6.12 */
#endif
#define NT_GDB_TDESC 0xff000000u

static int check_kind(struct core *core)
{
	const char *ident;
	GElf_Ehdr header;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return core_report(core, ENOTSUP, "libelf: %s", elf_errmsg(-1));
	core->elf = elf_begin(core->fd, ELF_C_READ, NULL);
	if (!core->elf || elf_kind(core->elf) != ELF_K_ELF)
		return core_report(core, ENOEXEC, "offset 0: not an ELF file");
	ident = elf_getident(core->elf, NULL);
	if (!ident || ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB)
		return core_report(core, ENOEXEC, "offset %d: not a core of x86_64", EI_CLASS);
	if (!gelf_getehdr(core->elf, &header) || header.e_machine != EM_X86_64)
		return core_report(core, ENOEXEC, "offset %zu: not a core of x86_64",
				   offsetof(Elf64_Ehdr, e_machine));
	if (header.e_type != ET_CORE)
		return core_report(core, ENOEXEC, "offset %zu: not a core",
				   offsetof(Elf64_Ehdr, e_type));
	return 0;
}

/* -- program headers ------------------------------------------------------------------------ */

static uint32_t protection_of(uint32_t flags)
{
	return (flags & PF_R ? RF_PROTECTION_READ : 0) | (flags & PF_W ? RF_PROTECTION_WRITE : 0) |
	       (flags & PF_X ? RF_PROTECTION_EXECUTE : 0);
}

/* What the file has from an offset on is whole. */
static int check_extent(struct core *core, const char *what, uint64_t address, uint64_t offset,
			uint64_t bytes)
{
	if (bytes && (offset > core->bytes || bytes > core->bytes - offset))
		return core_report(core, EBADMSG,
				   "offset %lu: it is cut off: %s%lx needs %lu bytes from %lu on",
				   (unsigned long)core->bytes, what, (unsigned long)address,
				   (unsigned long)bytes, (unsigned long)offset);
	return 0;
}

static int take_load(struct core *core, const GElf_Phdr *header, size_t index)
{
	uint64_t last = core->load_count ? core->loads[core->load_count - 1].end : 0;
	uint64_t end;
	int error = check_extent(core, "memory at ", header->p_vaddr, header->p_offset,
				 header->p_filesz);

	if (error < 0)
		return error;
	if (header->p_vaddr >= KERNEL_ADDRESS || !header->p_memsz)
		return 0; /* vsyscall is the kernel's own */
	if (__builtin_add_overflow(header->p_vaddr, header->p_memsz, &end) ||
	    header->p_vaddr < core->here.min_address || end > core->here.max_address)
		return core_report(core, EBADMSG,
				   "program header %zu: %lx is no address of a process", index,
				   (unsigned long)header->p_vaddr);
	if ((header->p_vaddr | header->p_memsz | header->p_filesz) % CORE_PAGE_BYTES ||
	    header->p_filesz > header->p_memsz || header->p_vaddr < last)
		return core_report(
			core, EBADMSG,
			"program header %zu: the memory at %lx is not whole pages, or out of order",
			index, (unsigned long)header->p_vaddr);
	core->loads[core->load_count++] = (struct core_load){
		.start = header->p_vaddr,
		.end = end,
		.held = header->p_vaddr + header->p_filesz,
		.offset = header->p_offset,
		.protection = protection_of(header->p_flags),
	};
	return 0;
}

static int get_header(struct core *core, size_t index, GElf_Phdr *header)
{
	if (gelf_getphdr(core->elf, (int)index, header))
		return 0;
	return core_report(core, EBADMSG, "program header %zu: it cannot be read: %s", index,
			   elf_errmsg(-1));
}

int core_take_headers(struct core *core)
{
	size_t count;
	int error = check_kind(core);

	if (error < 0)
		return error;
	if (elf_getphdrnum(core->elf, &count) < 0 || !count)
		return core_report(core, EBADMSG, "it has no program headers");
	if (count > MAX_HEADERS)
		return core_report(core, EBADMSG, "it has %zu program headers, more than %u", count,
				   MAX_HEADERS);
	core->loads = calloc(count, sizeof(*core->loads));
	if (!core->loads)
		return core_no_memory(core);
	for (size_t i = 0; i < count && error == 0; i++) {
		GElf_Phdr header;

		error = get_header(core, i, &header);
		if (error == 0 && header.p_type == PT_LOAD)
			error = take_load(core, &header, i);
	}
	if (error == 0 && !core->load_count)
		return core_report(core, EBADMSG, "it holds no memory");
	return error;
}

/* -- notes ----------------------------------------------------------------------------------- */

static struct core_thread *last_thread(struct core *core)
{
	return core->thread_count ? &core->threads[core->thread_count - 1] : NULL;
}

static int take_thread(struct core *core, const unsigned char *note, size_t bytes)
{
	struct core_thread *threads;

	if (bytes != sizeof(threads->status))
		return core_report(core, EBADMSG, "a note of registers has %zu bytes, not %zu",
				   bytes, sizeof(threads->status));
	if (core->thread_count == RF_IMAGE_MAX_THREADS)
		return core_report(core, ENOTSUP, "it has more than %u threads",
				   RF_IMAGE_MAX_THREADS);
	threads = reallocarray(core->threads, core->thread_count + 1, sizeof(*threads));
	if (!threads)
		return core_no_memory(core);
	core->threads = threads;
	threads += core->thread_count++;
	*threads = (struct core_thread){ 0 };
	memcpy(&threads->status, note, bytes);
	return 0;
}

/* State of the thread whose registers came last. */
static int take_state(struct core *core, uint32_t type, const unsigned char *note, size_t bytes)
{
	struct core_thread *thread = last_thread(core);

	if (!thread)
		return core_report(core, EBADMSG, "a note of a thread comes before its registers");
	if (type == NT_X86_XSTATE) {
		thread->xsave = note;
		thread->xsave_bytes = bytes;
		return 0;
	}
	if (bytes != CORE_FPREGS_BYTES)
		return core_report(core, EBADMSG,
				   "a note of floating point registers has %zu bytes", bytes);
	thread->fpregs = note;
	return 0;
}

static uint64_t take_word(const unsigned char *note, size_t index)
{
	uint64_t word;

	memcpy(&word, note + index * sizeof(word), sizeof(word));
	return word;
}

/* One entry of NT_FILE; `page` is the unit of its offset: gdb has 1 there. */
static int take_mapped(struct core *core, const unsigned char *entry, uint64_t page,
		       const char *path)
{
	struct core_mapped *mapped = &core->mapped[core->mapped_count];
	uint64_t last = core->mapped_count ? mapped[-1].end : core->here.min_address;

	*mapped = (struct core_mapped){ .start = take_word(entry, 0),
					.end = take_word(entry, 1),
					.path = path,
					.file = RF_IMAGE_NONE };
	if (__builtin_mul_overflow(take_word(entry, 2), page, &mapped->offset) ||
	    mapped->start < last || mapped->end <= mapped->start ||
	    mapped->end > core->here.max_address ||
	    (mapped->start | mapped->end | mapped->offset) % CORE_PAGE_BYTES ||
	    mapped->offset > INT64_MAX - (mapped->end - mapped->start))
		return core_report(core, EBADMSG, "the list of mapped files is corrupt at %lx",
				   (unsigned long)mapped->start);
	core->mapped_count++;
	return 0;
}

static int take_files(struct core *core, const unsigned char *note, size_t bytes)
{
	const unsigned char *entry = note + 16;
	const char *path, *end = (const char *)note + bytes;
	uint64_t count, page;
	int error = 0;

	if (core->mapped || bytes < 16)
		return core_report(core, EBADMSG, "the list of mapped files is corrupt");
	count = take_word(note, 0);
	page = take_word(note, 1);
	if (count > RF_IMAGE_MAX_MAPPINGS || count > (bytes - 16) / 24)
		return core_report(core, EBADMSG, "the list of mapped files is cut off");
	core->mapped = calloc(count + 1, sizeof(*core->mapped));
	if (!core->mapped)
		return core_no_memory(core);
	path = (const char *)entry + count * 24;
	for (uint64_t i = 0; i < count && error == 0; i++, entry += 24) {
		size_t length = strnlen(path, (size_t)(end - path));

		if (path + length == end)
			return core_report(core, EBADMSG, "the list of mapped files is cut off");
		error = take_mapped(core, entry, page, path);
		path += length + 1;
	}
	return error;
}

static int take_auxv(struct core *core, const unsigned char *note, size_t bytes)
{
	if (bytes > RF_IMAGE_MAX_AUXV_BYTES || bytes % sizeof(Elf64_auxv_t))
		return core_report(core, EBADMSG, "the auxiliary vector has %zu bytes", bytes);
	core->auxv = note;
	core->auxv_bytes = bytes;
	return 0;
}

static int take_kernel_note(struct core *core, uint32_t type, const unsigned char *note,
			    size_t bytes)
{
	switch (type) {
	case NT_PRSTATUS:
		return take_thread(core, note, bytes);
	case NT_FPREGSET:
		return take_state(core, type, note, bytes);
	case NT_AUXV:
		return take_auxv(core, note, bytes);
	case NT_FILE:
		return take_files(core, note, bytes);
	case NT_PRPSINFO:
		if (bytes != sizeof(core->process))
			return core_report(core, EBADMSG, "the note of the process has %zu bytes",
					   bytes);
		memcpy(&core->process, note, bytes);
		core->has_process = true;
		return 0;
	case NT_SIGINFO:
		/* gdb writes one for each thread; the first is that of the signal */
		if (bytes != sizeof(core->signal))
			return core_report(core, EBADMSG, "the note of the signal has %zu bytes",
					   bytes);
		if (!core->has_signal)
			memcpy(&core->signal, note, bytes);
		core->has_signal = true;
		return 0;
	}
	return 0;
}

static int take_note(struct core *core, const char *name, uint32_t type, const unsigned char *note,
		     size_t bytes)
{
	if (strcmp(name, "CORE") == 0)
		return take_kernel_note(core, type, note, bytes);
	if (strcmp(name, "LINUX") == 0 && type == NT_X86_XSTATE)
		return take_state(core, type, note, bytes);
	if (strcmp(name, "LINUX") == 0 && type == NT_X86_XSAVE_LAYOUT) {
		core->table = note;
		core->table_bytes = bytes;
	}
	if (strcmp(name, "GDB") == 0 && type == NT_GDB_TDESC)
		core->is_by_gdb = true;
	return 0;
}

static int take_note_segment(struct core *core, const GElf_Phdr *header)
{
	size_t offset = 0, next, name, note;
	Elf_Data *data;
	GElf_Nhdr head;
	int error = check_extent(core, "the notes at ", header->p_offset, header->p_offset,
				 header->p_filesz);

	if (error < 0 || !header->p_filesz)
		return error;
	if (header->p_filesz > MAX_NOTE_BYTES)
		return core_report(core, EBADMSG, "offset %lu: the notes have %lu bytes",
				   (unsigned long)header->p_offset,
				   (unsigned long)header->p_filesz);
	data = elf_getdata_rawchunk(core->elf, (int64_t)header->p_offset, header->p_filesz,
				    ELF_T_NHDR);
	if (!data)
		return core_report(core, EBADMSG, "offset %lu: the notes cannot be read: %s",
				   (unsigned long)header->p_offset, elf_errmsg(-1));
	while (error == 0 && (next = gelf_getnote(data, offset, &head, &name, &note)) > 0) {
		const char *bytes = data->d_buf;

		if (head.n_namesz && bytes[name + head.n_namesz - 1] == '\0')
			error = take_note(core, bytes + name, head.n_type,
					  (const unsigned char *)bytes + note, head.n_descsz);
		offset = next;
	}
	if (error == 0 && offset + sizeof(Elf64_Nhdr) <= data->d_size)
		return core_report(core, EBADMSG, "offset %lu: a note is cut off",
				   (unsigned long)(header->p_offset + offset));
	return error;
}

int core_take_notes(struct core *core)
{
	size_t count;
	int error = 0;

	if (elf_getphdrnum(core->elf, &count) < 0)
		return core_report(core, EBADMSG, "libelf: %s", elf_errmsg(-1));
	for (size_t i = 0; i < count && error == 0; i++) {
		GElf_Phdr header;

		error = get_header(core, i, &header);
		if (error == 0 && header.p_type == PT_NOTE)
			error = take_note_segment(core, &header);
	}
	if (error < 0)
		return error;
	if (!core->thread_count)
		return core_report(core, EBADMSG, "it has no thread");
	if (!core->auxv)
		return core_report(core, EBADMSG, "it has no auxiliary vector");
	if (!core->has_process)
		core->process.pr_pid = core->threads[0].status.pr_pid;
	return 0;
}
