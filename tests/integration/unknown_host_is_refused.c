/* SPDX-License-Identifier: MIT */
/*
 * Claim: a name that no resolver knows is EHOSTUNREACH, named in the sentence.
 */
#define _GNU_SOURCE
#include "tests/support/footprint.h"
#include "tests/support/node.h"

int main(void)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = RFORK_INSECURE_PLAINTEXT };
	struct node node;

	test_begin();
	node_start(&node, NULL);
	footprint_expect_refusal("no-such-host.invalid", &options, EHOSTUNREACH,
				 "no-such-host.invalid");
	footprint_expect_refusal("no-such-host.invalid:999", NULL, EHOSTUNREACH,
				 "no-such-host.invalid");
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
