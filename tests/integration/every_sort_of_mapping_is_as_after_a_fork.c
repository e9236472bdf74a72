/* SPDX-License-Identifier: MIT */
/*
 * Claim: mappings of every sort have the permissions and properties (VmFlags of /proc/PID/smaps) that
 * those of a child of fork(2) have, or, of a process that goes itself, those that it had, but for
 * what rfork(7) says is different.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ways.h"

/* Missing in older headers. */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#define GUARD_INSTALL 102
#define MSEAL 462

#define PAGES 4u
#define BYTES (PAGES * TEST_PAGE_BYTES)
#define FLAGS_BYTES 160

struct sort {
	const char *name;
	int protection, flags;
	enum { NO_FILE, FILE_TO_READ, FILE_TO_WRITE, DELETED_FILE, MEMFD } file;
	int advice;		/* of madvise(2); 0 = none */
	bool (*change)(char *); /* false if the kernel has no such thing */
	bool is_written;
	bool is_refused; /* by rfork_undump() */
	bool is_content; /* in executables, whose file is nobody else's */
	char *memory;	 /* NULL = not to be had */
	char properties[FLAGS_BYTES], inherited[FLAGS_BYTES];
};

static char path[] = "/tmp/rfork-test-XXXXXX";

static bool lock(char *memory)
{
	return mlock(memory, BYTES) == 0;
}

static bool lock_on_fault(char *memory)
{
	return mlock2(memory, BYTES, MLOCK_ONFAULT) == 0;
}

static bool seal(char *memory)
{
	return syscall(MSEAL, memory, BYTES, 0) == 0;
}

static bool guard(char *memory)
{
	return madvise(memory + TEST_PAGE_BYTES, TEST_PAGE_BYTES, GUARD_INSTALL) == 0;
}

#define R PROT_READ
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

