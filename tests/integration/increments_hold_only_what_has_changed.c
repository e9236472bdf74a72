/* SPDX-License-Identifier: MIT */
/*
 * Claim: an incremental checkpoint holds the pages that were written, and no others; what was
 * dropped is zero, and costs nothing; what a fork child was not to see the last time is held when
 * it is to be seen again.  With write tracking, and by comparing, which does not hold what was
 * written with the same bytes either.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rfork/statefile_reader.h"
#include "tests/support/checkpoint.h"

#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#define PAGES 4096ul
#define BYTES (PAGES * TEST_PAGE_BYTES)
/* Of the doings of the test itself, which reads what is written, and of the library. */
#define SPARE 400ul

static unsigned char *memory;

/* Checkpoints into the file of this number. */
static void checkpoint(struct rf_source *source, unsigned number)
{
	rfork_crid_t crid = checkpoint_hold(RFORK_INCREMENTAL);
	char name[16];

	CHECK(crid > 0);
	snprintf(name, sizeof(name), "%u", number);
	checkpoint_write(crid, checkpoint_path(name));
	CHECK_CALL(rfork_discard(crid));
	checkpoint_read(source, checkpoint_path(name));
	CHECK_EQUAL(source->chain_count, number + 1);
}

/* What its own file holds of the memory of the test, or of all; of a kind, in pages. */
static unsigned long count_pages(const struct rf_source *source, enum rf_segment_kind kind,
				 bool of_all)
{
	const struct rf_reader_index *index = &source->chain[0].index;
	unsigned long pages = 0;

	for (size_t i = 0; i < index->segment_count; i++) {
		const struct rf_image_segment *segment = &index->segments[i];
		bool is_ours = segment->address >= (uintptr_t)memory &&
			       segment->address < (uintptr_t)memory + BYTES;

		if (segment->kind == (uint32_t)kind && (is_ours || of_all))
			pages += segment->bytes / TEST_PAGE_BYTES;
	}
	return pages;
}

static void expect_page(struct rf_source *source, unsigned long page, const void *expected)
{
	unsigned char bytes[TEST_PAGE_BYTES];

	CHECK_EQUAL(rf_source_read(source, (uintptr_t)memory + page * TEST_PAGE_BYTES, bytes,
				   sizeof(bytes)),
		    sizeof(bytes));
	CHECK(memcmp(bytes, expected, sizeof(bytes)) == 0);
}

static void expect(unsigned number, unsigned long data, unsigned long zero)
{
	struct rf_source source;

	checkpoint(&source, number);
	CHECK_EQUAL(count_pages(&source, RF_SEGMENT_DATA, false), data);
	CHECK_EQUAL(count_pages(&source, RF_SEGMENT_ZERO, false), zero);
	if (number && data < PAGES)
		CHECK(count_pages(&source, RF_SEGMENT_DATA, true) < data + SPARE);
	rf_source_close(&source);
}

static void check_writes(bool is_tracked)
{
	expect(0, PAGES, 0);
	expect(1, 0, 0);
	for (unsigned long page = 0; page < 40; page++)
		memory[page * 97 * TEST_PAGE_BYTES] += 1;
	expect(2, 40, 0);
	*(volatile unsigned char *)memory = memory[0]; /* the same bytes */
	expect(3, is_tracked ? 1 : 0, 0);
	CHECK_CALL(madvise(memory, 100 * TEST_PAGE_BYTES, MADV_DONTNEED));
	expect(4, 0, 100);
	expect(5, 0, 0);
	memset(memory, 7, 50 * TEST_PAGE_BYTES);
	expect(6, 50, 0);
}

/* A child has zeros in place of what is hidden from it, though the process goes on having it. */
static void check_hidden(void)
{
	unsigned char *hidden = memory + 1000 * TEST_PAGE_BYTES;
	unsigned char expected[TEST_PAGE_BYTES];
	struct rf_source source;

	memcpy(expected, hidden, sizeof(expected));
	CHECK_CALL(madvise(hidden, 10 * TEST_PAGE_BYTES, MADV_WIPEONFORK));
	expect(7, 0, 10);
	CHECK_CALL(madvise(hidden, 10 * TEST_PAGE_BYTES, MADV_KEEPONFORK));
	checkpoint(&source, 8);
	CHECK_EQUAL(count_pages(&source, RF_SEGMENT_DATA, false), 10);
	expect_page(&source, 1000, expected);
	rf_source_close(&source);
}

static void check(bool is_tracked)
{
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	CHECK_CALL(madvise(memory, BYTES, MADV_NOHUGEPAGE));
	test_fill(memory, BYTES, 1);
	check_writes(is_tracked);
	check_hidden();
	test_remove_directory(checkpoint_directory());
	test_forget_directory(checkpoint_directory());
}

/* Linux 6.7, where it is not forbidden. */
static bool has_tracking(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	bool has = fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0;

	if (fd >= 0)
		close(fd);
	dprintf(2, "writes are %s here\n", has ? "tracked" : "not tracked");
	return has;
}

int main(int argc, char **argv)
{
	(void)argc;
	test_begin();
	if (getenv("RFORK_NO_TRACKING")) {
		check(false);
		return test_end();
	}
	check(has_tracking());
	CHECK_CALL(setenv("RFORK_NO_TRACKING", "1", 1));
	execv("/proc/self/exe", argv);
	test_fail(__FILE__, __LINE__, "execv: %m");
}
