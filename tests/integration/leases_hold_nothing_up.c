/* SPDX-License-Identifier: MIT */
/*
 * Claim: a lease of the caller's on a file, see fcntl(2), holds nothing up until it is broken by force,
 * which takes the kernel most of a minute: a file without a path goes by content, and one that the node
 * would have to open is refused at once, by name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

/* Less than lease-break-time of proc_sys_fs(5), by default. */
#define LIMIT_MS 20000

enum { LEASED = 20 };

static struct node node;
static char path[96];

static void lease(void)
{
	int fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	CHECK_CALL(dup2(fd, LEASED));
	close(fd);
	test_write(LEASED, "leased", 6);
	if (fcntl(LEASED, F_SETLEASE, F_WRLCK) < 0)
		test_skip("F_SETLEASE: %m");
}

static void verify(void)
{
	char got[7];

	CHECK_EQUAL(pread(LEASED, got, sizeof(got), 0), 6);
	CHECK(!memcmp(got, "leased", 6));
	CHECK_EQUAL(write(LEASED, "+", 1), 1);
}

int main(void)
{
	struct rfork_options options = { .size = sizeof(options), .timeout_ms = LIMIT_MS };
	pid_t pid;

	test_begin();
	signal(SIGIO, SIG_IGN); /* that somebody wants to open it */
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/leased", node.directory);
	lease();
	footprint_expect_refusal(node.host, &options, ENOTSUP, path);
	CHECK_CALL(unlink(path));
	options.flags |= RFORK_COPY_FILES;
	pid = rfork_with(node.host, &options);
	if (!pid) {
		verify();
		_exit(0);
	}
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "%s", rfork_error());
	test_expect_exit(pid, 0);
	close(LEASED);
	node_stop(&node);
	return test_end();
}
