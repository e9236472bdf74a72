/* SPDX-License-Identifier: MIT */
/*
 * Checks the structure of core files by libelf.  A core carries no digests: what its bytes should
 * be nobody knows, but where they lie, and that they are there.
 */
#define _GNU_SOURCE
#include "tools/check_core.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/io.h"
#include "tools/text.h"

#define MAX_NOTE_BYTES ((uint64_t)1 << 30)

struct core {
	const char *path;
	struct rf_report *report;
	Elf *elf;
	uint64_t bytes; /* of the file */
	uint64_t headers_offset;
	uint64_t memory_bytes, carried_bytes;
	size_t segments, threads;
};

static int fault(const struct core *core, uint64_t offset, const char *what)
{
	return rf_report(core->report, EBADMSG, "%s: offset %lu: %s", core->path, offset, what);
}

/* A segment's bytes must be there. */
static int check_extent(const struct core *core, const GElf_Phdr *segment, uint64_t at)
{
	uint64_t end;

	if (__builtin_add_overflow(segment->p_offset, segment->p_filesz, &end))
		return fault(core, at, "the place of a segment is out of range");
	if (end > core->bytes)
		return rf_report(core->report, EBADMSG,
				 "%s: offset %lu: the file ends here, %lu bytes too early",
				 core->path, core->bytes, end - core->bytes);
	return 0;
}

static int check_load(struct core *core, const GElf_Phdr *segment, uint64_t at)
{
	uint64_t end;

	if (segment->p_filesz > segment->p_memsz)
		return fault(core, at, "a segment has more bytes in the file than in memory");
	if (__builtin_add_overflow(segment->p_vaddr, segment->p_memsz, &end))
		return fault(core, at, "the addresses of a segment are out of range");
	core->memory_bytes += segment->p_memsz;
	core->carried_bytes += segment->p_filesz;
	core->segments++;
	return 0;
}

static int check_notes(struct core *core, const GElf_Phdr *segment, uint64_t at)
{
	size_t next = 0, name_at, text_at;
	Elf_Data *data;
	GElf_Nhdr note;

	if (segment->p_filesz == 0)
		return 0;
	if (segment->p_filesz > MAX_NOTE_BYTES)
		return fault(core, at, "the segment of notes is too long");
	data = elf_getdata_rawchunk(core->elf, (int64_t)segment->p_offset, segment->p_filesz,
				    ELF_T_NHDR);
	if (!data)
		return rf_report(core->report, EIO, "%s: offset %lu: %s", core->path,
				 segment->p_offset, elf_errmsg(-1));
	while (next < data->d_size) {
		size_t here = next;

		next = gelf_getnote(data, here, &note, &name_at, &text_at);
		if (next == 0)
			return fault(core, segment->p_offset + here,
				     "a note is longer than its segment");
		if (note.n_type != NT_PRSTATUS || note.n_namesz != sizeof("CORE") ||
		    memcmp((char *)data->d_buf + name_at, "CORE", sizeof("CORE")) != 0)
			continue;
		if (note.n_descsz != sizeof(struct elf_prstatus))
			return fault(core, segment->p_offset + here,
				     "the state of a thread has another length");
		core->threads++;
	}
	return 0;
}

static int check_segment(struct core *core, size_t index)
{
	uint64_t at = core->headers_offset + index * sizeof(Elf64_Phdr);
	GElf_Phdr segment;
	int error;

	if (!gelf_getphdr(core->elf, (int)index, &segment))
		return fault(core, at, "a program header cannot be read");
	error = check_extent(core, &segment, at);
	if (error == 0 && segment.p_type == PT_LOAD)
		error = check_load(core, &segment, at);
	if (error == 0 && segment.p_type == PT_NOTE)
		error = check_notes(core, &segment, at);
	return error;
}

static bool has_headers(const struct core *core, size_t count)
{
	return core->headers_offset <= core->bytes &&
	       count <= (core->bytes - core->headers_offset) / sizeof(Elf64_Phdr);
}

static int check_elf(struct core *core)
{
	GElf_Ehdr header;
	size_t count;
	int error = 0;

	if (elf_kind(core->elf) != ELF_K_ELF || !gelf_getehdr(core->elf, &header))
		return fault(core, 0, "the ELF header is malformed");
	core->headers_offset = header.e_phoff;
	if (header.e_phentsize != sizeof(Elf64_Phdr))
		return fault(core, offsetof(Elf64_Ehdr, e_phentsize),
			     "its program headers have another length");
	/* more than e_phnum can say are counted elsewhere, which libelf knows */
	if (!has_headers(core, header.e_phnum) || elf_getphdrnum(core->elf, &count) < 0 ||
	    !has_headers(core, count))
		return fault(core, core->bytes, "the file ends here, within its program headers");
	for (size_t i = 0; i < count && error == 0; i++)
		error = check_segment(core, i);
	if (error == 0 && core->threads == 0)
		error = fault(core, core->headers_offset, "there is no note of a thread");
	return error;
}

static void print_facts(const struct core *core)
{
	char carried[TEXT_AMOUNT_BYTES], memory[TEXT_AMOUNT_BYTES];

	text_print(stdout, core->path);
	printf(": whole, as far as a file without digests can tell\n"
	       "  core of %zu thread%s, %zu segments, %s of %s of memory carried\n",
	       core->threads, text_plural(core->threads), core->segments,
	       text_amount(carried, core->carried_bytes), text_amount(memory, core->memory_bytes));
}

static int check_open(struct core *core, int fd)
{
	struct stat status;
	int error;

	if (fstat(fd, &status) < 0)
		return rf_report(core->report, errno, "%s: %m", core->path);
	core->bytes = (uint64_t)status.st_size;
	elf_version(EV_CURRENT);
	/* not mapped: who cuts the file off while it is read would end us */
	core->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!core->elf)
		return rf_report(core->report, EBADMSG, "%s: offset 0: %s", core->path,
				 elf_errmsg(-1));
	error = check_elf(core);
	elf_end(core->elf);
	return error;
}

int undump_check_core(const char *path, struct rf_report *report)
{
	struct core core = { .path = path, .report = report };
	int fd = rf_io_above_stdio(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
	int error;

	if (fd < 0)
		return rf_report(report, errno, "%s: %m", path);
	error = check_open(&core, fd);
	close(fd);
	if (error == 0)
		print_facts(&core);
	return error;
}
