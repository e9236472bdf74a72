/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump --check calls the statefile of a real process whole; whichever byte of its head or
 * records is changed, whichever page of its memory, and wherever the file ends, it says so with the
 * offset of a fault, and never crashes.  A core that is cut off is told as well.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/statefile.h"
#include "tests/support/checkpoint.h"

#define DATA_STEP 40961 /* a prime, so that all places in a page have their turn */
#define CUTS 40

static char answer[1024];

/* Runs undump --check; its exit status, and what it said. */
static int check(const char *path)
{
	static char undump[256];
	char *arguments[] = { undump, "--check", (char *)path, NULL };
	size_t used = 0;
	ssize_t got;
	int status, ends[2];
	pid_t pid;

	snprintf(undump, sizeof(undump), "%s/tools/undump", getenv("RFORK_BUILD"));
	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execv(undump, arguments);
		_exit(127);
	}
	close(ends[1]);
	while ((got = read(ends[0], answer + used, sizeof(answer) - 1 - used)) > 0)
		used += (size_t)got;
	answer[used] = '\0';
	close(ends[0]);
	CHECK_EQUAL(CHECK_CALL(waitpid(pid, &status, 0)), pid);
	if (!WIFEXITED(status))
		test_fail(__FILE__, __LINE__, "undump ended with %#x: %s", status, answer);
	return WEXITSTATUS(status);
}

static void expect_fault(const char *path, const char *what, off_t at)
{
	const char *offset;

	CHECK_EQUAL(check(path), 1);
	offset = strstr(answer, ": offset ");
	if (!strstr(answer, path) || !offset || strtol(offset + 9, NULL, 10) < 0 ||
	    strchr(answer, '\n') != answer + strlen(answer) - 1)
		test_fail(__FILE__, __LINE__, "%s at %lld: %s", what, (long long)at, answer);
}

static void flip(const char *path, int fd, off_t at)
{
	unsigned char byte;

	CHECK_EQUAL(pread(fd, &byte, 1, at), 1);
	byte ^= (unsigned char)(1u << at % 8);
	CHECK_EQUAL(pwrite(fd, &byte, 1, at), 1);
	expect_fault(path, "a flipped bit", at);
	byte ^= (unsigned char)(1u << at % 8);
	CHECK_EQUAL(pwrite(fd, &byte, 1, at), 1);
}

/* The offset that the last answer named. */
static uint64_t named_offset(void)
{
	return strtoul(strstr(answer, ": offset ") + 9, NULL, 10);
}

static void flip_everywhere(const char *path, int fd, const struct rf_statefile_note *note)
{
	off_t records = (off_t)note->records_offset;

	for (off_t at = 0; at < RF_STATEFILE_HEAD_BYTES; at++)
		flip(path, fd, at);
	for (off_t at = TEST_PAGE_BYTES; at < records; at += DATA_STEP) {
		flip(path, fd, at);
		/* the fault is in the same chunk, and no later than the flip */
		CHECK(named_offset() <= (uint64_t)at &&
		      (uint64_t)at - named_offset() < RF_CHUNK_BYTES);
	}
	for (off_t at = records; at < (off_t)note->file_bytes; at += 23)
		flip(path, fd, at);
}

/* The file as a copy that ends early. */
static void cut(const char *path, const char *short_path, off_t bytes)
{
	int from = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	int to = CHECK_CALL(open(short_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	off_t at = 0;

	while (at < bytes) {
		ssize_t got = copy_file_range(from, &at, to, NULL, (size_t)(bytes - at), 0);

		CHECK(got > 0);
	}
	close(from);
	close(to);
}

static void cut_everywhere(const char *path, const char *short_path)
{
	struct stat status;

	CHECK_CALL(stat(path, &status));
	for (off_t bytes = 0; bytes < 208; bytes += 13) {
		cut(path, short_path, bytes);
		expect_fault(short_path, "cut off", bytes);
	}
	for (off_t i = 0; i < CUTS; i++) {
		off_t bytes = 208 + (status.st_size - 208) * i / CUTS;

		cut(path, short_path, bytes);
		expect_fault(short_path, "cut off", bytes);
		CHECK_EQUAL(named_offset(), bytes);
	}
	cut(path, short_path, status.st_size - 1);
	expect_fault(short_path, "cut off", status.st_size - 1);
}

int main(void)
{
	static const char *const names[] = { "x.state", "short" };
	const char *path = checkpoint_path(names[0]), *short_path = checkpoint_path(names[1]);
	struct rf_report report = { 0 };
	struct rf_statefile_note note;
	rfork_crid_t crid;
	int fd;

	test_begin();
	crid = checkpoint_hold(0);
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	CHECK_EQUAL(check(path), 0);
	CHECK(strstr(answer, "x.state: whole\n") && strstr(answer, "1 thread,"));
	fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	CHECK_EQUAL(rf_statefile_find_note(fd, path, &note, NULL, &report), 0);
	flip_everywhere(path, fd, &note);
	cut_everywhere(path, short_path);
	CHECK_EQUAL(check(path), 0);
	close(fd);
	checkpoint_clean(names, 2);
	return test_end();
}
