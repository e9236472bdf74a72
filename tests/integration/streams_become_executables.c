/* SPDX-License-Identifier: MIT */
/*
 * Claim: a checkpoint that is committed to a pipe is a stream, which undump takes from its standard
 * input or from a file, and turns into an executable that goes on; a stream that is cut or changed
 * anywhere, or that is but the increment of another image, is refused, with its name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/image_format.h"
#include "tests/support/checkpoint.h"

#define BYTES (300 * TEST_PAGE_BYTES)
#define RIGHT 23
#define PLACES 60 /* where a stream is spoilt */

static unsigned char memory[BYTES];
static char undump[512], app[512], stream[512], spoilt[512];

static int is_right(void)
{
	uint64_t digest = test_digest(memory, BYTES);

	test_fill(memory, BYTES, 1);
	return digest == test_digest(memory, BYTES) ? RIGHT : RIGHT + 1;
}

/* Exit status of undump, with `input` as its standard input; what it says goes to `text`. */
static int run_undump(int input, const char *file, const char *option, const char *output,
		      char *text, size_t bytes)
{
	int ends[2], status;
	size_t got;
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		dup2(input, STDIN_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execl(undump, "undump", file, option, output, NULL);
		_exit(127);
	}
	close(ends[1]);
	got = test_read(ends[0], text, bytes - 1);
	text[got] = '\0';
	close(ends[0]);
	status = test_wait(pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect_restart(void)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		execl(app, "app", NULL);
		_exit(99);
	}
	test_expect_exit(pid, RIGHT);
	CHECK_CALL(unlink(app));
	CHECK_CALL(unlink(checkpoint_path("app.core")));
}

static void undump_from_pipe(rfork_crid_t crid)
{
	char text[2000];
	int ends[2];

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	CHECK_CALL(rfork_commit(crid, ends[1]));
	close(ends[1]);
	if (run_undump(ends[0], "-", "-o", app, text, sizeof(text)) != 0)
		test_fail(__FILE__, __LINE__, "%s", text);
	close(ends[0]);
	CHECK_CALL(rfork_commit_wait(crid, -1));
	expect_restart();
}

/* Keeps a stream in a file, through a pipe. */
static void keep_stream(rfork_crid_t crid)
{
	static unsigned char buffer[1 << 16];
	int file = CHECK_CALL(open(stream, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	int ends[2];
	size_t got;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	CHECK_CALL(rfork_commit(crid, ends[1]));
	close(ends[1]);
	while ((got = test_read(ends[0], buffer, sizeof(buffer))) > 0)
		test_write(file, buffer, got);
	close(ends[0]);
	close(file);
	CHECK_CALL(rfork_commit_wait(crid, -1));
}

static void undump_from_file(void)
{
	char text[2000];

	if (run_undump(STDIN_FILENO, stream, "-o", app, text, sizeof(text)) != 0)
		test_fail(__FILE__, __LINE__, "%s", text);
	expect_restart();
	CHECK_EQUAL(run_undump(STDIN_FILENO, stream, "--check", NULL, text, sizeof(text)), 0);
}

/* Writes the first `bytes` of the stream, one bit of which is changed at `at`, if that is not
 * beyond them. */
static void spoil(const unsigned char *whole, size_t bytes, size_t at)
{
	int fd = CHECK_CALL(open(spoilt, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	unsigned char changed = at < bytes ? whole[at] ^ (unsigned char)(1u << at % 8) : 0;

	test_write(fd, whole, bytes);
	if (at < bytes)
		CHECK_EQUAL(pwrite(fd, &changed, 1, (off_t)at), 1);
	close(fd);
}

static void expect_refusal(const char *how, size_t at, const char *words)
{
	char text[2000];

	if (run_undump(STDIN_FILENO, spoilt, "--check", NULL, text, sizeof(text)) != 1)
		test_fail(__FILE__, __LINE__, "%s at %zu is accepted: %s", how, at, text);
	if (!strstr(text, spoilt) || !strstr(text, words))
		test_fail(__FILE__, __LINE__, "%s at %zu: %s", how, at, text);
}

static void spoil_everywhere(void)
{
	int fd = CHECK_CALL(open(stream, O_RDONLY | O_CLOEXEC));
	struct stat status;
	unsigned char *whole;
	size_t bytes;

	CHECK_CALL(fstat(fd, &status));
	bytes = (size_t)status.st_size;
	CHECK(bytes > BYTES);
	whole = malloc(bytes);
	CHECK_EQUAL(test_read(fd, whole, bytes), bytes);
	close(fd);
	for (size_t i = 0; i < PLACES; i++) {
		size_t at = i < PLACES / 2 ? i * 7 : bytes / PLACES * i;

		spoil(whole, bytes, at);
		expect_refusal("a change", at, "");
		spoil(whole, at, SIZE_MAX);
		expect_refusal("a cut", at, "");
	}
	free(whole);
}

/* The second record says where the image comes from; it gets a parent, and a digest that vouches
 * for that. */
static void expect_parent_is_missed(void)
{
	static const char parent[] = "parent.state";
	int fd = CHECK_CALL(open(stream, O_RDONLY | O_CLOEXEC));
	struct {
		struct rf_record_header header;
		struct rf_image_origin origin;
		char parent[sizeof(parent) - 1];
	} record;
	const off_t at = sizeof(struct rf_record_header) + sizeof(struct rf_image_head);
	const size_t before = sizeof(record.header) + sizeof(record.origin);
	struct stat status;
	unsigned char *whole;
	size_t bytes;

	CHECK_CALL(fstat(fd, &status));
	bytes = (size_t)status.st_size;
	whole = malloc(bytes);
	CHECK_EQUAL(test_read(fd, whole, bytes), bytes);
	close(fd);
	memcpy(&record, whole + at, before);
	CHECK_EQUAL(record.header.type, RF_RECORD_ORIGIN);
	record.origin.parent[0] = 1;
	record.origin.path_bytes = sizeof(record.parent);
	memcpy(record.parent, parent, sizeof(record.parent));
	record.header.length_bytes = sizeof(record.origin) + sizeof(record.parent);
	record.header.payload_digest = rf_digest64(&record.origin, record.header.length_bytes);
	record.header.header_digest = rf_digest64(&record.header, 24);
	fd = CHECK_CALL(open(spoilt, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	test_write(fd, whole, (size_t)at);
	test_write(fd, &record, before + sizeof(record.parent));
	test_write(fd, whole + at + before, bytes - (size_t)at - before);
	close(fd);
	free(whole);
	expect_refusal("a parent", (size_t)at, parent);
}

int main(void)
{
	static const char *const names[] = { "stream", "spoilt" };
	rfork_crid_t crid;

	test_begin();
	signal(SIGPIPE, SIG_IGN);
	snprintf(undump, sizeof(undump), "%s", test_build_path("tools/undump"));
	snprintf(app, sizeof(app), "%s", checkpoint_path("app"));
	snprintf(stream, sizeof(stream), "%s", checkpoint_path("stream"));
	snprintf(spoilt, sizeof(spoilt), "%s", checkpoint_path("spoilt"));
	CHECK_CALL(chdir("/"));
	test_fill(memory, BYTES, 1);
	crid = checkpoint_hold(0);
	if (crid == 0)
		_exit(is_right());
	memset(memory, 0, BYTES);
	undump_from_pipe(crid);
	keep_stream(crid);
	undump_from_file();
	spoil_everywhere();
	expect_parent_is_missed();
	CHECK_CALL(rfork_discard(crid));
	checkpoint_clean(names, 2);
	return test_end();
}
