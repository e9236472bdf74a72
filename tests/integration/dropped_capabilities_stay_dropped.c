/* SPDX-License-Identifier: MIT */
/*
 * Claim: capabilities that the caller does not have its child does not have either, though others
 * do that the node runs: what root has dropped, and what is not in the bounding set, which a
 * program that the child executes cannot get, nor by what is inheritable where the server runs.
 * Securebits that confine the caller confine its child.  Where the node may not do so, the call is
 * refused, by name; but under no_new_privs, which the child has, too, there is nothing to get.
 */
#define _GNU_SOURCE
#include <linux/securebits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/rights.h"

#define DROPPED CAP_NET_RAW
#define OTHER CAP_CHOWN

static struct node node;

/* In the server: a program that root executes gets what is inheritable, whatever is in the bounding
 * set. */
static void make_inheritable(const struct node *unused)
{
	(void)unused;
	rights_pass_on(DROPPED);
}

/* The child has what the caller has, no less. */
static void expect_equal(void)
{
	const bool has_dropped = rights_may(DROPPED), could_have = rights_could(DROPPED);
	const bool uses_dropped = rights_are_in_effect(DROPPED);
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		CHECK_EQUAL(rights_may(DROPPED), has_dropped);
		CHECK_EQUAL(rights_are_in_effect(DROPPED), uses_dropped);
		CHECK_EQUAL(rights_could(DROPPED), could_have);
		CHECK(rights_may(OTHER) && rights_could(OTHER));
		CHECK(!rights_would_pass_on(DROPPED) ||
		      (rights_may(DROPPED) && rights_could(DROPPED)));
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void go_without_permitted(void)
{
	rights_drop(DROPPED);
	CHECK(!rights_may(DROPPED) && rights_could(DROPPED));
	expect_equal();
}

/* As programs do that use a capability only where they need it. */
static void go_without_effect(void)
{
	rights_suspend(DROPPED);
	CHECK(rights_may(DROPPED) && !rights_are_in_effect(DROPPED));
	expect_equal();
}

static void go_without_bounding(void)
{
	rights_drop_bounding(DROPPED);
	CHECK(rights_may(DROPPED) && !rights_could(DROPPED));
	expect_equal();
}

static void expect_refusal(const char *sentence)
{
	char list[256], line[256];

	snprintf(line, sizeof(line), "%s\n", sentence);
	CHECK_EQUAL(rfork_check(node.host, NULL, list, sizeof(list)), 1);
	CHECK_TEXT(list, line);
	footprint_expect_refusal(node.host, NULL, ENOTSUP, sentence);
}

static void go_to_a_user_without_bounding(void)
{
	rights_drop_bounding(DROPPED);
	expect_refusal("bounding set: the child could get net_raw");
}

/* Root, or what belongs to root, gets nothing by execve(2). */
static void confine_root(void)
{
	CHECK_CALL(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0));
}

static void go_confined(void)
{
	pid_t pid;

	confine_root();
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0),
			    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void go_to_a_user_confined(void)
{
	confine_root();
	expect_refusal("securebits: the child would run without 0x3");
}

/* What confines nobody is a warning. */
static void go_to_a_user_without_fixup(void)
{
	pid_t pid;

	CHECK_CALL(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK(strstr(rfork_report(), "securebits: they are 0x0, not 0x4"));
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void go_to_a_user_without_gains(void)
{
	char list[256];
	pid_t pid;

	rights_drop_bounding(DROPPED);
	confine_root();
	CHECK_CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_EQUAL(rfork_check(node.host, NULL, list, sizeof(list)), 0);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
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
	rights_need_root(DROPPED);
	node_start(&node, NULL);
	node_expect_service(&node);
	expect_equal();
	try(go_without_permitted);
	try(go_without_effect);
	try(go_without_bounding);
	try(go_confined);
	node_stop(&node);
	node_before_server = make_inheritable;
	node_start(&node, NULL);
	try(go_without_permitted);
	try(go_without_bounding);
	node_stop(&node);
	node_before_server = NULL;
	node_start(&node, nobody);
	try(go_to_a_user_without_bounding);
	try(go_to_a_user_confined);
	try(go_to_a_user_without_fixup);
	try(go_to_a_user_without_gains);
	node_stop(&node);
	return test_end();
}
