/* SPDX-License-Identifier: MIT */
/*
 * Claim: a checkpoint that is taken with RFORK_SELF_CONTAINED and RFORK_COPY_FILES, and discarded, is
 * refused with the sentence with which rfork_undump() is, and taken where that writes an executable;
 * neither leaves anything behind.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/footprint.h"

static void expect_refusal(const char *words)
{
	static struct footprint before;
	char sentence[4096];
	const char *path = checkpoint_path("app");
	struct stat status;

	footprint_take(&before);
	footprint_take(&before);
	CHECK_EQUAL(rfork_checkpoint(RFORK_SELF_CONTAINED | RFORK_COPY_FILES), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	snprintf(sentence, sizeof(sentence), "%s", rfork_error());
	if (!strstr(sentence, words))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say %s", sentence, words);
	CHECK_EQUAL(rfork_undump(path), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	CHECK_TEXT(rfork_error(), sentence);
	CHECK_EQUAL(stat(path, &status), -1);
	footprint_expect(&before);
}

static void expect_service(void)
{
	rfork_crid_t crid = rfork_checkpoint(RFORK_SELF_CONTAINED | RFORK_COPY_FILES);
	int result;

	if (crid == 0)
		_exit(0);
	CHECK(crid > 0);
	CHECK_CALL(rfork_discard(crid));
	result = CHECK_CALL(rfork_undump(checkpoint_path("app")));
	if (result == 0)
		_exit(0);
	CHECK_CALL(unlink(checkpoint_path("app")));
}

static void refuse_process(void)
{
	int fd = CHECK_CALL(pidfd_open(getppid(), 0));
	char words[96];

	snprintf(words, sizeof(words), "descriptor %d (anon_inode:[pidfd]): process %d, which", fd,
		 (int)getppid());
	expect_refusal(words);
	close(fd);
}

static void refuse_shared_file(void)
{
	int fd = CHECK_CALL(open(checkpoint_path("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	void *memory;
	char words[64];

	CHECK_CALL(ftruncate(fd, TEST_PAGE_BYTES));
	memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(memory != MAP_FAILED);
	close(fd);
	snprintf(words, sizeof(words), "mapping %lx-%lx (", (unsigned long)memory,
		 (unsigned long)memory + TEST_PAGE_BYTES);
	expect_refusal(words);
	CHECK_CALL(munmap(memory, TEST_PAGE_BYTES));
}

int main(void)
{
	static const char *const names[] = { "file" };

	test_begin();
	expect_service();
	refuse_process();
	refuse_shared_file();
	expect_service();
	checkpoint_clean(names, 1);
	return test_end();
}
