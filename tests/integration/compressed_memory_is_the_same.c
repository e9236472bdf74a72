/* SPDX-License-Identifier: MIT */
/*
 * Claim: with each compression memory arrives as it was, dense or scattered, compressible or not,
 * and what can be compressed goes in fewer bytes, the bytes of files as well; without, and with RFORK_COMPRESS_AUTO within one
 * machine, it goes as it is.  The compressors change nothing of the image.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/proxy.h"

#define MIB (1ul << 20)

struct part {
	unsigned char *memory;
	size_t bytes;
	uint64_t digest;
};

static struct part noise, text, scattered, locked;
static struct part file; /* what a memfd holds, while that is looked at */
static int file_fd;
static uint64_t file_digest;

static struct part map(size_t bytes)
{
	struct part part = { .memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
			     .bytes = bytes };

	CHECK(part.memory != MAP_FAILED);
	return part;
}

/* Words of a small vocabulary. */
static void write_text(unsigned char *memory, size_t bytes)
{
	uint64_t state = 7;

	for (size_t at = 0; at < bytes; at += 8) {
		char word[16];

		snprintf(word, sizeof(word), "%07u ", (unsigned)(test_random(&state) % 1000));
		memcpy(memory + at, word, 8);
	}
}

/* A file whose bytes travel: text, and an end that is no whole page. */
static void build_file(void)
{
	file = map(4 * MIB);
	file.bytes -= 1000;
	write_text(file.memory, file.bytes / 8 * 8);
	file_digest = test_digest(file.memory, file.bytes);
	file_fd = CHECK_CALL(memfd_create("file", MFD_CLOEXEC));
	test_write(file_fd, file.memory, file.bytes);
	CHECK_CALL(munmap(file.memory, 4 * MIB));
}

static void verify_file(void)
{
	file = map(4 * MIB);
	file.bytes -= 1000;
	CHECK_EQUAL(lseek(file_fd, 0, SEEK_SET), 0);
	CHECK_EQUAL(test_read(file_fd, file.memory, 4 * MIB), file.bytes);
	CHECK_EQUAL(test_digest(file.memory, file.bytes), file_digest);
}

static void build(void)
{
	build_file();
	noise = map(3 * MIB);
	test_fill(noise.memory, noise.bytes, 1);
	text = map(8 * MIB);
	write_text(text.memory, text.bytes);
	/* every other page; some of them again incompressible */
	scattered = map(4 * MIB);
	for (size_t at = 0; at < scattered.bytes; at += 2 * TEST_PAGE_BYTES)
		write_text(scattered.memory + at, TEST_PAGE_BYTES);
	test_fill(scattered.memory, 100 * TEST_PAGE_BYTES, 2);
	/* pages that are read through /proc/self/mem */
	locked = map(MIB);
	write_text(locked.memory, locked.bytes);
	noise.digest = test_digest(noise.memory, noise.bytes);
	text.digest = test_digest(text.memory, text.bytes);
	scattered.digest = test_digest(scattered.memory, scattered.bytes);
	locked.digest = test_digest(locked.memory, locked.bytes);
	CHECK_CALL(mprotect(locked.memory, locked.bytes, PROT_NONE));
}

static bool is_same(const struct part *part)
{
	return test_digest(part->memory, part->bytes) == part->digest;
}

static void verify(void)
{
	CHECK(is_same(&noise));
	CHECK(is_same(&text));
	CHECK(is_same(&scattered));
	CHECK_CALL(mprotect(locked.memory, locked.bytes, PROT_READ));
	CHECK(is_same(&locked));
	verify_file();
}

/* Bytes that the caller sends. */
static int64_t move(const struct node *node, unsigned compression)
{
	const struct proxy_plan plan = PROXY_PLAIN;
	struct rfork_options options = { .size = sizeof(options), .compression = compression };
	struct proxy proxy;
	pid_t pid;

	proxy_start(&proxy, node->port, &plan);
	pid = rfork_with(proxy.host, &options);
	if (pid == 0) {
		verify();
		_exit(0);
	}
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "compression %u: %s", compression, rfork_error());
	test_expect_exit(pid, 0);
	return proxy_finish(&proxy).up_bytes;
}

/* The process itself goes. */
static void leave(const struct node *node, unsigned compression)
{
	struct rfork_options options = { .size = sizeof(options), .compression = compression };
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		CHECK_CALL(rfork_move_with(node->host, &options));
		verify();
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

int main(void)
{
	int64_t plain, lz4, zstd, automatic;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	build();
	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "1", 1));
	plain = move(&node, RFORK_COMPRESS_NONE);
	lz4 = move(&node, RFORK_COMPRESS_LZ4);
	zstd = move(&node, RFORK_COMPRESS_ZSTD);
	automatic = move(&node, RFORK_COMPRESS_AUTO);
	printf("%lld bytes, %lld by LZ4, %lld by zstd, %lld as the library chooses\n",
	       (long long)plain, (long long)lz4, (long long)zstd, (long long)automatic);
	CHECK(plain > (int64_t)(noise.bytes + text.bytes + scattered.bytes / 2 + locked.bytes +
				file.bytes));
	/* the noise does not get smaller, but all else to less than half: with the file as it is, it
	 * would be more than that in sum */
	CHECK_AT_MOST(lz4, (int64_t)noise.bytes + 400000 + (plain - (int64_t)noise.bytes) * 3 / 8);
	CHECK_AT_MOST(zstd, (int64_t)noise.bytes + 400000 + (plain - (int64_t)noise.bytes) * 3 / 8);
	CHECK_AT_MOST(noise.bytes, lz4);
	/* but for what the process has done in between */
	CHECK_AT_MOST(llabs(plain - automatic), 65536);
	leave(&node, RFORK_COMPRESS_LZ4);
	leave(&node, RFORK_COMPRESS_ZSTD);
	node_stop(&node);
	return test_end();
}
