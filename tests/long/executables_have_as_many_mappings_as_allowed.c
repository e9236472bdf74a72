/* SPDX-License-Identifier: MIT */
/*
 * Claim: a program of so many mappings that the kernel would not allow all of them to be mapped
 * from the executable restarts all the same: what is too much is read.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/restart.h"

/* Of each the first page is untouched and the last one is read: three for each, where the
 * kernel allows 65530. */
#define MAPPINGS 22000ul
#define MAPPING_BYTES (11 * TEST_PAGE_BYTES)

static unsigned char value_of(size_t mapping)
{
	return (unsigned char)(mapping % 251 + 1);
}

/* Pages of zeros are written, too, but take no room in the file. */
static unsigned char *make_memory(void)
{
	unsigned char *memory =
		CHECK_CALL(mmap(NULL, MAPPINGS * MAPPING_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	for (size_t i = 0; i < MAPPINGS; i++) {
		unsigned char *mapping = memory + i * MAPPING_BYTES;

		for (size_t at = TEST_PAGE_BYTES; at < MAPPING_BYTES; at += TEST_PAGE_BYTES)
			mapping[at] = 0;
		mapping[TEST_PAGE_BYTES] = value_of(i);
		if (i % 2)
			CHECK_CALL(mprotect(mapping, MAPPING_BYTES,
					    PROT_READ | PROT_WRITE | PROT_EXEC));
	}
	return memory;
}

static int body(void)
{
	const unsigned char *memory = make_memory();

	restart_point();
	for (size_t i = 0; i < MAPPINGS; i++)
		if (memory[i * MAPPING_BYTES + TEST_PAGE_BYTES] != value_of(i) ||
		    memory[i * MAPPING_BYTES + 2 * TEST_PAGE_BYTES])
			return 1;
	return RESTART_RIGHT;
}

int main(void)
{
	static const char *const names[] = { "app" };
	unsigned long needed = 4 * MAPPINGS * MAPPING_BYTES / TEST_PAGE_BYTES;
	const char *path;

	test_begin();
	if ((unsigned long)sysconf(_SC_AVPHYS_PAGES) < needed)
		test_skip("less than %lu MiB of memory are free", needed >> 8);
	path = checkpoint_path("app");
	restart_write(path, body);
	restart_expect(path);
	checkpoint_clean(names, 1);
	return test_end();
}
