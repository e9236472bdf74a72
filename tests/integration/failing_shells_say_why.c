/* SPDX-License-Identifier: MIT */
/*
 * Claim: a shell that has failed before anybody wanted it says why to the caller who comes then, by
 * rfork() and by rfork_check(); nothing is left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/resource.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/process.h"

/* Enough for the server, and not for the list of mappings that a shell makes room for. */
#define NODE_BYTES (20 << 20)
#define SENTENCE "no memory for the list of mappings"

static void leave_little_memory(const struct node *node)
{
	const struct rlimit limit = { NODE_BYTES, NODE_BYTES };

	(void)node;
	CHECK_CALL(setrlimit(RLIMIT_AS, &limit));
}

static void need_small_server(void)
{
	struct node node;
	bool is_sanitized;

	node_start(&node, NULL);
	is_sanitized = process_is_sanitized(node.pid);
	node_stop(&node);
	if (is_sanitized)
		test_skip("a server with the address sanitizer does not start with little memory");
}

/* A spare session may be about to end for its shell when it gets the connection: then that is closed. */
static void call_until_told(const struct node *node, bool asks)
{
	char list[256];
	int result;

	do
		result = asks ? rfork_check(node->host, NULL, list, sizeof(list))
			      : rfork(node->host);
	while (result == -1 && errno == ECONNRESET);
	CHECK_EQUAL(result, -1);
	CHECK_EQUAL(errno, ENOMEM);
	CHECK_TEXT(rfork_error(), SENTENCE);
}

int main(void)
{
	static struct footprint before;
	struct node node;

	test_begin();
	need_small_server();
	node_before_server = leave_little_memory;
	node_start(&node, NULL);
	for (unsigned i = 0; i < 3; i++) {
		call_until_told(&node, false);
		call_until_told(&node, true);
		if (i == 0)
			footprint_take(&before);
		footprint_expect(&before);
	}
	node_stop(&node);
	return test_end();
}
