/* SPDX-License-Identifier: MIT */
/*
 * Claim: an incremental checkpoint is whole where it could not be put together again: the one
 * before was not written, could not be, is gone, or is to be replaced by it; or it goes where no
 * name leads to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/statefile_reader.h"
#include "tests/support/checkpoint.h"

#define LOWEST TEST_PAGE_BYTES
#define HIGHEST ((UINT64_C(1) << 47) - TEST_PAGE_BYTES)

static unsigned char *memory;

static rfork_crid_t hold(void)
{
	rfork_crid_t crid;

	memory[0]++;
	crid = checkpoint_hold(RFORK_INCREMENTAL);
	CHECK(crid > 0);
	return crid;
}

static void expect_chain(const char *name, size_t files)
{
	struct rf_source source;
	unsigned char byte;

	checkpoint_read(&source, checkpoint_path(name));
	CHECK_EQUAL(source.chain_count, files);
	CHECK_EQUAL(rf_source_read(&source, (uintptr_t)memory, &byte, 1), 1);
	CHECK_EQUAL(byte, memory[0]);
	rf_source_close(&source);
}

/* Writes the next checkpoint, and expects so many files in its chain. */
static void expect_next(const char *name, size_t files)
{
	rfork_crid_t crid = hold();

	checkpoint_write(crid, checkpoint_path(name));
	CHECK_CALL(rfork_discard(crid));
	expect_chain(name, files);
}

static void check_discarded(void)
{
	expect_next("a", 1);
	expect_next("b", 2);
	CHECK_CALL(rfork_discard(hold())); /* never written */
	expect_next("c", 1);
	expect_next("d", 2);
}

/* No file may become longer than a page, for the holder above all. */
static void check_failed(void)
{
	struct rlimit none = { TEST_PAGE_BYTES, RLIM_INFINITY };
	rfork_crid_t crid = hold();
	pid_t holder = checkpoint_holder(crid);
	int fd = CHECK_CALL(open(checkpoint_path("e"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));

	CHECK_CALL(prlimit(holder, RLIMIT_FSIZE, &none, NULL));
	CHECK_CALL(rfork_commit(crid, fd));
	close(fd);
	checkpoint_expect_failure(rfork_discard(crid), EFBIG, "e");
	expect_next("f", 1);
}

static void check_replaced(void)
{
	expect_next("f2", 2);
	expect_next("f", 1); /* which "f2" needed: it is the program's wish */
	expect_next("g", 2);
	CHECK_CALL(unlink(checkpoint_path("f")));
	expect_next("h", 1);
	expect_next("h2", 2);
	CHECK_CALL(rename(checkpoint_path("c"), checkpoint_path("h"))); /* another image */
	expect_next("h3", 1);
}

/* Nobody waits for the first commit. */
static void check_unheard(void)
{
	rfork_crid_t crid = hold(), next;
	int fd = CHECK_CALL(open(checkpoint_path("i"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));

	CHECK_CALL(rfork_commit(crid, fd));
	close(fd);
	next = hold();
	checkpoint_write(next, checkpoint_path("j"));
	expect_chain("j", 3);
	CHECK_CALL(rfork_commit_wait(crid, 0)); /* it is told all the same */
	CHECK_CALL(rfork_discard(crid));
	CHECK_CALL(rfork_discard(next));
}

static void check_nameless(void)
{
	struct rf_report report = { 0 };
	struct rf_source source;
	rfork_crid_t crid = hold();
	int fd = CHECK_CALL(memfd_create("nameless", MFD_CLOEXEC));

	CHECK_CALL(rfork_commit(crid, fd));
	CHECK_CALL(rfork_commit_wait(crid, TEST_DEADLINE_MS));
	if (rf_statefile_open_fd(&source, fd, "nameless", LOWEST, HIGHEST, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	CHECK_EQUAL(source.chain_count, 1);
	rf_source_close(&source);
	close(fd);
	CHECK_CALL(rfork_discard(crid));
	expect_next("k", 1);
}

/* A fork child begins anew, and disturbs nobody. */
static void check_child(void)
{
	pid_t child = CHECK_CALL(fork());
	int status;

	if (child == 0) {
		expect_next("l", 1);
		expect_next("m", 2);
		_exit(0);
	}
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	CHECK_EQUAL(status, 0);
	expect_next("n", 2);
}

int main(void)
{
	test_begin();
	memory = mmap(NULL, 16 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	check_discarded();
	check_failed();
	check_replaced();
	check_unheard();
	check_nameless();
	check_child();
	test_remove_directory(checkpoint_directory());
	test_forget_directory(checkpoint_directory());
	return test_end();
}
