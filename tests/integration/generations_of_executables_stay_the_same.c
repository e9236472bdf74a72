/* SPDX-License-Identifier: MIT */
/*
 * Claim: a restarted program can be undumped again, ten times in a row: each executable is as
 * large as the one before, keeps the names of the files that the first one had mapped, and the
 * program has no more mappings.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/image_format.h"
#include "rfork/statefile.h"
#include "tests/support/restart.h"

#define GENERATIONS 10u

static unsigned count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned lines = 0;
	int c;

	if (!maps)
		return 0;
	while ((c = fgetc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

/* Each restart is told the next executable to write, or nothing: then it is the last. */
static int body(void)
{
	unsigned char *memory = malloc(3 << 20);
	uint64_t digest;
	char **argv;
	int argc, result;

	CHECK(memory);
	test_fill(memory, 3 << 20, 7);
	digest = test_digest(memory, 3 << 20);
	restart_point();
	for (;;) {
		if (test_digest(memory, 3 << 20) != digest ||
		    rfork_restart_args(&argc, &argv, NULL) < 0)
			return 1;
		dprintf(2, "%u mappings\n", count_mappings());
		if (argc < 3)
			return RESTART_RIGHT;
		if (count_mappings() > (unsigned)atoi(argv[2]))
			return 2;
		result = rfork_undump(argv[1]);
		if (result < 0)
			dprintf(2, "rfork_undump: %s\n", rfork_error());
		if (result != 0)
			return result == 1 ? RESTART_RIGHT : 3;
	}
}

/* -- what an executable says of itself --------------------------------------------------------- */

struct summary {
	uint64_t bytes;
	unsigned mappings;
	uint64_t named_pages;
	uint64_t names; /* a sum over these, whatever mappings they are divided into */
};

static void add_mapping(struct summary *summary, const struct rf_image_mapping *mapping,
			const uint64_t *paths)
{
	uint64_t pages;

	summary->mappings++;
	if (mapping->kind != RF_MAPPING_CONTENTS)
		return;
	pages = (mapping->end - mapping->start) / TEST_PAGE_BYTES;
	summary->named_pages += pages;
	summary->names += pages * (paths[mapping->file] + mapping->file_offset - mapping->start);
}

static struct summary summarize(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	static unsigned char payload[RF_RECORD_MAX_BYTES];
	struct rf_report report = { 0 };
	struct summary summary = { 0 };
	struct rf_statefile_note note;
	struct rf_record_header header;
	uint64_t paths[256] = { 0 };
	uint64_t offset;

	CHECK_EQUAL(rf_statefile_find_note(fd, path, &note, NULL, &report), 0);
	summary.bytes = note.file_bytes;
	for (offset = note.records_offset; offset < note.file_bytes;
	     offset += sizeof(header) + header.length_bytes) {
		CHECK_EQUAL(pread(fd, &header, sizeof(header), (off_t)offset), sizeof(header));
		CHECK_EQUAL(pread(fd, payload, header.length_bytes,
				  (off_t)(offset + sizeof(header))),
			    header.length_bytes);
		if (header.type == RF_RECORD_FILE) {
			const struct rf_image_file *file = (const void *)payload;

			CHECK(file->index < 256);
			paths[file->index] =
				test_digest(file + 1, header.length_bytes - sizeof(*file));
		} else if (header.type == RF_RECORD_MAPPING) {
			for (size_t at = 0; at < header.length_bytes;
			     at += sizeof(struct rf_image_mapping))
				add_mapping(&summary, (const void *)(payload + at), paths);
		}
	}
	close(fd);
	return summary;
}

static void expect_same(const struct summary *first, const struct summary *now)
{
	dprintf(2, "%lu bytes, %u mappings, %lu pages with a name\n", (unsigned long)now->bytes,
		now->mappings, (unsigned long)now->named_pages);
	CHECK_EQUAL(now->named_pages, first->named_pages);
	CHECK_EQUAL(now->names, first->names);
	CHECK_AT_MOST(now->mappings, first->mappings);
	CHECK_AT_MOST(now->bytes, first->bytes + 64 * TEST_PAGE_BYTES);
}

int main(void)
{
	static const char *const names[] = { "app0", "app1" };
	struct summary first, second, now;
	char from[256], to[256];

	test_begin();
	snprintf(from, sizeof(from), "%s", checkpoint_path(names[0]));
	snprintf(to, sizeof(to), "%s", checkpoint_path(names[1]));
	restart_write(from, body);
	first = summarize(from);
	CHECK(first.named_pages > 100);
	for (unsigned i = 1; i <= GENERATIONS; i++) {
		char last[256];

		test_expect_exit(restart_start(from, to, "200", NULL), RESTART_RIGHT);
		now = summarize(to);
		if (i == 1)
			second = now; /* it has the arguments, too */
		expect_same(&first, &now);
		CHECK_AT_MOST(now.mappings, second.mappings);
		CHECK_AT_MOST(now.bytes, second.bytes + 4 * TEST_PAGE_BYTES);
		snprintf(last, sizeof(last), "%s", from);
		snprintf(from, sizeof(from), "%s", to);
		snprintf(to, sizeof(to), "%s", last);
	}
	restart_expect(from);
	checkpoint_clean(names, 2);
	return test_end();
}
