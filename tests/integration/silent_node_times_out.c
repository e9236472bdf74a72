/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node that never answers is ETIMEDOUT after the time limit, and not before.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "tests/support/fake_node.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define LIMIT_MS 200

int main(void)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = RFORK_CLOSE_OTHERS,
					 .timeout_ms = LIMIT_MS };
	static struct footprint before;
	struct fake_node fake;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	for (int i = 0; i < 2; i++) {
		int64_t start_ms, took_ms;

		footprint_take(&before);
		fake_node_start(&fake, FAKE_SILENT, NULL);
		start_ms = test_now_ms();
		CHECK_EQUAL(rfork_with(fake.host, &options), -1);
		CHECK_EQUAL(errno, ETIMEDOUT);
		took_ms = test_now_ms() - start_ms;
		dprintf(2, "refused after %d ms: %s\n", (int)took_ms, rfork_error());
		CHECK(took_ms >= LIMIT_MS - 1);
		CHECK_AT_MOST(took_ms, 100 * LIMIT_MS);
		CHECK(strstr(rfork_error(), fake.host));
		CHECK_EQUAL(fake_node_finish(&fake), 0);
	}
	footprint_expect(&before);
	node_stop(&node);
	return test_end();
}
