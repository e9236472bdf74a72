/* SPDX-License-Identifier: MIT */
/*
 * Makes the small cores of test_core_reader.c, byte by byte: libelf, which reads them, has no part
 * in it.
 */
#define _GNU_SOURCE
#include "tests/unit/core_sample.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NT_GDB_TDESC 0xff000000u
#define NT_XSAVE_LAYOUT 0x205u
#define TCB_TID 0xd0u
#define ROBUST_OFFSET INT64_C(-32)

struct buffer {
	unsigned char *bytes;
	size_t used, capacity;
};

static void append(struct buffer *buffer, const void *bytes, size_t count)
{
	while (buffer->used + count > buffer->capacity) {
		buffer->capacity = buffer->capacity ? buffer->capacity * 2 : 65536;
		buffer->bytes = realloc(buffer->bytes, buffer->capacity);
		ck_assert_ptr_nonnull(buffer->bytes);
	}
	if (bytes)
		memcpy(buffer->bytes + buffer->used, bytes, count);
	else
		memset(buffer->bytes + buffer->used, 0, count);
	buffer->used += count;
}

static void append_note(struct buffer *buffer, const char *name, uint32_t type, const void *bytes,
			size_t count)
{
	const Elf64_Nhdr head = { (uint32_t)strlen(name) + 1, (uint32_t)count, type };

	append(buffer, &head, sizeof(head));
	append(buffer, name, head.n_namesz);
	append(buffer, NULL, -head.n_namesz & 3);
	append(buffer, bytes, count);
	append(buffer, NULL, -count & 3);
}

/* -- the process ------------------------------------------------------------------------------- */

struct sample_load *core_sample_add(struct core_sample *sample, uint64_t start, uint64_t pages,
				    uint64_t held_pages, uint32_t flags)
{
	struct sample_load *load = &sample->loads[sample->load_count++];

	ck_assert_uint_le(sample->load_count, SAMPLE_MAX_LOADS);
	*load = (struct sample_load){ start, pages, held_pages, flags,
				      calloc(held_pages + 1, SAMPLE_PAGE) };
	return load;
}

void *core_sample_at(struct core_sample *sample, uint64_t address)
{
	for (size_t i = 0; i < sample->load_count; i++) {
		struct sample_load *load = &sample->loads[i];

		if (load->start <= address &&
		    address < load->start + load->held_pages * SAMPLE_PAGE)
			return load->bytes + (address - load->start);
	}
	return NULL;
}

struct elf_prstatus *core_sample_add_thread(struct core_sample *sample, int tid, bool is_proven)
{
	size_t index = sample->thread_count++;
	struct elf_prstatus *thread = &sample->threads[index];
	uint64_t tcb = SAMPLE_TCB + index * 1024;
	const uint64_t robust[3] = { tcb + TCB_TID + 16, (uint64_t)ROBUST_OFFSET, 0 };

	*thread = (struct elf_prstatus){ .pr_pid = tid };
	thread->pr_reg[15] = UINT64_MAX;		   /* orig_rax */
	thread->pr_reg[16] = SAMPLE_PROGRAM + SAMPLE_PAGE; /* rip */
	thread->pr_reg[17] = 0x33;			   /* cs */
	thread->pr_reg[18] = 0x10246;			   /* eflags, with RF as after a fault */
	thread->pr_reg[19] = SAMPLE_STACK + SAMPLE_PAGE;   /* rsp */
	thread->pr_reg[20] = 0x2b;			   /* ss */
	thread->pr_reg[21] = tcb;			   /* fs_base */
	if (is_proven) {
		memcpy(core_sample_at(sample, tcb + TCB_TID), &tid, sizeof(tid));
		memcpy(core_sample_at(sample, tcb + TCB_TID + 16), robust, sizeof(robust));
	}
	return thread;
}

/* The program's headers, at the beginning of its memory. */
static void make_program(struct core_sample *sample)
{
	const Elf64_Ehdr elf = { .e_ident = ELFMAG,
				 .e_phoff = sizeof(elf),
				 .e_phentsize = sizeof(Elf64_Phdr),
				 .e_phnum = 2 };
	const Elf64_Phdr headers[2] = {
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_X,
		  .p_vaddr = SAMPLE_PROGRAM,
		  .p_filesz = 2 * SAMPLE_PAGE,
		  .p_memsz = 2 * SAMPLE_PAGE },
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_W,
		  .p_offset = 2 * SAMPLE_PAGE,
		  .p_vaddr = SAMPLE_PROGRAM + 2 * SAMPLE_PAGE,
		  .p_filesz = 100,
		  .p_memsz = 200 },
	};
	unsigned char *start = core_sample_at(sample, SAMPLE_PROGRAM);

	memcpy(start, &elf, sizeof(elf));
	memcpy(start + sizeof(elf), headers, sizeof(headers));
}

