/* SPDX-License-Identifier: MIT */
/*
 * Claim: with RFORK_COMPRESS_AUTO what can be compressed takes fewer bytes on a link that is slow,
 * and what cannot be goes as it is.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/network.h"

#define BYTES (12ul << 20)
#define RATE "200mbit" /* any codec on any machine is faster */

static struct network network;

/* Bytes on the wire of a move with this much memory besides. */
static int64_t move(unsigned compression, const unsigned char *memory)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = RFORK_INSECURE_PLAINTEXT,
					 .compression = compression };
	int64_t before = network_sent_bytes(&network, 0);
	uint64_t digest = test_digest(memory, BYTES);
	pid_t pid = rfork_with(network.hosts[0], &options);

	if (pid < 0)
		test_fail(__FILE__, __LINE__, "compression %u: %s", compression, rfork_error());
	if (pid == 0)
		_exit(test_digest(memory, BYTES) != digest);
	test_expect_exit(pid, 0);
	return network_sent_bytes(&network, 0) - before;
}

static unsigned char *map_memory(void)
{
	void *memory =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void write_text(unsigned char *memory)
{
	uint64_t state = 7;

	for (size_t at = 0; at < BYTES; at += 8) {
		char word[16];

		snprintf(word, sizeof(word), "%07u ", (unsigned)(test_random(&state) % 1000));
		memcpy(memory + at, word, 8);
	}
}

int main(void)
{
	unsigned char *memory;
	int64_t plain, text, noise;

	test_begin();
	network_start(&network, 1, NULL);
	network_limit(&network, 0, RATE);
	memory = map_memory();
	write_text(memory);
	plain = move(RFORK_COMPRESS_NONE, memory);
	text = move(RFORK_COMPRESS_AUTO, memory);
	test_fill(memory, BYTES, 1);
	noise = move(RFORK_COMPRESS_AUTO, memory);
	printf("%lld bytes, %lld of text and %lld of noise as the library chooses\n",
	       (long long)plain, (long long)text, (long long)noise);
	CHECK_AT_MOST(BYTES, plain);
	CHECK_AT_MOST(text, plain * 3 / 4);
	CHECK_AT_MOST(BYTES, noise);
	network_stop(&network);
	return test_end();
}
