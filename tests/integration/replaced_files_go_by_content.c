/* SPDX-License-Identifier: MIT */
/*
 * Claim: a mapped file that is replaced between the checkpoint and its commit, as by an upgrade,
 * goes by content: the statefile holds the bytes that the program has, under the file's name; one
 * that is still in place goes by reference, with a digest.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/source.h"
#include "tests/support/checkpoint.h"

#define FILE_BYTES (5 * TEST_PAGE_BYTES + 77)

static void write_file(const char *path, uint64_t seed)
{
	static unsigned char content[FILE_BYTES];
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	test_fill(content, sizeof(content), seed);
	test_write(fd, content, sizeof(content));
	close(fd);
}

static const unsigned char *map_file(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	void *memory = mmap(NULL, FILE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(memory != MAP_FAILED);
	close(fd);
	return memory;
}

static const struct rf_image_mapping *find(const struct rf_source *source, const void *address)
{
	for (uint32_t i = 0; i < source->image.head.mappings; i++)
		if (source->image.mappings[i].start == (uintptr_t)address)
			return &source->image.mappings[i];
	test_fail(__FILE__, __LINE__, "%p is not mapped", address);
}

static void expect(const struct rf_source *source, const unsigned char *memory,
		   enum rf_mapping_kind kind, const char *path, uint64_t seed)
{
	static unsigned char got[FILE_BYTES], expected[FILE_BYTES];
	const struct rf_image_mapping *mapping = find(source, memory);

	CHECK_EQUAL(mapping->kind, kind);
	CHECK_TEXT(source->image.files[mapping->file].path, path);
	CHECK_EQUAL(!!(mapping->flags & RF_MAPPING_DIGEST), kind == RF_MAPPING_FILE);
	test_fill(expected, sizeof(expected), seed);
	CHECK_EQUAL(rf_source_read((struct rf_source *)source, (uintptr_t)memory, got, sizeof(got)),
		    sizeof(got));
	CHECK(memcmp(got, expected, sizeof(got)) == 0);
}

int main(void)
{
	static const char *const names[] = { "kept", "replaced", "state" };
	char kept[128], replaced[128], new[128];
	const unsigned char *kept_memory, *replaced_memory;
	struct rf_source source;
	rfork_crid_t crid;

	test_begin();
	snprintf(kept, sizeof(kept), "%s", checkpoint_path("kept"));
	snprintf(replaced, sizeof(replaced), "%s", checkpoint_path("replaced"));
	snprintf(new, sizeof(new), "%s", checkpoint_path("new"));
	write_file(kept, 1);
	write_file(replaced, 2);
	kept_memory = map_file(kept);
	replaced_memory = map_file(replaced);
	crid = checkpoint_hold(0);
	write_file(new, 3);
	CHECK_CALL(rename(new, replaced));
	checkpoint_write(crid, checkpoint_path("state"));
	CHECK_CALL(rfork_discard(crid));
	checkpoint_read(&source, checkpoint_path("state"));
	expect(&source, kept_memory, RF_MAPPING_FILE, kept, 1);
	expect(&source, replaced_memory, RF_MAPPING_CONTENTS, replaced, 2);
	rf_source_close(&source);
	checkpoint_clean(names, 3);
	return test_end();
}
