/* SPDX-License-Identifier: MIT */
/*
 * Notes of a core, from a source.  Called by core_writer.c, with a stream in memory.
 */
#define _GNU_SOURCE
#include "tools/core_notes.h"

#include <elf.h>
#include <string.h>
#include <sys/procfs.h>

#include "rfork/arch.h"

#define PAGE_BYTES 4096u
#define NOTE_ALIGNMENT 4u

_Static_assert(sizeof(((struct elf_prstatus *)NULL)->pr_reg) == sizeof(struct rf_image_registers),
	       "both are struct user_regs_struct");

static void pad(FILE *out, size_t bytes)
{
	static const char zeros[NOTE_ALIGNMENT];

	fwrite(zeros, 1, -bytes & (NOTE_ALIGNMENT - 1), out);
}

static void begin_note(FILE *out, const char *name, uint32_t type, size_t bytes)
{
	const Elf64_Nhdr header = {
		.n_namesz = (uint32_t)strlen(name) + 1,
		.n_descsz = (uint32_t)bytes,
		.n_type = type,
	};

	fwrite(&header, sizeof(header), 1, out);
	fwrite(name, 1, header.n_namesz, out);
	pad(out, header.n_namesz);
}

static void write_note(FILE *out, const char *name, uint32_t type, const void *data, size_t bytes)
{
	begin_note(out, name, type, bytes);
	fwrite(data, 1, bytes, out);
	pad(out, bytes);
}

/* -- threads ---------------------------------------------------------------------------------- */

static void write_status(FILE *out, const struct rf_image_thread *thread)
{
	struct elf_prstatus status = {
		.pr_sighold = thread->signal_mask,
		.pr_pid = (pid_t)thread->tid,
		.pr_fpvalid = 1,
	};

	memcpy(status.pr_reg, &thread->registers, sizeof(status.pr_reg));
	write_note(out, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

/* No signal has ended it. */
static void write_siginfo(FILE *out)
{
	static const unsigned char siginfo[RF_IMAGE_SIGINFO_BYTES];

	write_note(out, "CORE", NT_SIGINFO, siginfo, sizeof(siginfo));
}

static void write_state(FILE *out, const struct rf_xsave_layout *layout,
			const struct rf_reader_thread *thread)
{
	unsigned char area[RF_ARCH_CORE_STATE_BYTES];

	rf_arch_core_state(area, layout, &thread->image, thread->xsave);
	write_note(out, "CORE", NT_FPREGSET, area, RF_ARCH_CORE_FLOAT_BYTES);
	write_note(out, "LINUX", NT_X86_XSTATE, area, layout->bytes);
}

/* -- the process ------------------------------------------------------------------------------ */

/* The arguments as the kernel puts them: from the process's memory, with spaces between. */
static void read_arguments(struct rf_source *source, char *text, size_t bytes)
{
	const struct rf_image_process *process = &source->image.process;
	uint64_t length = process->arg_end - process->arg_start;
	ssize_t got;

	if (process->arg_end <= process->arg_start)
		return;
	if (length > bytes - 1)
		length = bytes - 1;
	got = rf_source_read(source, process->arg_start, text, (size_t)length);
	for (ssize_t i = 0; i < got; i++)
		if (!text[i])
			text[i] = ' ';
}

static void write_process(FILE *out, struct rf_source *source)
{
	struct elf_prpsinfo info = {
		.pr_sname = 'R',
		.pr_pid = (int)source->image.threads[0].image.tid,
	};

	memcpy(info.pr_fname, source->image.process.comm, sizeof(info.pr_fname));
	info.pr_fname[sizeof(info.pr_fname) - 1] = 0;
	read_arguments(source, info.pr_psargs, sizeof(info.pr_psargs));
	write_note(out, "CORE", NT_PRPSINFO, &info, sizeof(info));
}

/* Offsets are in pages, or in bytes where something is not aligned, as gdb has them. */
static uint64_t find_unit(const struct rf_core_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (files[i].offset % PAGE_BYTES)
			return 1;
	return PAGE_BYTES;
}

static void write_files(FILE *out, const struct rf_core_file *files, size_t count)
{
	const uint64_t unit = find_unit(files, count);
	const uint64_t head[2] = { count, unit };
	size_t bytes = sizeof(head) + count * 3 * sizeof(uint64_t);
	size_t names = 0;

	for (size_t i = 0; i < count; i++)
		names += strlen(files[i].path) + 1;
	begin_note(out, "CORE", NT_FILE, bytes + names);
	fwrite(head, sizeof(head), 1, out);
	for (size_t i = 0; i < count; i++) {
		const uint64_t entry[3] = { files[i].start, files[i].end, files[i].offset / unit };

		fwrite(entry, sizeof(entry), 1, out);
	}
	for (size_t i = 0; i < count; i++)
		fwrite(files[i].path, 1, strlen(files[i].path) + 1, out);
	pad(out, bytes + names);
}

void rf_core_notes(FILE *out, struct rf_source *source, const struct rf_core_file *files,
		   size_t count)
{
	const struct rf_image *image = &source->image;
	struct rf_xsave_layout layout;

	/* a debugger takes the layout of the first thread for that of all */
	rf_arch_core_layout(&layout, &source->facts, &image->threads[0].image,
			    image->threads[0].xsave);
	for (uint32_t i = 0; i < image->head.threads; i++) {
		write_status(out, &image->threads[i].image);
		if (i == 0)
			write_process(out, source);
		write_siginfo(out);
		if (i == 0) {
			write_note(out, "CORE", NT_AUXV, image->auxv, image->process.auxv_bytes);
			write_files(out, files, count);
		}
		write_state(out, &layout, &image->threads[i]);
	}
}
