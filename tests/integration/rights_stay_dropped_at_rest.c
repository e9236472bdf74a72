/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a process may not do it may not do either when it is restarted by one who may: an
 * executable, by rfork_undump() or of undump -p, takes it from itself, or, started by one who may
 * not limit what programs get, sees to it that they get nothing, and says so; a node takes it from
 * what undump --to has it restart, or that is refused, by name.  undump --info shows it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/node.h"
#include "tests/support/rights.h"
#include "tests/support/undump.h"

#define DROPPED CAP_NET_RAW
#define OTHER CAP_CHOWN
#define NOBODY 65534
#define RIGHT 23

static struct node node;
static bool serves_nobody; /* children run as another user */

/* What the process gives up, and what it must find where it goes on, as root. */
static const struct confinement {
	const char *name;
	void (*enter)(void);
	bool may, is_in_effect, could;
	int securebits;
	const char *shown;   /* by undump --info; NULL = nothing */
	const char *refusal; /* by a node that runs it as another user; NULL = none */
	const char *report;  /* where another user starts it */
} confinements[];

static const struct confinement *confinement; /* of the process that is captured */

static void keep_all(void)
{
}

static void drop_permitted(void)
{
	rights_drop(DROPPED);
}

static void suspend(void)
{
	rights_suspend(DROPPED);
}

static void drop_bounding(void)
{
	rights_drop_bounding(DROPPED);
}

static void confine_root(void)
{
	CHECK_CALL(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0));
}

static const struct confinement confinements[] = {
	{ "nothing", keep_all, true, true, true, 0, NULL, NULL, NULL },
	{ "permitted", drop_permitted, false, false, true, 0, "root without net_raw", NULL, NULL },
	{ "effective", suspend, true, false, true, 0, "without effect net_raw", NULL, NULL },
	{ "bounding", drop_bounding, true, true, false, 0, "bounding set without net_raw",
	  "bounding set: the child could get net_raw",
	  "bounding set: it cannot be limited to what it was, and so no_new_privs is set\n" },
	{ "securebits", confine_root, true, true, true, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED,
	  "securebits 0x3", "securebits: the child would run without 0x3",
	  "securebits: those that confine it cannot be set, and so no_new_privs is set\n" },
};

#define CONFINEMENTS (sizeof(confinements) / sizeof(confinements[0]))

/* -- in the restarted process ------------------------------------------------------------------ */

static void look_as_root(void)
{
	CHECK_EQUAL(rights_may(DROPPED), confinement->may);
	CHECK_EQUAL(rights_are_in_effect(DROPPED), confinement->is_in_effect);
	CHECK_EQUAL(rights_could(DROPPED), confinement->could);
	CHECK_EQUAL(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), confinement->securebits);
	CHECK(rights_may(OTHER) && rights_could(OTHER));
	CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

/* One who may not change what programs could get. */
static void look_as_nobody(void)
{
	const char *report = confinement->report;

	CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), report != NULL);
	CHECK(!report || strstr(rfork_report(), report));
	CHECK(report || !strstr(rfork_report(), "no_new_privs"));
}

_Noreturn static void look(void)
{
	if (geteuid() == 0)
		look_as_root();
	else
		look_as_nobody();
	_exit(RIGHT);
}

/* -- the ways ---------------------------------------------------------------------------------- */

static void start(const char *path, uid_t user)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		if (user) {
			CHECK_CALL(setgid(user));
			CHECK_CALL(setuid(user));
		}
		execl(path, path, NULL);
		_exit(99);
	}
	test_expect_exit(pid, RIGHT);
}

static void expect_info(const char *path)
{
	struct undump_result result;

	undump_run(&result, test_build_path("tools/undump"), "--info", path, NULL);
	CHECK_EQUAL(result.status, 0);
	if (confinement->shown)
		CHECK(strstr(result.text, confinement->shown));
	else
		CHECK(!strstr(result.text, "net_raw"));
}

static void write_executable(const char *path)
{
	pid_t pid = CHECK_CALL(fork());
	int result;

	if (!pid) {
		confinement->enter();
		result = rfork_undump(path);
		if (result == 0)
			look();
		CHECK_EQUAL(result, 1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

/* Goes on as another process, when it has been taken. */
_Noreturn static void stand(void)
{
	confinement->enter();
	undump_point();
	_exit(RIGHT - (rights_may(DROPPED) != confinement->may) -
	      (rights_could(DROPPED) != confinement->could));
}

static void take_process(const char *path)
{
	undump_live(stand, path);
}

static void write_statefile(const char *path)
{
	pid_t pid = CHECK_CALL(fork());
	rfork_crid_t crid;

	if (!pid) {
		confinement->enter();
		crid = checkpoint_hold(0);
		if (!crid)
			look();
		checkpoint_write(crid, path);
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void send_file(const char *path)
{
	const char *refusal = serves_nobody ? confinement->refusal : NULL;
	struct undump_result result;

	undump_run(&result, test_build_path("tools/undump"), path, "--to", node.host, NULL);
	if (result.status != (refusal ? 1 : RIGHT) || (refusal && !strstr(result.text, refusal)))
		test_fail(__FILE__, __LINE__, "exit status %d: %s", result.status, result.text);
}

/* -- all of them ------------------------------------------------------------------------------- */

static void try_executables(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s", checkpoint_path("app"));
	write_executable(path);
	CHECK_CALL(chmod(path, 0755));
	expect_info(path);
	start(path, 0);
	start(path, NOBODY);
	CHECK_CALL(unlink(path));
	take_process(path);
	start(path, 0);
	undump_remove(path);
}

static void try_node(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s", checkpoint_path("state"));
	write_statefile(path);
	send_file(path);
	CHECK_CALL(unlink(path));
}

static void each(void (*try)(void))
{
	for (size_t i = 0; i < CONFINEMENTS; i++) {
		confinement = &confinements[i];
		dprintf(2, "%s\n", confinement->name);
		try();
	}
}

int main(void)
{
	const char *const nobody[] = { "--user", "nobody", NULL };

	test_begin();
	rights_need_root(DROPPED);
	CHECK_CALL(chdir("/")); /* where every user may be */
	CHECK_CALL(chmod(checkpoint_directory(), 0755));
	each(try_executables);
	node_start(&node, NULL);
	each(try_node);
	node_stop(&node);
	serves_nobody = true;
	node_start(&node, nobody);
	each(try_node);
	node_stop(&node);
	checkpoint_clean(NULL, 0);
	return test_end();
}
