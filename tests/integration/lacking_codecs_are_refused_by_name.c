/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node that cannot unpack what the caller wants packed is ENOTSUP, with the codec's name;
 * without a wish, RFORK_COMPRESS_AUTO, memory goes there as it is.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "rfork/protocol.h"
#include "tests/support/node.h"
#include "tests/support/proxy.h"

/* Where the flags lie in what a node says: in WELCOME, after CHALLENGE. */
#define FLAGS_OFFSET                                                                               \
	(2 * sizeof(struct rf_frame_header) + sizeof(struct rf_frame_challenge) +                  \
	 offsetof(struct rf_machine_facts, flags))

static unsigned char taken_away; /* of the flags' first byte */

static void take_codecs_away(int64_t start, unsigned char *bytes, size_t count)
{
	uint64_t at = FLAGS_OFFSET - (uint64_t)start;

	if (at < count)
		bytes[at] &= (unsigned char)~taken_away;
}

/* 0, or the error. */
static int move(const struct node *node, unsigned compression, unsigned char lacking)
{
	struct proxy_plan plan = PROXY_PLAIN;
	struct rfork_options options = { .size = sizeof(options), .compression = compression };
	struct proxy proxy;
	int error = 0;
	pid_t pid;

	taken_away = lacking;
	plan.edit_answer = take_codecs_away;
	proxy_start(&proxy, node->port, &plan);
	pid = rfork_with(proxy.host, &options);
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		error = errno;
	else
		test_expect_exit(pid, 0);
	proxy_finish(&proxy);
	return error;
}

static void expect_refusal(const struct node *node, unsigned compression, unsigned char lacking,
			   const char *name)
{
	CHECK_EQUAL(move(node, compression, lacking), ENOTSUP);
	if (!strstr(rfork_error(), name))
		test_fail(__FILE__, __LINE__, "%s does not name %s", rfork_error(), name);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	expect_refusal(&node, RFORK_COMPRESS_LZ4, RF_FACTS_LZ4, "LZ4");
	expect_refusal(&node, RFORK_COMPRESS_ZSTD, RF_FACTS_ZSTD | RF_FACTS_LZ4, "zstd");
	CHECK_EQUAL(move(&node, RFORK_COMPRESS_LZ4, RF_FACTS_ZSTD), 0);
	CHECK_EQUAL(move(&node, RFORK_COMPRESS_ZSTD, RF_FACTS_LZ4), 0);
	CHECK_EQUAL(move(&node, RFORK_COMPRESS_AUTO, RF_FACTS_LZ4 | RF_FACTS_ZSTD), 0);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
