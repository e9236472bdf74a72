/* SPDX-License-Identifier: MIT */
/*
 * Claim: one flipped bit anywhere in the image, in records and in pages, is EBADMSG with a
 * sentence; the child never runs, neither side keeps anything, and the server goes on.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/handshake.h"
#include "tests/support/node.h"
#include "tests/support/proxy.h"

#define RANDOM_FLIPS 80
#define PATTERN_BYTES (256ul << 10)

static struct node node;
static struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
static struct footprint before;

static int64_t move(const struct proxy_plan *plan, pid_t *pid, int *error)
{
	struct proxy proxy;

	proxy_start(&proxy, node.port, plan);
	*pid = rfork_with(proxy.host, &options);
	*error = errno;
	if (!*pid)
		_exit(0);
	if (*pid > 0)
		test_wait(*pid);
	return proxy_finish(&proxy).up_bytes;
}

static void flip(int64_t byte, unsigned mask)
{
	struct proxy_plan plan = PROXY_PLAIN;
	pid_t pid;
	int error;

	plan.flip_at = byte;
	plan.flip_mask = mask;
	move(&plan, &pid, &error);
	if (pid != -1)
		test_fail(__FILE__, __LINE__, "byte %lld, mask %#x: a child was made",
			  (long long)byte, mask);
	if (error != EBADMSG)
		test_fail(__FILE__, __LINE__, "byte %lld, mask %#x: %s: %s", (long long)byte, mask,
			  strerror(error), rfork_error());
	CHECK(strlen(rfork_error()) > 10);
}

int main(void)
{
	struct proxy_plan plain = PROXY_PLAIN;
	struct node_load load;
	uint64_t state;
	int64_t whole;
	void *pattern;
	pid_t pid;
	int error;

	test_begin();
	node_start(&node, NULL);
	state = test_seed();
	pattern = malloc(PATTERN_BYTES);
	test_fill(pattern, PATTERN_BYTES, state);
	node_expect_service(&node);
	move(&plain, &pid, &error);
	load = node_settle(&node);
	whole = move(&plain, &pid, &error);
	CHECK(pid > 0);
	flip((int64_t)HANDSHAKE_BYTES, 1);
	footprint_take(&before);
	/* Every field of the first record's header and of IMAGE. */
	for (int64_t byte = (int64_t)HANDSHAKE_BYTES; byte < (int64_t)HANDSHAKE_BYTES + 96;
	     byte += 3)
		flip(byte, 1u << byte % 8);
	for (int i = 0; i < RANDOM_FLIPS; i++)
		flip((int64_t)HANDSHAKE_BYTES +
			     (int64_t)(test_random(&state) %
				       (uint64_t)(whole - (int64_t)HANDSHAKE_BYTES - 64)),
		     1u << test_random(&state) % 8);
	footprint_expect(&before);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