/* Without those that rfork(7) says are not kept. */
static struct sort sorts[] = {
	{ .name = "memory", .protection = RW, .flags = PRIVATE, .is_written = true },
	{ .name = "untouched memory", .protection = RW, .flags = PRIVATE },
	{ .name = "read-only memory", .protection = R, .flags = PRIVATE, .is_written = true },
	{ .name = "inaccessible memory",
	  .protection = PROT_NONE,
	  .flags = PRIVATE,
	  .is_written = true },
	{ .name = "executable memory", .protection = RX, .flags = PRIVATE, .is_written = true },
	{ .name = "memory to execute and write",
	  .protection = RW | PROT_EXEC,
	  .flags = PRIVATE,
	  .is_written = true },
	{ .name = "memory to write",
	  .protection = PROT_WRITE,
	  .flags = PRIVATE,
	  .is_written = true },
	{ .name = "a stack", .protection = RW, .flags = PRIVATE | MAP_STACK, .is_written = true },
	{ .name = "shared memory", .protection = RW, .flags = SHARED, .is_written = true },
	{ .name = "shared memory to read", .protection = R, .flags = SHARED, .is_written = true },
	{ .name = "inaccessible shared memory", .protection = PROT_NONE, .flags = SHARED },
	{ .name = "droppable memory", .protection = RW, .flags = MAP_DROPPABLE | MAP_ANONYMOUS },
	{ .name = "a file", .protection = R, .flags = MAP_PRIVATE, .file = FILE_TO_READ },
	{ .name = "a file's code", .protection = RX, .flags = MAP_PRIVATE, .file = FILE_TO_READ },
	{ .name = "a written copy of a file",
	  .protection = RW,
	  .flags = MAP_PRIVATE,
	  .file = FILE_TO_READ,
	  .is_written = true },
	{ .name = "a shared file to read",
	  .protection = R,
	  .flags = MAP_SHARED,
	  .file = FILE_TO_READ,
	  .is_content = true },
	{ .name = "a shared file",
	  .protection = RW,
	  .flags = MAP_SHARED,
	  .file = FILE_TO_WRITE,
	  .is_refused = true },
	{ .name = "a deleted file", .protection = R, .flags = MAP_PRIVATE, .file = DELETED_FILE },
	{ .name = "a shared memfd",
	  .protection = RW,
	  .flags = MAP_SHARED,
	  .file = MEMFD,
	  .is_written = true },
	{ .name = "a private memfd",
	  .protection = RW,
	  .flags = MAP_PRIVATE,
	  .file = MEMFD,
	  .is_written = true },
	{ .name = "locked memory", .protection = RW, .flags = PRIVATE, .change = lock },
	{ .name = "memory that is locked once touched",
	  .protection = RW,
	  .flags = PRIVATE,
	  .change = lock_on_fault },
	{ .name = "locked shared memory", .protection = RW, .flags = SHARED, .change = lock },
	{ .name = "a locked file",
	  .protection = R,
	  .flags = MAP_PRIVATE,
	  .file = FILE_TO_READ,
	  .change = lock },
	{ .name = "sealed memory",
	  .protection = RW,
	  .flags = PRIVATE,
	  .change = seal,
	  .is_written = true },
	{ .name = "sealed shared memory",
	  .protection = RW,
	  .flags = SHARED,
	  .change = seal,
	  .is_written = true,
	  .is_refused = true },
	{ .name = "guard pages",
	  .protection = RW,
	  .flags = PRIVATE,
	  .change = guard,
	  .is_written = true },
	{ .name = "guard pages in a file",
	  .protection = R,
	  .flags = MAP_PRIVATE,
	  .file = FILE_TO_READ,
	  .change = guard,
	  .is_content = true },
	{ .name = "memory under MADV_WIPEONFORK",
	  .protection = RW,
	  .flags = PRIVATE,
	  .advice = MADV_WIPEONFORK },
	{ .name = "memory under MADV_DONTDUMP",
	  .protection = RW,
	  .flags = PRIVATE,
	  .advice = MADV_DONTDUMP },
	{ .name = "memory under MADV_HUGEPAGE",
	  .protection = RW,
	  .flags = PRIVATE,
	  .advice = MADV_HUGEPAGE },
	{ .name = "memory under MADV_NOHUGEPAGE",
	  .protection = RW,
	  .flags = PRIVATE,
	  .advice = MADV_NOHUGEPAGE },
	{ .name = "memory under MADV_MERGEABLE",
	  .protection = RW,
	  .flags = PRIVATE,
	  .advice = MADV_MERGEABLE },
	{ .name = "a file under MADV_RANDOM",
	  .protection = R,
	  .flags = MAP_PRIVATE,
	  .file = FILE_TO_READ,
	  .advice = MADV_RANDOM },
	{ .name = "a shared file under MADV_SEQUENTIAL",
	  .protection = R,
	  .flags = MAP_SHARED,
	  .file = FILE_TO_READ,
	  .advice = MADV_SEQUENTIAL,
	  .is_content = true },
	{ .name = "shared memory under MADV_DONTDUMP",
	  .protection = RW,
	  .flags = SHARED,
	  .advice = MADV_DONTDUMP },
};
#define SORTS (sizeof(sorts) / sizeof(sorts[0]))

