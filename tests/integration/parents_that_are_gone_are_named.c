/* SPDX-License-Identifier: MIT */
/*
 * Claim: an incremental checkpoint names its parent by its name alone if it is in the same folder,
 * which can then be moved; where the parent is missing, another, or broken, it is refused, and the
 * parent is named.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/statefile_reader.h"
#include "tests/support/checkpoint.h"

#define LOWEST TEST_PAGE_BYTES
#define HIGHEST ((UINT64_C(1) << 47) - TEST_PAGE_BYTES)
#define PAGES 16ul

static unsigned char *memory;

static void write_checkpoint(const char *path)
{
	rfork_crid_t crid;

	memory[0]++;
	crid = checkpoint_hold(RFORK_INCREMENTAL);
	CHECK(crid > 0);
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
}

static int open_chain(struct rf_source *source, const char *path, struct rf_report *report)
{
	*report = (struct rf_report){ 0 };
	return rf_statefile_open(source, path, LOWEST, HIGHEST, report);
}

static void expect_whole_chain(const char *path, size_t files)
{
	struct rf_report report = { 0 };
	struct rf_source source;
	unsigned char byte;

	checkpoint_read(&source, path);
	CHECK_EQUAL(source.chain_count, files);
	CHECK_EQUAL(rf_source_read(&source, (uintptr_t)memory, &byte, 1), 1);
	CHECK_EQUAL(byte, memory[0]);
	CHECK_EQUAL(rf_statefile_check(&source, &report), 0);
	rf_source_close(&source);
}

static void expect_refused(const char *path, int error, const char *parent)
{
	struct rf_report report;
	struct rf_source source;

	CHECK_EQUAL(open_chain(&source, path, &report), -error);
	dprintf(2, "refused: %s\n", report.sentence);
	if (!strstr(report.sentence, parent))
		test_fail(__FILE__, __LINE__, "\"%s\" does not name %s", report.sentence, parent);
}

/* Flips a bit of the memory's second page where it lies in the file: only the parent holds it. */
static void break_page(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	unsigned char page[TEST_PAGE_BYTES];
	off_t at = 0;

	while (pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page) &&
	       memcmp(page, memory + TEST_PAGE_BYTES, sizeof(page)) != 0)
		at += (off_t)sizeof(page);
	page[100] ^= 4;
	CHECK_EQUAL(pwrite(fd, page, sizeof(page), at), sizeof(page));
	close(fd);
}

static void expect_broken(const char *path, const char *parent)
{
	struct rf_report report;
	struct rf_source source;

	CHECK_EQUAL(open_chain(&source, path, &report), 0);
	CHECK_EQUAL(rf_statefile_check(&source, &report), -EBADMSG);
	dprintf(2, "refused: %s\n", report.sentence);
	CHECK(strstr(report.sentence, parent) && strstr(report.sentence, "offset"));
	rf_source_close(&source);
}

static void move_folder(char *moved, size_t bytes)
{
	snprintf(moved, bytes, "%s-moved", checkpoint_directory());
	CHECK_CALL(rename(checkpoint_directory(), moved));
	test_guard_directory(moved);
}

int main(void)
{
	char moved[96], second[128], first[128], other[128];

	test_begin();
	memory = mmap(NULL, PAGES * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, PAGES * TEST_PAGE_BYTES, 1);
	write_checkpoint(checkpoint_path("first"));
	write_checkpoint(checkpoint_path("second"));
	expect_whole_chain(checkpoint_path("second"), 2);
	move_folder(moved, sizeof(moved));
	snprintf(first, sizeof(first), "%s/first", moved);
	snprintf(second, sizeof(second), "%s/second", moved);
	snprintf(other, sizeof(other), "%s/other", moved);
	expect_whole_chain(second, 2);

	CHECK_CALL(rename(first, other));
	expect_refused(second, ENOENT, first);
	CHECK_CALL(link(second, first)); /* an image, but not the parent */
	expect_refused(second, ESTALE, first);
	CHECK_CALL(unlink(first));
	CHECK_CALL(rename(other, first));
	expect_whole_chain(second, 2);
	break_page(first);
	expect_broken(second, first);
	CHECK_CALL(truncate(first, 5000));
	expect_refused(second, EBADMSG, first);

	test_remove_directory(moved);
	test_forget_directory(moved);
	return test_end();
}
