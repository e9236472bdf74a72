/* SPDX-License-Identifier: MIT */
/*
 * Small cores made by hand, in the forms that the kernel and gdb write: a program of three pages, a
 * heap, a stack with arguments, and threads.  A test changes the fields of a sample before it is
 * written.
 */
#ifndef TEST_UNIT_CORE_SAMPLE_H
#define TEST_UNIT_CORE_SAMPLE_H

#include <elf.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/procfs.h>

#define SAMPLE_PAGE UINT64_C(4096)
#define SAMPLE_PROGRAM UINT64_C(0x400000)
#define SAMPLE_HEAP UINT64_C(0x500000)
#define SAMPLE_LIBRARY UINT64_C(0x10000000)
#define SAMPLE_STACK UINT64_C(0x7ffff0000000)
#define SAMPLE_STACK_PAGES 4u
#define SAMPLE_TCB (SAMPLE_HEAP + 512) /* of the first thread; others follow by 1024 bytes */
#define SAMPLE_MAX_LOADS 16u
#define SAMPLE_MAX_THREADS 4u
#define SAMPLE_PID 4000

struct sample_load {
	uint64_t start, pages;
	uint64_t held_pages;
	uint32_t flags;	      /* PF_R and so on */
	unsigned char *bytes; /* held_pages of them; from calloc() */
};

struct sample_mapped {
	uint64_t start, end;
	uint64_t offset;
	const char *path;
};

struct core_sample {
	Elf64_Ehdr header;
	struct sample_load loads[SAMPLE_MAX_LOADS];
	size_t load_count;
	struct sample_mapped mapped[SAMPLE_MAX_LOADS];
	size_t mapped_count;
	struct elf_prstatus threads[SAMPLE_MAX_THREADS];
	size_t thread_count;
	unsigned char fpregs[512];
	unsigned char *xsave;
	size_t xsave_bytes; /* 0 = no such note */
	const void *table;
	size_t table_bytes;
	siginfo_t signal;
	Elf64_auxv_t auxv[8];
	size_t auxv_count;
	size_t shift; /* gcore: where memory begins in a page of the file */
	bool is_by_gdb;
};

/* A sound core of one thread, whose program has no file. */
void core_sample_init(struct core_sample *sample);
void core_sample_release(struct core_sample *sample);

/* Adds memory above all others; its bytes are zero. */
struct sample_load *core_sample_add(struct core_sample *sample, uint64_t start, uint64_t pages,
				    uint64_t held_pages, uint32_t flags);

/* Adds a thread with an id and, if its memory is to prove that, a struct pthread like glibc's. */
struct elf_prstatus *core_sample_add_thread(struct core_sample *sample, int tid, bool is_proven);

/* Where an address is in what the sample holds; NULL if it holds it not. */
void *core_sample_at(struct core_sample *sample, uint64_t address);

/* The core's bytes, from malloc(). */
unsigned char *core_sample_make(const struct core_sample *sample, size_t *bytes);

/* Makes at `page` the beginning of a library: ELF headers and a build-id (NULL = none) of 20 bytes,
 * one PT_LOAD for each of two pages that follow the first. */
void core_sample_library(unsigned char page[SAMPLE_PAGE], const char *build_id);

#endif