static int open_file(const struct sort *sort)
{
	int fd = -1;

	switch (sort->file) {
	case NO_FILE:
		return -1;
	case FILE_TO_READ:
		return CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	case FILE_TO_WRITE:
		return CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	case DELETED_FILE:
		fd = CHECK_CALL(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
		break;
	case MEMFD:
		fd = CHECK_CALL(memfd_create("sort", MFD_CLOEXEC));
		break;
	}
	CHECK_CALL(ftruncate(fd, BYTES));
	return fd;
}

/* Between two pages that keep it apart from others. */
static char *reserve(void)
{
	char *memory = mmap(NULL, BYTES + 2 * TEST_PAGE_BYTES, PROT_NONE, PRIVATE, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory + TEST_PAGE_BYTES;
}

static bool make(struct sort *sort, char *memory)
{
	int fd = open_file(sort);
	bool is_there = mmap(memory, BYTES,
			     sort->is_written ? sort->protection | PROT_WRITE : sort->protection,
			     sort->flags | MAP_FIXED, fd, 0) == memory;

	if (fd >= 0)
		close(fd);
	if (!is_there)
		return false;
	if (sort->is_written) {
		memory[0] = 42;
		CHECK_CALL(mprotect(memory, BYTES, sort->protection));
	}
	if (sort->advice && madvise(memory, BYTES, sort->advice) < 0)
		return false;
	return !sort->change || sort->change(memory);
}

/* Takes out what is the kernel's own account: of commitments, and of what has been written since. */
static void leave_out_accounts(char *flags)
{
	char *next;

	while ((next = strstr(flags, " ac")) || (next = strstr(flags, " sd")))
		memmove(next, next + 3, strlen(next + 3) + 1);
}

/* Permissions and flags of the mapping that begins at an address, in the order of the kernel. */
static void read_properties(const char *memory, char properties[FLAGS_BYTES])
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512], permissions[5] = "";
	unsigned long start, end, at = 0;

	CHECK(file != NULL);
	strcpy(properties, "absent");
	while (fgets(line, sizeof(line), file)) {
		char now[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, now) == 3) {
			at = start;
			strcpy(permissions, now);
		} else if (at == (unsigned long)memory && strncmp(line, "VmFlags: ", 9) == 0) {
			line[strcspn(line, "\n")] = '\0';
			leave_out_accounts(line);
			snprintf(properties, FLAGS_BYTES, "%s %.150s", permissions, line + 9);
		}
	}
	fclose(file);
}

static void see_all(size_t offset)
{
	for (unsigned i = 0; i < SORTS; i++)
		if (sorts[i].memory)
			read_properties(sorts[i].memory, (char *)&sorts[i] + offset);
}

/* What the model is to have: a child of fork(2) tells by a pipe. */
static void ask_fork_child(void)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		see_all(offsetof(struct sort, inherited));
		CHECK_EQUAL(write(ends[1], sorts, sizeof(sorts)), (long)sizeof(sorts));
		_exit(test_end());
	}
	close(ends[1]);
	CHECK_EQUAL(read(ends[0], sorts, sizeof(sorts)), (long)sizeof(sorts));
	close(ends[0]);
	test_expect_exit(pid, 0);
}

static enum way under_way;

static bool is_left_out(const struct sort *sort)
{
	return under_way == WAY_EXECUTABLE ? sort->is_refused || sort->is_content
					   : under_way == WAY_PROCESS && sort->is_content;
}

static void build(void)
{
	for (unsigned i = 0; i < SORTS; i++) {
		char *memory = reserve();

		if (is_left_out(&sorts[i]))
			continue;
		sorts[i].memory = make(&sorts[i], memory) ? memory : NULL;
	}
	see_all(offsetof(struct sort, properties));
	/* what an older kernel has no name for nobody can carry */
	for (unsigned i = 0; i < SORTS; i++)
		if (strstr(sorts[i].properties, "??"))
			sorts[i].memory = NULL;
	ask_fork_child();
}

static void verify(enum way way)
{
	unsigned different = 0;

	for (unsigned i = 0; i < SORTS; i++) {
		const char *expected = way == WAY_FORK ? sorts[i].inherited : sorts[i].properties;
		char found[FLAGS_BYTES];

		if (!sorts[i].memory)
			continue;
		read_properties(sorts[i].memory, found);
		if (strcmp(found, expected) == 0)
			continue;
		fprintf(stderr, "%s: %s, not %s\n", sorts[i].name, found, expected);
		different++;
	}
	CHECK_EQUAL(different, 0);
}

int main(void)
{
	struct node node;
	int fd;

	test_begin();
	fd = CHECK_CALL(mkstemp(path));
	CHECK_CALL(ftruncate(fd, BYTES));
	close(fd);
	node_start(&node, NULL);
	for (under_way = 0; under_way < WAYS; under_way++)
		ways_go(&node, under_way, build, verify);
	node_stop(&node);
	CHECK_CALL(unlink(path));
	return test_end();
}
