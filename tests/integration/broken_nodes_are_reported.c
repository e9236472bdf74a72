/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node that hangs up, talks garbage, announces huge frames or lacks the key gives the
 * caller an error, and gets nothing after its bad answer; control characters of its sentence
 * never reach the caller's terminal.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>

#include "tests/support/fake_node.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"

static struct footprint before;

static void check(enum fake_manner manner, int error)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	struct fake_node fake;

	footprint_take(&before);
	fake_node_start(&fake, manner, NULL);
	if (rfork_with(fake.host, &options) != -1)
		test_fail(__FILE__, __LINE__, "manner %d made a child", (int)manner);
	if (errno != error)
		test_fail(__FILE__, __LINE__, "manner %d: %s, not %s (%s)", (int)manner,
			  strerror(errno), strerror(error), rfork_error());
	for (const char *at = rfork_error(); *at; at++)
		CHECK(!iscntrl((unsigned char)*at));
	dprintf(2, "refused: %s\n", rfork_error());
	CHECK_EQUAL(fake_node_finish(&fake), 0);
	footprint_expect(&before);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	check(FAKE_HANGS_UP, ECONNRESET); /* the first one warms the caller's heap */
	check(FAKE_HANGS_UP, ECONNRESET);
	check(FAKE_GARBAGE, EBADMSG);
	check(FAKE_HUGE_FRAME, EBADMSG);
	check(FAKE_WRONG_PROOF, EKEYREJECTED);
	check(FAKE_ESCAPES, EAGAIN);
	node_stop(&node);
	return test_end();
}
