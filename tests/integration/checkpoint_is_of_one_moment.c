/* SPDX-License-Identifier: MIT */
/*
 * Claim: what is committed is the memory of the moment of the checkpoint, whatever the program
 * has written since, memory that it shares with others too; several checkpoints are held at a
 * time, each of its own moment, and one may be written more than once.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/statefile.h"
#include "tests/support/checkpoint.h"

#define BYTES (8 * TEST_PAGE_BYTES)
#define MOMENTS 3

static unsigned char *own, *shared, *named;
static unsigned char expected[MOMENTS][3][BYTES];

static void *map(int flags, int fd)
{
	void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void make_memory(void)
{
	int fd = CHECK_CALL(memfd_create("shared", MFD_CLOEXEC));

	CHECK_CALL(ftruncate(fd, BYTES));
	own = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	shared = map(MAP_SHARED | MAP_ANONYMOUS, -1);
	named = map(MAP_SHARED, fd);
	close(fd);
}

/* Fills the memory so that no page is the same at any two moments. */
static void fill(unsigned moment)
{
	unsigned char *memory[] = { own, shared, named };

	for (unsigned i = 0; i < 3; i++)
		test_fill(memory[i], BYTES, 1 + 3 * moment + i);
	for (unsigned i = 0; i < 3 && moment < MOMENTS; i++)
		test_fill(expected[moment][i], BYTES, 1 + 3 * moment + i);
}

/* The expectations are in the test's own memory, and so in each file; they are cleared in the
 * image. */
static rfork_crid_t hold(unsigned moment)
{
	rfork_crid_t crid;

	fill(moment);
	memset(expected, 0, sizeof(expected));
	crid = checkpoint_hold(0);
	CHECK(crid > 0);
	return crid;
}

static void check_file(const char *path, unsigned moment)
{
	struct rf_statefile_note note;
	struct rf_report report = { 0 };
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	struct stat status;

	if (rf_statefile_find_note(fd, path, &note, NULL, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	CHECK_CALL(fstat(fd, &status));
	CHECK_EQUAL(status.st_mode & 07777, 0600);
	close(fd);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned other = 0; other <= MOMENTS; other++) {
			test_fill(expected[0][0], BYTES, 1 + 3 * other + i);
			CHECK_EQUAL(checkpoint_file_has(path, expected[0][0], BYTES),
				    other == moment);
		}
}

int main(void)
{
	static const char *const names[] = { "0", "1", "2", "again" };
	rfork_crid_t crids[MOMENTS];

	test_begin();
	make_memory();
	for (unsigned i = 0; i < MOMENTS; i++)
		crids[i] = hold(i);
	fill(MOMENTS);
	for (unsigned i = MOMENTS; i-- > 0;)
		checkpoint_write(crids[i], checkpoint_path(names[i]));
	checkpoint_write(crids[1], checkpoint_path("again"));
	for (unsigned i = 0; i < MOMENTS; i++) {
		check_file(checkpoint_path(names[i]), i);
		CHECK_CALL(rfork_discard(crids[i]));
		checkpoint_expect_failure(rfork_discard(crids[i]), EINVAL, "no checkpoint");
	}
	check_file(checkpoint_path("again"), 1);
	checkpoint_clean(names, 4);
	return test_end();
}
