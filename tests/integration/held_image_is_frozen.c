/* SPDX-License-Identifier: MIT */
/*
 * Claim: nothing in the image changes between the checkpoint and the last byte of any commit of
 * it; a holder that does change it is found out, and what was there is not replaced.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "rfork/source.h"
#include "tests/support/checkpoint.h"

static void expect_statefile(const char *path)
{
	struct rf_source source;

	checkpoint_read(&source, path);
	rf_source_close(&source);
}

int main(void)
{
	static const char *const names[] = { "state" };
	const char *path;
	rfork_crid_t crid;
	int fd;

	test_begin();
	path = checkpoint_path("state");
	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "1", 1));
	crid = checkpoint_hold(0);
	checkpoint_write(crid, path);
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "break", 1));
	crid = checkpoint_hold(0);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CLOEXEC));
	CHECK_CALL(rfork_commit(crid, fd));
	close(fd);
	checkpoint_expect_failure(rfork_commit_wait(crid, TEST_DEADLINE_MS), EIO, "changed");
	expect_statefile(path);
	CHECK_CALL(rfork_discard(crid));
	checkpoint_clean(names, 1);
	return test_end();
}
