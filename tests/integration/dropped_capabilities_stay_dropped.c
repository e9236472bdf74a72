/* SPDX-License-Identifier: MIT */
/*
 * Claim: capabilities that the caller does not have its child does not have either, though others
 * do that the node runs: what root has dropped, and what is not in the bounding set, which a
 * program that the child executes cannot get, nor by what is inheritable where the server runs.
 * Where the node may not remove them, it is refused, by name.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define DROPPED CAP_NET_RAW
#define OTHER CAP_CHOWN

static struct node node;

static void get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	CHECK_CALL((int)syscall(SYS_capget, &header, data));
}

static bool may(unsigned capability)
{
	struct __user_cap_data_struct data[2];

	get(data);
	return data[0].permitted >> capability & 1;
}

static bool would_pass_on(unsigned capability)
{
	struct __user_cap_data_struct data[2];

	get(data);
	return data[0].inheritable >> capability & 1;
}

static bool could(unsigned capability)
{
	return CHECK_CALL(prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) == 1;
}

/* In the server: a program that root executes gets what is inheritable, whatever is in the bounding
 * set. */
static void make_inheritable(const struct node *unused)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	(void)unused;
	get(data);
	data[0].inheritable |= 1u << DROPPED;
	CHECK_CALL((int)syscall(SYS_capset, &header, data));
}

static void drop_permitted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	get(data);
	data[0].permitted &= ~(1u << DROPPED);
	data[0].effective &= ~(1u << DROPPED);
	CHECK_CALL((int)syscall(SYS_capset, &header, data));
}

static void drop_bounding(void)
{
	CHECK_CALL(prctl(PR_CAPBSET_DROP, DROPPED, 0, 0, 0));
}

/* The child has what the caller has, no less. */
static void expect_equal(void)
{
	const bool has_dropped = may(DROPPED), could_have = could(DROPPED);
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		CHECK_EQUAL(may(DROPPED), has_dropped);
		CHECK_EQUAL(could(DROPPED), could_have);
		CHECK(may(OTHER) && could(OTHER));
		CHECK(!would_pass_on(DROPPED) || (may(DROPPED) && could(DROPPED)));
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void go_without_permitted(void)
{
	drop_permitted();
	CHECK(!may(DROPPED) && could(DROPPED));
	expect_equal();
}

static void go_without_bounding(void)
{
	drop_bounding();
	CHECK(may(DROPPED) && !could(DROPPED));
	expect_equal();
}

static void go_to_a_user_without_bounding(void)
{
	char list[256];

	drop_bounding();
	CHECK_EQUAL(rfork_check(node.host, NULL, list, sizeof(list)), 1);
	CHECK_TEXT(list, "bounding set: the child could get net_raw\n");
	footprint_expect_refusal(node.host, NULL, ENOTSUP,
				 "bounding set: the child could get net_raw");
}

/* In a process of its own, for no way leads back. */
static void try(void (*go)(void))
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		go();
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

int main(void)
{
	const char *const nobody[] = { "--user", "nobody", NULL };

	test_begin();
	CHECK_CALL(chdir("/")); /* where every user may be */
	if (geteuid() != 0 || !may(DROPPED) || !may(CAP_SETPCAP))
		test_skip("only root has capabilities that it could drop");
	node_start(&node, NULL);
	node_expect_service(&node);
	expect_equal();
	try(go_without_permitted);
	try(go_without_bounding);
	node_stop(&node);
	node_before_server = make_inheritable;
	node_start(&node, NULL);
	try(go_without_permitted);
	try(go_without_bounding);
	node_stop(&node);
	node_before_server = NULL;
	node_start(&node, nobody);
	try(go_to_a_user_without_bounding);
	node_stop(&node);
	return test_end();
}
