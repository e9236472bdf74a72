/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump --check calls the statefile of a real process whole, and the executable made of
 * it; whichever byte of head or records is changed, whichever page of its memory, and wherever
 * the file ends, it says so with the offset of a fault, and never crashes.  A core that is cut
 * off is told as well.
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

/* Runs undump with these arguments; its exit status, and what it said. */
static int run(char *const arguments[])
{
	size_t used = 0;
	ssize_t got;
	int status, ends[2];
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execv(arguments[0], arguments);
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

static char *undump(void)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/tools/undump", getenv("RFORK_BUILD"));
	return path;
}

static int check(const char *path)
{
	return run((char *[]){ undump(), "--check", (char *)path, NULL });
}

static void write_by_undump(char *const arguments[], const char *what)
{
	if (run(arguments) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", what, answer);
}

static void expect_whole(const char *path, const char *facts)
{
	if (check(path) != 0 || !strstr(answer, path) || !strstr(answer, ": whole") ||
	    !strstr(answer, facts))
		test_fail(__FILE__, __LINE__, "%s, not \"%s\"", answer, facts);
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

/* The first bytes one by one, then of each part some. */
static void flip_everywhere(const char *path)
{
	struct rf_report report = { 0 };
	struct rf_statefile_note note;
	int fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	off_t head, records;

	CHECK_EQUAL(rf_statefile_find_note(fd, path, &note, NULL, &report), 0);
	head = (off_t)note.head_pages * (off_t)TEST_PAGE_BYTES;
	records = (off_t)note.records_offset;
	for (off_t at = 0; at < head; at += at < RF_STATEFILE_HEAD_BYTES ? 1 : 1021)
		flip(path, fd, at);
	for (off_t at = head; at < records; at += DATA_STEP) {
		flip(path, fd, at);
		/* the fault is in the same chunk, and no later than the flip */
		CHECK(named_offset() <= (uint64_t)at &&
		      (uint64_t)at - named_offset() < RF_CHUNK_BYTES);
	}
	for (off_t at = records; at < (off_t)note.file_bytes; at += 23)
		flip(path, fd, at);
	close(fd);
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

/* Cuts at every 13th byte up to `first`, then at CUTS places up to the end. */
static void cut_everywhere(const char *path, const char *short_path, off_t first)
{
	struct stat status;

	CHECK_CALL(stat(path, &status));
	for (off_t bytes = 0; bytes < first; bytes += 13) {
		cut(path, short_path, bytes);
		expect_fault(short_path, "cut off", bytes);
	}
	for (off_t i = 0; i < CUTS; i++) {
		off_t bytes = first + (status.st_size - first) * i / CUTS;

		cut(path, short_path, bytes);
		expect_fault(short_path, "cut off", bytes);
		CHECK_EQUAL(named_offset(), bytes);
	}
	cut(path, short_path, status.st_size - 1);
	expect_fault(short_path, "cut off", status.st_size - 1);
}

static void write_statefile(const char *path)
{
	rfork_crid_t crid = checkpoint_hold(0);

	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
}

int main(void)
{
	static const char *const names[] = { "x.state", "app", "app.core", "short" };
	const char *state = checkpoint_path(names[0]), *app = checkpoint_path(names[1]);
	const char *core = checkpoint_path(names[2]), *short_path = checkpoint_path(names[3]);

	test_begin();
	write_statefile(state);
	write_by_undump((char *[]){ undump(), (char *)state, "-o", (char *)app, NULL }, app);
	expect_whole(state, "statefile of process ");
	expect_whole(app, "executable of process ");
	flip_everywhere(state);
	flip_everywhere(app);
	cut_everywhere(state, short_path, RF_STATEFILE_HEAD_BYTES);
	cut_everywhere(app, short_path, RF_STATEFILE_HEAD_BYTES);
	expect_whole(state, "1 thread,");
	expect_whole(app, "1 thread,");
	write_by_undump((char *[]){ undump(), "--core", (char *)state, "-o", (char *)core, NULL },
			core);
	expect_whole(core, "core of 1 thread,");
	cut_everywhere(core, short_path, 64);
	checkpoint_clean(names, 4);
	return test_end();
}
