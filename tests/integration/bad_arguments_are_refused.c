/* SPDX-License-Identifier: MIT */
/*
 * Claim: malformed hosts, unknown flags, compressions, timeouts and option sizes are refused
 * before anything is done, and calls of later versions say ENOSYS.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

struct future_options {
	struct rfork_options known;
	uint64_t tail[4];
};

static void check_hosts(void)
{
	static const char *const hosts[] = {
		"",
		":",
		":21062",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:x",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:99999999999999999999",
		"[::1",
		"[::1]x",
		"[]:1",
		"[::1]:",
		"ftp://127.0.0.1",
		"tcp://",
		"unix:",
		"a b",
		"127.0.0.1 :80",
	};
	char longest[400];

	for (unsigned i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		footprint_expect_refusal(hosts[i], NULL, EINVAL, NULL);
	memset(longest, 'h', sizeof(longest));
	longest[399] = '\0';
	footprint_expect_refusal(longest, NULL, EINVAL, NULL);
	footprint_expect_refusal(NULL, NULL, EINVAL, NULL);
}

static void check_options(const char *host)
{
	struct rfork_options options = { .size = sizeof(options) };
	struct future_options future = { .known = { .size = sizeof(future) } };
	pid_t pid;

	options.flags = 1ull << 6;
	footprint_expect_refusal(host, &options, EINVAL, "flag");
	options.flags = 1ull << 63;
	footprint_expect_refusal(host, &options, EINVAL, "flag");
	options.flags = 0;
	options.timeout_ms = -2;
	footprint_expect_refusal(host, &options, EINVAL, "timeout");
	options.timeout_ms = 0;
	options.compression = RFORK_COMPRESS_AUTO + 1;
	footprint_expect_refusal(host, &options, EINVAL, "compression");
	options.compression = 0;
	options.size = 0;
	footprint_expect_refusal(host, &options, EINVAL, "size");
	future.tail[3] = 1;
	footprint_expect_refusal(host, &future.known, E2BIG, "options");
	future.tail[3] = 0;
	pid = rfork_with(host, &future.known);
	if (!pid)
		_Exit(3);
	CHECK(pid > 0);
	test_expect_exit(pid, 3);
}

static void check_undump(void)
{
	static const struct {
		const char *path;
		int error;
	} paths[] = { { NULL, EINVAL },
		      { "", EINVAL },
		      { "/tmp/", EISDIR },
		      { "/nonexistent/file", ENOENT },
		      { "/dev/null/file", ENOTDIR } };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		CHECK_EQUAL(rfork_undump(paths[i].path), -1);
		CHECK_EQUAL(errno, paths[i].error);
		CHECK(strlen(rfork_error()) > 10);
	}
	CHECK_EQUAL(rfork_restart_args(NULL, NULL, NULL), -1);
	CHECK_EQUAL(errno, ENOENT);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	check_hosts();
	check_options(node.host);
	CHECK_EQUAL(rfork_checkpoint(RFORK_ASYNC), -1);
	CHECK_EQUAL(errno, EINVAL);
	CHECK_EQUAL(rfork_commit(1, 1), -1);
	CHECK_EQUAL(errno, EINVAL);
	CHECK_EQUAL(rfork_commit_wait(-1, 0), -1);
	CHECK_EQUAL(errno, EINVAL);
	CHECK_EQUAL(rfork_discard(0), -1);
	CHECK_EQUAL(errno, EINVAL);
	check_undump();
	node_stop(&node);
	return test_end();
}
