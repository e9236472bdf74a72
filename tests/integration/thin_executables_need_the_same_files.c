/* SPDX-License-Identifier: MIT */
/*
 * Claim: a thin executable maps the files of its machine and refuses by name to start where one
 * is another; a self-contained one needs none of them; and one that copies its memory gives zeros
 * after MADV_DONTNEED, where others show their bytes again.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/restart.h"

#define FILE_BYTES ((size_t)200000)
#define MEMORY_BYTES ((size_t)1 << 20)
#define EXIT_WRITTEN 42
#define EXIT_ZEROS 24

static void put_file(const char *path, uint64_t seed)
{
	static unsigned char bytes[FILE_BYTES];
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	test_fill(bytes, sizeof(bytes), seed);
	test_write(fd, bytes, sizeof(bytes));
	close(fd);
}

/* Right if the file and the memory are; with 24 if the memory is zero after it was given back. */
static int look(const unsigned char *file, unsigned char *memory, const uint64_t digests[2])
{
	if (test_digest(file, FILE_BYTES) != digests[0] ||
	    test_digest(memory, MEMORY_BYTES) != digests[1])
		return 1;
	if (madvise(memory, MEMORY_BYTES / 2, MADV_DONTNEED) < 0)
		return 2;
	for (size_t i = 0; i < MEMORY_BYTES / 2; i++)
		if (memory[i])
			return test_digest(memory, MEMORY_BYTES) == digests[1] ? RESTART_RIGHT : 3;
	return EXIT_ZEROS;
}

/* The program whose statefile all executables are made of. */
static void write_statefile(const char *path, const char *mapped)
{
	int fd = CHECK_CALL(open(mapped, O_RDONLY | O_CLOEXEC));
	const unsigned char *file =
		CHECK_CALL(mmap(NULL, FILE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0));
	unsigned char *memory = CHECK_CALL(mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	uint64_t digests[2] = { test_digest(file, FILE_BYTES), 0 };
	rfork_crid_t crid;

	close(fd);
	test_fill(memory, MEMORY_BYTES, 2);
	digests[1] = test_digest(memory, MEMORY_BYTES);
	crid = checkpoint_hold(0);
	if (crid == 0)
		_exit(look(file, memory, digests));
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	_exit(EXIT_WRITTEN);
}

static int undump(const char *from, const char *to, const char *option)
{
	const char *program = test_build_path("tools/undump");
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		execl(program, program, "--no-core", from, "-o", to, option, NULL);
		_exit(99);
	}
	return test_wait(pid);
}

int main(void)
{
	static const char *const names[] = { "state", "mapped", "app", "thin", "copied" };
	char paths[5][256];
	pid_t pid;

	test_begin();
	for (unsigned i = 0; i < 5; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s", checkpoint_path(names[i]));
	put_file(paths[1], 1);
	pid = CHECK_CALL(fork());
	if (pid == 0)
		write_statefile(paths[0], paths[1]);
	test_expect_exit(pid, EXIT_WRITTEN);
	CHECK_EQUAL(undump(paths[0], paths[2], "--self-contained"), 0);
	CHECK_EQUAL(undump(paths[0], paths[3], "--thin"), 0);
	CHECK_EQUAL(undump(paths[0], paths[4], "--copy"), 0);
	restart_expect(paths[2]);
	restart_expect(paths[3]);
	test_expect_exit(restart_start(paths[4], NULL), EXIT_ZEROS);
	/* the same bytes in another file do, other bytes do not */
	CHECK_CALL(unlink(paths[1]));
	put_file(paths[1], 1);
	restart_expect(paths[3]);
	put_file(paths[1], 3);
	restart_expect_refusal(paths[3], "mapped");
	restart_expect(paths[2]);
	CHECK_CALL(unlink(paths[1]));
	restart_expect_refusal(paths[3], "mapped");
	restart_expect(paths[2]);
	/* what the statefile does not hold cannot be had any more */
	CHECK(undump(paths[0], paths[2], "--self-contained") != 0);
	restart_expect(paths[2]);
	put_file(paths[1], 1);
	checkpoint_clean(names, 5);
	return test_end();
}
