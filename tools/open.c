/* SPDX-License-Identifier: MIT */
/*
 * Finds out what an input file is, and opens it with the reader that knows it.  Called by the
 * modes of undump; looks at no more than the ELF header itself.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/io.h"
#include "rfork/statefile_reader.h"
#include "tools/core_reader.h"
#include "tools/stream_reader.h"
#include "tools/undump.h"

/* Address 0 is nobody's. */
#define MIN_ADDRESS 4096u

static struct rf_core_options core_options;

void undump_assume_unchanged(void)
{
	core_options.assumes_unchanged = true;
}

static int read_header(int fd, const char *path, Elf64_Ehdr *header, struct rf_report *report)
{
	ssize_t got = TEMP_FAILURE_RETRY(pread(fd, header, sizeof(*header), 0));

	if (got < 0)
		return rf_report(report, errno, "%s: %m", path);
	if (got < SELFMAG || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return rf_report(
			report, ENOEXEC,
			"%s: offset 0: neither a statefile, nor an executable of undump, nor a core",
			path);
	if (got < EI_NIDENT)
		return rf_report(report, ENOEXEC, "%s: offset %ld: it ends in the ELF header", path,
				 (long)got);
	if (header->e_ident[EI_CLASS] != ELFCLASS64)
		return rf_report(report, ENOEXEC, "%s: offset %d: not of the 64-bit class", path,
				 EI_CLASS);
	if (header->e_ident[EI_DATA] != ELFDATA2LSB)
		return rf_report(report, ENOEXEC, "%s: offset %d: not little-endian", path,
				 EI_DATA);
	if ((size_t)got < sizeof(*header))
		return rf_report(report, ENOEXEC, "%s: offset %ld: it ends in the ELF header", path,
				 (long)got);
	return 0;
}

static int recognise(int fd, const char *path, struct rf_report *report)
{
	Elf64_Ehdr header;
	int error = read_header(fd, path, &header, report);

	if (error < 0)
		return error;
	if (header.e_machine != EM_X86_64)
		return rf_report(report, ENOEXEC,
				 "%s: offset %zu: of another machine (%u) than x86_64 (%d)", path,
				 offsetof(Elf64_Ehdr, e_machine), header.e_machine, EM_X86_64);
	switch (header.e_type) {
	case ET_NONE:
		return UNDUMP_STATEFILE;
	case ET_EXEC:
		return UNDUMP_EXECUTABLE;
	case ET_CORE:
		return UNDUMP_CORE;
	}
	return rf_report(
		report, ENOEXEC,
		"%s: offset %zu: of ELF type %u, which is neither a statefile, nor an executable of undump, nor a core",
		path, offsetof(Elf64_Ehdr, e_type), header.e_type);
}

static int open_regular(const char *path, struct rf_report *report)
{
	struct stat status;
	int error;
	/* O_NONBLOCK: a FIFO must not hang us before it is refused */
	int fd = rf_io_above_stdio(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

	if (fd < 0)
		return rf_report(report, errno, "%s: %m", path);
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return fd;
	error = rf_report(report, EINVAL, "%s: it is not a regular file", path);
	close(fd);
	return error;
}

static bool is_standard_input(const char *path)
{
	return strcmp(path, "-") == 0;
}

int undump_recognise_file(const char *path, struct rf_report *report)
{
	int fd, kind;

	if (is_standard_input(path))
		return UNDUMP_STREAM;
	fd = open_regular(path, report);
	if (fd < 0)
		return fd;
	kind = rf_stream_is_one(fd) ? UNDUMP_STREAM : recognise(fd, path, report);
	close(fd);
	return kind;
}

static int open_stream(struct rf_source *source, const char *path, uint64_t max_address,
		       struct rf_report *report)
{
	bool is_input = is_standard_input(path);
	int fd = is_input ? STDIN_FILENO : open_regular(path, report);
	int error;

	if (fd < 0)
		return fd;
	error = rf_stream_open(source, fd, is_input ? "standard input" : path, MIN_ADDRESS,
			       max_address, report);
	if (!is_input)
		close(fd);
	return error;
}

int undump_open(struct rf_source *source, const char *path, struct rf_report *report)
{
	int kind = undump_recognise_file(path, report);
	struct rf_machine_facts facts;

	rf_source_init(source);
	if (kind < 0)
		return kind;
	if (kind == UNDUMP_CORE)
		return rf_core_open(source, path, &core_options, report);
	rf_arch_machine_facts(&facts);
	if (kind == UNDUMP_STREAM)
		return open_stream(source, path, facts.max_address, report);
	return rf_statefile_open(source, path, MIN_ADDRESS, facts.max_address, report);
}
