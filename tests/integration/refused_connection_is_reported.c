/* SPDX-License-Identifier: MIT */
/*
 * Claim: a port where nobody listens, and a socket that is not there, are ECONNREFUSED.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/proxy.h"

int main(void)
{
	struct node node;
	char host[64];
	unsigned port;
	int listener;

	test_begin();
	node_start(&node, NULL);
	listener = proxy_listen(&port);
	close(listener); /* the port is free now, and known */
	snprintf(host, sizeof(host), "127.0.0.1:%u", port);
	footprint_expect_refusal(host, NULL, ECONNREFUSED, "127.0.0.1");
	footprint_expect_refusal("unix:/nonexistent/socket", NULL, ECONNREFUSED,
				 "/nonexistent/socket");
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
