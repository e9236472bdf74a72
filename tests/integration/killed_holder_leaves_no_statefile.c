/* SPDX-License-Identifier: MIT */
/*
 * Claim: when the process that writes a checkpoint is killed, the file of before is untouched;
 * what it has left beside it is refused as never finished, and the next commit to the same name
 * removes it, but not a file that another holder is still writing.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/source.h"
#include "rfork/statefile.h"
#include "tests/support/checkpoint.h"

#define MEMORY_BYTES ((size_t)32 << 20)
#define TRIES 50

/* The name of what lies beside the file; false if nothing does. */
static bool find_leftover(char name[300])
{
	DIR *directory = opendir(checkpoint_directory());
	struct dirent *entry;
	bool found = false;

	CHECK(directory);
	while ((entry = readdir(directory)))
		if (!strncmp(entry->d_name, "state.rfork-", 12)) {
			snprintf(name, 300, "%s", entry->d_name);
			found = true;
		}
	closedir(directory);
	return found;
}

static void kill_while_writing(const char *path)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CLOEXEC));
	rfork_crid_t crid = checkpoint_hold(RFORK_CLOSE_OTHERS);
	pid_t holder = checkpoint_holder(crid);

	CHECK_CALL(rfork_commit(crid, fd));
	CHECK_CALL(kill(holder, SIGKILL));
	close(fd);
	if (rfork_discard(crid) < 0)
		CHECK_EQUAL(errno, ECONNRESET);
}

static void expect_unfinished(const char *path)
{
	struct rf_statefile_note note;
	struct rf_report report = { 0 };
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));

	CHECK(rf_statefile_find_note(fd, path, &note, NULL, &report) < 0);
	dprintf(2, "refused: %s\n", report.sentence);
	close(fd);
}

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
	char leftover[300];
	rfork_crid_t crid;
	unsigned tries;
	void *memory;
	int fd;

	test_begin();
	path = checkpoint_path("state");
	crid = checkpoint_hold(0);
	checkpoint_write(crid, path);
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, MEMORY_BYTES, 1);
	for (tries = 0; tries < TRIES && !find_leftover(leftover); tries++)
		kill_while_writing(path);
	CHECK(tries < TRIES);
	expect_statefile(path);
	expect_unfinished(checkpoint_path(leftover));
	fd = CHECK_CALL(open(checkpoint_path(leftover), O_RDWR | O_CLOEXEC));
	CHECK_CALL(flock(fd, LOCK_SH)); /* as if somebody still wrote it */
	checkpoint_write(crid, path);
	CHECK(find_leftover(leftover));
	close(fd);
	checkpoint_write(crid, path);
	CHECK(!find_leftover(leftover));
	expect_statefile(path);
	CHECK_CALL(rfork_discard(crid));
	checkpoint_clean(names, 1);
	return test_end();
}