/* argc, argv, environment, auxiliary vector and strings in the last page of the stack, as the
 * kernel does. */
static void make_stack(struct core_sample *sample)
{
	static const char strings[] = "prog\0two\0PWD=/tmp\0A=b\0/bin/prog";
	const uint64_t top = SAMPLE_STACK + SAMPLE_STACK_PAGES * SAMPLE_PAGE;
	const uint64_t text = top - 64, vector = top - SAMPLE_PAGE;
	const uint64_t words[] = { 2, text, text + 5, 0, text + 9, text + 18, 0 };

	memcpy(core_sample_at(sample, text), strings, sizeof(strings));
	memcpy(core_sample_at(sample, vector), words, sizeof(words));
	sample->auxv[0] = (Elf64_auxv_t){ AT_PAGESZ, { SAMPLE_PAGE } };
	sample->auxv[1] = (Elf64_auxv_t){ AT_PHDR, { SAMPLE_PROGRAM + sizeof(Elf64_Ehdr) } };
	sample->auxv[2] = (Elf64_auxv_t){ AT_PHENT, { sizeof(Elf64_Phdr) } };
	sample->auxv[3] = (Elf64_auxv_t){ AT_PHNUM, { 2 } };
	sample->auxv[4] = (Elf64_auxv_t){ AT_RANDOM, { text - 16 } };
	sample->auxv[5] = (Elf64_auxv_t){ AT_EXECFN, { text + 22 } };
	sample->auxv_count = 7; /* the last is AT_NULL */
	memcpy(core_sample_at(sample, vector + sizeof(words)), sample->auxv,
	       sample->auxv_count * sizeof(Elf64_auxv_t));
}

void core_sample_init(struct core_sample *sample)
{
	*sample = (struct core_sample){
		.header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_CORE,
			    .e_machine = EM_X86_64,
			    .e_version = EV_CURRENT,
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr) },
	};
	core_sample_add(sample, SAMPLE_PROGRAM, 2, 2, PF_R | PF_X);
	core_sample_add(sample, SAMPLE_PROGRAM + 2 * SAMPLE_PAGE, 1, 1, PF_R | PF_W);
	core_sample_add(sample, SAMPLE_HEAP, 2, 2, PF_R | PF_W);
	core_sample_add(sample, SAMPLE_STACK, SAMPLE_STACK_PAGES, SAMPLE_STACK_PAGES, PF_R | PF_W);
	make_program(sample);
	make_stack(sample);
	core_sample_add_thread(sample, SAMPLE_PID, true);
	sample->fpregs[0] = 0x7f; /* x87 control 0x37f */
	sample->fpregs[1] = 0x03;
	sample->fpregs[24] = 0x80; /* MXCSR 0x1f80 */
	sample->fpregs[25] = 0x1f;
}

void core_sample_release(struct core_sample *sample)
{
	for (size_t i = 0; i < sample->load_count; i++)
		free(sample->loads[i].bytes);
	free(sample->xsave);
	sample->load_count = 0;
	sample->xsave = NULL;
}

/* -- the file ---------------------------------------------------------------------------------- */

static void append_files(struct buffer *notes, const struct core_sample *sample)
{
	struct buffer list = { 0 };
	const uint64_t head[2] = { sample->mapped_count, sample->is_by_gdb ? 1 : SAMPLE_PAGE };

	append(&list, head, sizeof(head));
	for (size_t i = 0; i < sample->mapped_count; i++) {
		const struct sample_mapped *mapped = &sample->mapped[i];
		const uint64_t entry[3] = { mapped->start, mapped->end, mapped->offset / head[1] };

		append(&list, entry, sizeof(entry));
	}
	for (size_t i = 0; i < sample->mapped_count; i++)
		append(&list, sample->mapped[i].path, strlen(sample->mapped[i].path) + 1);
	append_note(notes, "CORE", NT_FILE, list.bytes, list.used);
	free(list.bytes);
}

