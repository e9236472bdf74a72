/* SPDX-License-Identifier: MIT */
/*
 * files_of_a_network HOST FOLDER proved|unproved
 *
 * A process whose child runs on another machine that has the same FOLDER, and what becomes there of
 * files that are open or mapped.  `proved`: each machine sees the locks of the other, as with NFS;
 * `unproved`: it does not.  Run by files_of_a_network_travel.sh.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/support/entries.h"
#include "tests/support/footprint.h"

#define FILES 100
#define READ 20
#define WRITTEN 21
#define DUPLICATE 22
#define DIRECTORY 23

static const char bytes[] = "what both machines read in this file";

static struct rfork_options options = { .size = sizeof(options),
					.flags = RFORK_INSECURE_PLAINTEXT };
static const char *host;
static struct utsname home;
static unsigned seen[FILES];

static void place(int fd, int number)
{
	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, number));
	close(fd);
}

static void make_file(const char *path, const char *text)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	test_write(fd, text, strlen(text));
	CHECK_CALL(close(fd));
}

static void make_files(const char *folder)
{
	char path[32];

	CHECK_CALL(chdir(folder));
	CHECK_CALL(mkdir("place", 0700));
	CHECK_CALL(chdir("place"));
	make_file("read", bytes);
	make_file("written", "0123456789");
	make_file("mapped", bytes);
	CHECK_CALL(mkdir("many", 0700));
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		make_file(path, "");
	}
}

static void remove_files(void)
{
	char path[32];

	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		CHECK_CALL(unlink(path));
	}
	CHECK_CALL(rmdir("many"));
	CHECK_CALL(unlink("read"));
	CHECK_CALL(unlink("written"));
	CHECK_CALL(unlink("mapped"));
	CHECK_CALL(chdir(".."));
	CHECK_CALL(rmdir("place"));
}

static void expect_text(const char *path, const char *expected)
{
	char text[64];
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));

	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	close(fd);
	CHECK_TEXT(text, expected);
}

static void expect_elsewhere(void)
{
	struct utsname here;

	CHECK_CALL(uname(&here));
	CHECK(strcmp(here.nodename, home.nodename) != 0);
	printf("at %s, Linux %s\n", here.nodename, here.release);
	CHECK_EQUAL(fflush(stdout), 0);
}

static pid_t leave_returns_twice(void)
{
	char list[2048] = "";
	int refusals = rfork_check(host, &options, list, sizeof(list));
	pid_t pid = rfork_with(host, &options);

	if (pid < 0)
		test_fail(__FILE__, __LINE__, "%s", rfork_error());
	if (refusals)
		test_fail(__FILE__, __LINE__, "%d refusals: %s", refusals, list);
	if (!pid)
		expect_elsewhere();
	return pid;
}

/* What is only read: an open file, two mappings, the working directory. */
static void check_read(void)
{
	size_t length = strlen(bytes);
	char text[64] = "", *shown, *own;
	pid_t pid;

	place(open("read", O_RDONLY), READ);
	CHECK_EQUAL(lseek(READ, 5, SEEK_SET), 5);
	shown = mmap(NULL, length, PROT_READ, MAP_SHARED, READ, 0);
	own = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, READ, 0);
	CHECK(shown != MAP_FAILED && own != MAP_FAILED);
	own[0] = 'W';
	pid = leave_returns_twice();
	if (!pid) {
		CHECK_EQUAL(test_read(READ, text, sizeof(text)), length - 5);
		CHECK(memcmp(text, bytes + 5, length - 5) == 0);
		CHECK(memcmp(shown, bytes, length) == 0);
		CHECK(own[0] == 'W' && memcmp(own + 1, bytes + 1, length - 1) == 0);
		expect_text("read", bytes);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_CALL(munmap(shown, length));
	CHECK_CALL(munmap(own, length));
	close(READ);
}

/* What is written there is in the file here. */
static void check_written(void)
{
	pid_t pid;

	place(open("written", O_RDWR), WRITTEN);
	CHECK_CALL(dup2(WRITTEN, DUPLICATE));
	CHECK_EQUAL(lseek(WRITTEN, 4, SEEK_SET), 4);
	pid = leave_returns_twice();
	if (!pid) {
		CHECK_EQUAL(write(WRITTEN, "A", 1), 1);
		CHECK_EQUAL(write(DUPLICATE, "B", 1), 1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	close(WRITTEN);
	close(DUPLICATE);
	expect_text("written", "0123AB6789");
}

/* Its position means the same on both. */
static void check_directory(void)
{
	pid_t pid;

	place(open("many", O_RDONLY | O_DIRECTORY), DIRECTORY);
	CHECK(test_read_entries(DIRECTORY, seen, FILES));
	pid = leave_returns_twice();
	if (!pid) {
		while (test_read_entries(DIRECTORY, seen, FILES))
			;
		for (int i = 0; i < FILES; i++)
			CHECK_EQUAL(seen[i], 1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	close(DIRECTORY);
}

static void expect_refusal(const char *object)
{
	char list[2048];

	CHECK_EQUAL(rfork_check(host, &options, list, sizeof(list)), 1);
	printf("%s", list);
	CHECK_EQUAL(fflush(stdout), 0);
	CHECK(strncmp(list, object, strlen(object)) == 0);
	*strchr(list, '\n') = '\0';
	footprint_expect_refusal(host, &options, ENOTSUP, list);
}

static void refuse_written(void)
{
	place(open("written", O_RDWR), WRITTEN);
	expect_refusal("descriptor 21 (");
	CHECK(strstr(rfork_error(), "written): on the node: what has that path is not provably"));
	close(WRITTEN);
}

/* Machines see what others write into a mapping late, or never: it would not be shared memory. */
static void refuse_shared(void)
{
	int fd = CHECK_CALL(open("mapped", O_RDWR | O_CLOEXEC));
	char *memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char object[64];

	CHECK(memory != MAP_FAILED);
	close(fd);
	snprintf(object, sizeof(object), "mapping %lx-%lx (", (unsigned long)memory,
		 (unsigned long)memory + TEST_PAGE_BYTES);
	expect_refusal(object);
	CHECK_CALL(munmap(memory, TEST_PAGE_BYTES));
}

int main(int argc, char **argv)
{
	bool is_proved;

	test_begin();
	if (argc != 4)
		test_skip("it needs a folder that two machines have");
	host = argv[1];
	options.timeout_ms = TEST_DEADLINE_MS;
	is_proved = strcmp(argv[3], "proved") == 0;
	CHECK_CALL(uname(&home));
	make_files(argv[2]);
	check_read();
	if (is_proved) {
		check_written();
		check_directory();
	} else {
		refuse_written();
	}
	refuse_shared();
	remove_files();
	return test_end();
}
