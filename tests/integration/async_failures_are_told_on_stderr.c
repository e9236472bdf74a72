/* SPDX-License-Identifier: MIT */
/*
 * Claim: under RFORK_ASYNC a hand-over that fails after the call has returned is one line on the
 * caller's standard error, and a ghost that dies by SIGKILL: a damaged stream, a node that does
 * not go on within the time limit.  What fails before the snapshot still fails the call.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/handshake.h"
#include "tests/support/process.h"
#include "tests/support/proxy.h"

static struct node node;

/* Moves through a proxy with that plan; what the ghost says on standard error goes to `line`. */
static void fail(const struct proxy_plan *plan, int timeout_ms, char *line, size_t bytes)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = RFORK_ASYNC | RFORK_CLOSE_OTHERS,
					 .timeout_ms = timeout_ms };
	int saved = CHECK_CALL(dup(STDERR_FILENO));
	struct proxy proxy;
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	proxy_start(&proxy, node.port, plan);
	CHECK_CALL(dup2(ends[1], STDERR_FILENO));
	close(ends[1]);
	pid = rfork_with(proxy.host, &options);
	if (!pid)
		_exit(1);
	CHECK_CALL(dup2(saved, STDERR_FILENO));
	close(saved);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_expect_signal(pid, SIGKILL);
	memset(line, 0, bytes);
	test_read(ends[0], line, bytes - 1);
	close(ends[0]);
	proxy_finish(&proxy);
	dprintf(2, "%s", line);
	CHECK(strncmp(line, "rfork: 127.0.0.1:", 17) == 0);
	CHECK(strchr(line, '\n') == line + strlen(line) - 1);
}

int main(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_ASYNC };
	struct proxy_plan damaged = PROXY_PLAIN, cut = PROXY_PLAIN, slow = PROXY_PLAIN;
	struct node_load load;
	char line[1024];

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	damaged.flip_at = HANDSHAKE_BYTES + 100;
	damaged.flip_mask = 1;
	fail(&damaged, 0, line, sizeof(line));
	CHECK(strstr(line, "corrupt"));
	cut.cut_after = HANDSHAKE_BYTES + 100;
	fail(&cut, 0, line, sizeof(line));
	node_expect_load(&node, load);
	process_signal_shells(&node, SIGSTOP);
	fail(&slow, 300, line, sizeof(line));
	CHECK(strstr(line, "in time"));
	process_signal_shells(&node, SIGCONT);
	node_expect_load(&node, load);
	footprint_expect_refusal("127.0.0.1:1", &options, ECONNREFUSED, "127.0.0.1");
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
