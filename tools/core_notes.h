/* SPDX-License-Identifier: MIT */
/*
 * The notes of a core: what the kernel writes of a process and its threads (Linux,
 * fs/binfmt_elf.c).
 */
#ifndef TOOLS_CORE_NOTES_H
#define TOOLS_CORE_NOTES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rfork/source.h"

/* Part of a file that is in memory. */
struct rf_core_file {
	uint64_t start, end;
	uint64_t offset;
	const char *path;
};

/*
 * Writes NT_PRSTATUS, NT_FPREGSET, NT_X86_XSTATE and NT_SIGINFO of each thread, NT_PRPSINFO,
 * NT_AUXV and NT_FILE in the kernel's order.  What the image does not know (users, times, parents)
 * is zero.  Errors stay in `out`.
 */
void rf_core_notes(FILE *out, struct rf_source *source, const struct rf_core_file *files,
		   size_t count);

#endif
