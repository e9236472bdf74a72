/* SPDX-License-Identifier: MIT */
/*
 * Claim: a host beyond loopback is EPERM without RFORK_INSECURE_PLAINTEXT, at once: a connection
 * to this address, which leads nowhere (RFC 5737), would take until the time limit.
 */
#define _GNU_SOURCE
#include "tests/support/footprint.h"
#include "tests/support/node.h"

int main(void)
{
	struct rfork_options options = { .size = sizeof(options), .timeout_ms = 5000 };
	struct node node;
	int64_t start_ms;

	test_begin();
	node_start(&node, NULL);
	start_ms = test_now_ms();
	footprint_expect_refusal("192.0.2.1", &options, EPERM, "192.0.2.1");
	footprint_expect_refusal("192.0.2.1:4000", &options, EPERM, "192.0.2.1");
	footprint_expect_refusal("[2001:db8::1]:4000", &options, EPERM, "2001:db8::1");
	CHECK_AT_MOST(test_now_ms() - start_ms, 4000);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
