/* SPDX-License-Identifier: MIT */
/*
 * Claim: wherever the line is cut before the child runs, the caller gets an error and neither
 * side keeps anything; the server serves the next caller.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/handshake.h"
#include "tests/support/node.h"
#include "tests/support/proxy.h"

#define RANDOM_CUTS 40

static struct node node;
static struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
static struct footprint before;

static int64_t count_whole(void)
{
	struct proxy_plan plan = PROXY_PLAIN;
	struct proxy proxy;
	pid_t pid;

	proxy_start(&proxy, node.port, &plan);
	pid = rfork_with(proxy.host, &options);
	if (!pid)
		_exit(0);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_expect_exit(pid, 0);
	return proxy_finish(&proxy).up_bytes;
}

static void cut(int64_t bytes)
{
	struct proxy_plan plan = PROXY_PLAIN;
	struct proxy proxy;
	pid_t pid;

	plan.cut_after = bytes;
	proxy_start(&proxy, node.port, &plan);
	pid = rfork_with(proxy.host, &options);
	if (!pid)
		_exit(99);
	if (pid > 0)
		test_fail(__FILE__, __LINE__, "cut after %lld bytes: a child was made",
			  (long long)bytes);
	if (errno != ECONNRESET)
		test_fail(__FILE__, __LINE__, "cut after %lld bytes: %s: %s", (long long)bytes,
			  strerror(errno), rfork_error());
	proxy_finish(&proxy);
}

int main(void)
{
	static const int64_t edges[] = { 0, 1, 8, 55, 56, 96, 415, 416, 417, 440, 448, 512 };
	struct node_load load;
	uint64_t state;
	int64_t whole;

	test_begin();
	node_start(&node, NULL);
	state = test_seed();
	node_expect_service(&node);
	count_whole();
	load = node_settle(&node);
	whole = count_whole();
	cut(100);
	footprint_take(&before);
	for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		cut(edges[i]);
	for (int i = 0; i < RANDOM_CUTS; i++)
		cut((int64_t)HANDSHAKE_BYTES +
		    (int64_t)(test_random(&state) % (uint64_t)(whole - 600)));
	footprint_expect(&before);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
