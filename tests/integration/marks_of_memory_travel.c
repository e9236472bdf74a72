/* SPDX-License-Identifier: MIT */
/*
 * Claim: what madvise(2) and mseal(2) have marked is marked so wherever the process goes, and means
 * there what it meant: each mark by itself, and none that was not there.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define PAGES 4u
#define BYTES (PAGES * TEST_PAGE_BYTES)
#define MSEAL 462 /* Linux 6.10; missing in older headers */
#define SEALED (-1)

static struct marked {
	char name[3]; /* in VmFlags */
	int advice;
	unsigned char *memory; /* NULL = the kernel has no such mark */
} marks[] = {
	{ "wf", MADV_WIPEONFORK, NULL }, { "dd", MADV_DONTDUMP, NULL },
	{ "dc", MADV_DONTFORK, NULL },	 { "hg", MADV_HUGEPAGE, NULL },
	{ "nh", MADV_NOHUGEPAGE, NULL }, { "mg", MADV_MERGEABLE, NULL },
	{ "rr", MADV_RANDOM, NULL },	 { "sr", MADV_SEQUENTIAL, NULL },
	{ "sl", SEALED, NULL },
};
#define MARKS (sizeof(marks) / sizeof(marks[0]))
enum { WIPED, NOT_DUMPED, NOT_FORKED, SEAL = MARKS - 1 };

static unsigned char *unmarked;

/* With a page before and behind that keeps neighbours apart. */
static unsigned char *map(void)
{
	unsigned char *memory = mmap(NULL, BYTES + 2 * TEST_PAGE_BYTES, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_CALL(mprotect(memory + TEST_PAGE_BYTES, BYTES, PROT_READ | PROT_WRITE));
	memory[TEST_PAGE_BYTES] = 1;
	return memory + TEST_PAGE_BYTES;
}

static long mark(unsigned char *memory, int advice)
{
	return advice == SEALED ? syscall(MSEAL, memory, BYTES, 0) : madvise(memory, BYTES, advice);
}

static void build(void)
{
	unmarked = map();
	for (unsigned i = 0; i < MARKS; i++) {
		marks[i].memory = map();
		if (mark(marks[i].memory, marks[i].advice) == 0)
			continue;
		CHECK(errno == EINVAL || errno == ENOSYS);
		marks[i].memory = NULL;
	}
}

/* The line of flags of the mapping that begins at an address. */
static void read_flags(const unsigned char *address, char flags[256])
{
	FILE *file = fopen("/proc/self/smaps", "re");
	bool is_there = false;
	char line[512];

	CHECK(file != NULL);
	flags[0] = '\0';
	while (!flags[0] && fgets(line, sizeof(line), file)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_there = start == (unsigned long)address;
		else if (is_there && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, 256, "%.255s", line);
	}
	fclose(file);
}

static void expect_flags(const unsigned char *address, const char *name)
{
	char flags[256];

	read_flags(address, flags);
	CHECK(flags[0]);
	for (unsigned i = 0; i < MARKS; i++) {
		char word[5] = { ' ', marks[i].name[0], marks[i].name[1], ' ' };
		bool is_expected = name && strcmp(marks[i].name, name) == 0;

		if (!strstr(flags, word) == is_expected)
			test_fail(__FILE__, __LINE__, "%s at %s: %s", marks[i].name,
				  name ? name : "unmarked memory", flags);
	}
}

static void expect_effects(void)
{
	int status;
	pid_t pid;

	if (marks[SEAL].memory) {
		CHECK_EQUAL(munmap(marks[SEAL].memory, BYTES), -1);
		CHECK_EQUAL(errno, EPERM);
	}
	marks[WIPED].memory[0] = 1;
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(marks[WIPED].memory[0]);
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	CHECK_EQUAL(status, 0);
}

/* What must not be forked is absent in the child, and, as documented, in checkpoints. */
static bool is_absent(unsigned index, enum way way)
{
	return index == NOT_FORKED && (way == WAY_FORK || way == WAY_EXECUTABLE);
}

static void verify(enum way way)
{
	expect_flags(unmarked, NULL);
	for (unsigned i = 0; i < MARKS; i++) {
		if (!marks[i].memory || is_absent(i, way))
			continue;
		expect_flags(marks[i].memory, marks[i].name);
		if (i != WIPED)
			CHECK_EQUAL(marks[i].memory[0], 1);
	}
	expect_effects();
}

int main(void)
{
	return ways_three_beats(build, verify);
}
