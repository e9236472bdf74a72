/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of the core reader: what a core says, before it becomes an image.  Functions
 * return 0 or a negative errno with a report, unless they say otherwise.
 */
#ifndef TOOLS_CORE_READER_PARTS_H
#define TOOLS_CORE_READER_PARTS_H

#include <libelf.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/procfs.h>

#include "rfork/report.h"
#include "rfork/source.h"
#include "tools/core_reader.h"

#define CORE_PAGE_BYTES 4096u
#define CORE_FPREGS_BYTES 512u

/* A PT_LOAD: memory of the process, the first part of which the core holds. */
struct core_load {
	uint64_t start, end;
	uint64_t held; /* end of what the core holds */
	uint64_t offset;
	uint32_t protection;
};

/* An entry of NT_FILE: part of a file that was mapped. */
struct core_mapped {
	uint64_t start, end;
	uint64_t offset;
	const char *path;
	uint32_t file; /* of the image; RF_IMAGE_NONE = it is memory that has a name */
};

struct core_thread {
	struct elf_prstatus status;
	const unsigned char *fpregs; /* CORE_FPREGS_BYTES; NULL = none */
	const unsigned char *xsave;  /* NULL = none */
	size_t xsave_bytes;
};

/* Whether a file may stand for what the core lacks of it. */
struct core_proof {
	int fd;		 /* of the source; -1 = it may not; 0 = not looked for */
	const char *why; /* where it may not */
	const struct core_mapped *beginning; /* where the file begins in memory; NULL = nowhere */
	bool is_told;			     /* that its protection is not known */
};

struct core {
	const char *path;
	struct rf_core_options options;
	struct rf_source *source;
	struct rf_report *report;
	struct rf_machine_facts here;

	int fd;
	Elf *elf; /* owns the notes */
	uint64_t bytes;
	int64_t written_ns; /* since 1970 */

	struct core_load *loads; /* ascending, not overlapping */
	size_t load_count;
	struct core_mapped *mapped; /* ascending, not overlapping */
	size_t mapped_count;
	struct core_thread *threads; /* the first is the one that got the signal */
	size_t thread_count;
	const unsigned char *auxv;
	size_t auxv_bytes;
	const unsigned char *table; /* NT_X86_XSAVE_LAYOUT */
	size_t table_bytes;
	struct elf_prpsinfo process;
	siginfo_t signal;
	bool has_process, has_signal, is_by_gdb;

	size_t mapping_capacity, segment_capacity;
	struct core_proof *proofs; /* by file of the image */
	int spare_fd;		   /* unnamed, for last pages of files; -1 = none yet */
	uint64_t spare_bytes;
	char *missing; /* ranges of memory that are nowhere; NULL = none */
	size_t missing_count;
	size_t misread_count; /* threads whose vector state gdb has misread */
	uint32_t misread_tid; /* the first of them */
	size_t guessed_count; /* mappings whose protection is not known */
	uint64_t guessed;     /* the first of them */
	bool has_unproven;    /* a file that would be taken on demand */

	/* of the program, from its headers in memory */
	uint64_t bias, first, end; /* of its segments */
};

/* A report that begins with the path of the core. */
#define core_report(core, error, format, ...)                                                      \
	rf_report((core)->report, (error), "%s: " format, (core)->path, ##__VA_ARGS__)

int core_no_memory(const struct core *core);

/* Reads memory of the process, all of it; false if it cannot be read. */
bool core_read(const struct core *core, uint64_t address, void *buffer, size_t bytes);

struct rf_image_registers core_registers(const struct core_thread *thread);

/* The value of an entry of the auxiliary vector; false if there is none. */
bool core_auxv(const struct core *core, uint64_t type, uint64_t *value);

/* Loses something of `count` threads, of which the first has this id; nothing if there are none. */
int core_lose_of_threads(struct core *core, size_t count, uint32_t tid, const char *what);

/* -- core_reader_notes.c: what the file says ------------------------------------------------- */

int core_take_headers(struct core *core);
int core_take_notes(struct core *core);

/* The PT_LOAD that holds an address; NULL if there is none. */
const struct core_load *core_find_load(const struct core *core, uint64_t address);

/* -- core_reader_memory.c: mappings, segments and the vdso ------------------------------------- */

int core_take_vdso(struct core *core);
int core_take_memory(struct core *core);

/* Remembers a range that is nowhere, to be refused at last. */
int core_miss(struct core *core, uint64_t start, uint64_t end, const char *path, const char *why);

int core_add_segment(struct core *core, uint64_t address, uint64_t bytes, int fd, uint64_t offset);

/* -- core_reader_files.c: files that the process had mapped ------------------------------------ */

/* Makes the files of the image from the list of mapped ones. */
int core_take_files(struct core *core);

/* Opens the file, if it is the one that the process had. */
const struct core_proof *core_prove(struct core *core, uint32_t index);

/* Makes segments of the file for [start, end), which lies at `offset` in it. */
int core_complete(struct core *core, uint32_t index, uint64_t start, uint64_t end, uint64_t offset);

/* Protection of a mapping that only NT_FILE names, from the file's own headers. */
uint32_t core_protection(struct core *core, uint32_t index, uint64_t address);

/* -- core_reader_threads.c --------------------------------------------------------------------- */

int core_take_threads(struct core *core);

/* -- core_reader_process.c: what the process was made from ------------------------------------- */

int core_take_process(struct core *core);

/* -- core_reader_libc.c: what only the C library knows ----------------------------------------- */

/* Address of a variable that a library or the program exports; false if there is none. */
bool core_find_symbol(struct core *core, const char *name, uint64_t *address);

/* Fills rseq, tid address and robust list of all threads where memory proves them, else loses
 * them. */
int core_take_libc(struct core *core);

#endif