static void append_notes(struct buffer *notes, const struct core_sample *sample)
{
	const struct elf_prpsinfo process = { .pr_pid = SAMPLE_PID, .pr_fname = "sample" };

	for (size_t i = 0; i < sample->thread_count; i++) {
		append_note(notes, "CORE", NT_PRSTATUS, &sample->threads[i],
			    sizeof(sample->threads[i]));
		if (i == 0) {
			append_note(notes, "CORE", NT_PRPSINFO, &process, sizeof(process));
			append_note(notes, "CORE", NT_SIGINFO, &sample->signal,
				    sizeof(sample->signal));
			append_note(notes, "CORE", NT_AUXV, sample->auxv,
				    sample->auxv_count * sizeof(Elf64_auxv_t));
			if (sample->mapped_count)
				append_files(notes, sample);
		}
		append_note(notes, "CORE", NT_FPREGSET, sample->fpregs, sizeof(sample->fpregs));
		if (sample->xsave_bytes)
			append_note(notes, "LINUX", NT_X86_XSTATE, sample->xsave,
				    sample->xsave_bytes);
	}
	if (sample->table)
		append_note(notes, "LINUX", NT_XSAVE_LAYOUT, sample->table, sample->table_bytes);
	if (sample->is_by_gdb)
		append_note(notes, "GDB", NT_GDB_TDESC, "<target/>", 10);
}

unsigned char *core_sample_make(const struct core_sample *sample, size_t *bytes)
{
	Elf64_Ehdr header = sample->header;
	struct buffer file = { 0 }, notes = { 0 };
	Elf64_Phdr headers[SAMPLE_MAX_LOADS + 1] = { { .p_type = PT_NOTE, .p_align = 4 } };

	header.e_phoff = sizeof(header);
	header.e_phnum = (uint16_t)(sample->load_count + 1);
	append(&file, &header, sizeof(header));
	append(&file, NULL, header.e_phnum * sizeof(headers[0]));
	append_notes(&notes, sample);
	headers[0].p_offset = file.used;
	headers[0].p_filesz = notes.used;
	append(&file, notes.bytes, notes.used);
	append(&file, NULL, -file.used & (SAMPLE_PAGE - 1));
	append(&file, NULL, sample->shift);
	for (size_t i = 0; i < sample->load_count; i++) {
		const struct sample_load *load = &sample->loads[i];

		headers[i + 1] = (Elf64_Phdr){ .p_type = PT_LOAD,
					       .p_flags = load->flags,
					       .p_offset = file.used,
					       .p_vaddr = load->start,
					       .p_filesz = load->held_pages * SAMPLE_PAGE,
					       .p_memsz = load->pages * SAMPLE_PAGE };
		append(&file, load->bytes, load->held_pages * SAMPLE_PAGE);
	}
	memcpy(file.bytes + sizeof(header), headers, header.e_phnum * sizeof(headers[0]));
	free(notes.bytes);
	*bytes = file.used;
	return file.bytes;
}

void core_sample_library(unsigned char page[SAMPLE_PAGE], const char *build_id)
{
	const Elf64_Ehdr elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					      ELFDATA2LSB, EV_CURRENT },
				 .e_type = ET_DYN,
				 .e_machine = EM_X86_64,
				 .e_phoff = sizeof(elf),
				 .e_phentsize = sizeof(Elf64_Phdr),
				 .e_phnum = build_id ? 4 : 3 };
	const Elf64_Nhdr note = { 4, 20, NT_GNU_BUILD_ID };
	const size_t note_offset = 512;
	const Elf64_Phdr headers[4] = {
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R,
		  .p_filesz = SAMPLE_PAGE,
		  .p_memsz = SAMPLE_PAGE },
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_X,
		  .p_offset = SAMPLE_PAGE,
		  .p_vaddr = SAMPLE_PAGE,
		  .p_filesz = SAMPLE_PAGE,
		  .p_memsz = SAMPLE_PAGE },
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_W,
		  .p_offset = 2 * SAMPLE_PAGE,
		  .p_vaddr = 2 * SAMPLE_PAGE,
		  .p_filesz = 100,
		  .p_memsz = 100 },
		{ .p_type = PT_NOTE, .p_offset = note_offset, .p_filesz = sizeof(note) + 4 + 20 },
	};

	memset(page, 0, SAMPLE_PAGE);
	memcpy(page, &elf, sizeof(elf));
	memcpy(page + sizeof(elf), headers, sizeof(headers));
	memcpy(page + note_offset, &note, sizeof(note));
	memcpy(page + note_offset + sizeof(note), "GNU", 4);
	if (build_id)
		memcpy(page + note_offset + sizeof(note) + 4, build_id, 20);
}
