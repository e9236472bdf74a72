/* SPDX-License-Identifier: MIT */
/*
 * Claim: memory whose pages differ from their neighbours, in having been written, in protection, or in
 * the file that they show, arrives as it was, and costs the child no page more: more runs of pages
 * and mappings than the ghost and the shell have ready.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define PAGE 4096ul
#define WRITTEN 40000ul	  /* every second of these pages */
#define PROTECTED 20000ul /* each a mapping of its own */
#define FILES 3000ul

static unsigned char *written, *alternating, *files[FILES];
static char folder[] = "/tmp/rfork-test-XXXXXX";

static unsigned char *map(size_t pages)
{
	unsigned char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_CALL(madvise(memory, pages * PAGE, MADV_NOHUGEPAGE));
	return memory;
}

static void write_pages(void)
{
	written = map(WRITTEN);
	/* none with 0, which would be as good as untouched */
	for (size_t page = 1; page < WRITTEN; page += 2)
		memcpy(written + page * PAGE, &page, sizeof(page));
}

static void protect_pages(void)
{
	alternating = map(PROTECTED);
	for (size_t page = 0; page < PROTECTED; page++)
		memcpy(alternating + page * PAGE, &page, sizeof(page));
	for (size_t page = 0; page < PROTECTED; page += 2)
		CHECK_CALL(mprotect(alternating + page * PAGE, PAGE, PROT_READ));
}

static void name_file(char path[64], size_t number)
{
	snprintf(path, 64, "%s/%zu", folder, number);
}

static void map_files(void)
{
	for (size_t i = 0; i < FILES; i++) {
		char path[64];
		int fd;

		name_file(path, i);
		fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		CHECK_EQUAL(pwrite(fd, &i, sizeof(i), 0), (long)sizeof(i));
		files[i] = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
		CHECK(files[i] != MAP_FAILED);
		close(fd);
	}
}

static void remove_files(void)
{
	for (size_t i = 0; i < FILES; i++) {
		char path[64];

		name_file(path, i);
		unlink(path);
	}
	rmdir(folder);
}

static size_t number_at(const unsigned char *memory)
{
	size_t number;

	memcpy(&number, memory, sizeof(number));
	return number;
}

static void expect_written(void)
{
	static unsigned char resident[WRITTEN];

	CHECK_CALL(mincore(written, WRITTEN * PAGE, resident));
	for (size_t page = 0; page < WRITTEN; page++)
		CHECK_EQUAL(resident[page] & 1, page % 2);
	for (size_t page = 1; page < WRITTEN; page += 2)
		CHECK_EQUAL(number_at(written + page * PAGE), page);
}

/* As a system call says that writes there. */
static bool can_write(unsigned char *memory)
{
	int ends[2];
	bool can;

	CHECK_CALL(pipe(ends));
	CHECK_EQUAL(write(ends[1], "x", 1), 1);
	can = read(ends[0], memory + PAGE - 1, 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return can;
}

static void expect_protected(void)
{
	for (size_t page = 0; page < PROTECTED; page++)
		CHECK_EQUAL(number_at(alternating + page * PAGE), page);
	for (size_t page = 0; page < PROTECTED; page += 1 + PROTECTED / 999)
		CHECK_EQUAL(can_write(alternating + page * PAGE), page % 2);
}

static void go(const struct node *node, uint64_t flags)
{
	pid_t pid = node_move_returns_twice(node, flags);

	if (pid == 0) {
		expect_written();
		expect_protected();
		for (size_t i = 0; i < FILES; i++)
			CHECK_EQUAL(number_at(files[i]), i);
		_exit(test_end());
	}
	test_expect_exit(pid, 0);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	CHECK(mkdtemp(folder) != NULL);
	write_pages();
	protect_pages();
	map_files();
	go(&node, 0);
	go(&node, RFORK_SELF_CONTAINED);
	remove_files();
	node_stop(&node);
	return test_end();
}
