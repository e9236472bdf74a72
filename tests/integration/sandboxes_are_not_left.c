/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process under a seccomp filter is refused by name, for its child would run without it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

int main(void)
{
	struct sock_filter allow_all[] = { { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } };
	struct sock_fprog program = { .len = 1, .filter = allow_all };
	struct node node;

	test_begin();
	node_start(&node, NULL);
	CHECK_EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		test_skip("no seccomp filter: %s", strerror(errno));
	footprint_expect_refusal(node.host, NULL, ENOTSUP, "seccomp");
	node_stop(&node);
	return test_end();
}
