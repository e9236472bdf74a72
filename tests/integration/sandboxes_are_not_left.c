/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that is confined in a way in which its child on a node would not be is refused
 * by name, and rfork_check() says the same: a seccomp filter, a Landlock domain, a root directory
 * set by chroot(2).  Of the first two no checkpoint is taken, either; of the last one is, which no
 * node restarts, and an executable that says so.  Before it was confined it could go, and
 * no_new_privs alone confines nobody so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/undump.h"

#define LIST_BYTES 2048
#define SKIPPED 77

static struct node node;

/* A root directory that has what the library and a test look at. */
#define PARTS 4u
static const char *const parts[PARTS] = { "proc", "tmp", "dev", "sys" };
static char root[] = "/tmp/rfork-test-XXXXXX";

static void make_root(void)
{
	char path[96];

	CHECK(mkdtemp(root));
	for (unsigned i = 0; i < PARTS; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, parts[i]);
		CHECK_CALL(mkdir(path, 0700));
	}
}

static void remove_root(void)
{
	char path[96];

	for (unsigned i = 0; i < PARTS; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, parts[i]);
		CHECK_CALL(rmdir(path));
	}
	CHECK_CALL(rmdir(root));
}

/* -- sandboxes; each returns 0, or -1 where it cannot be had ----------------------------------- */

static int forbid_gains(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int filter_calls(void)
{
	struct sock_filter allow_all[] = { { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } };
	struct sock_fprog program = { .len = 1, .filter = allow_all };

	CHECK_CALL(forbid_gains());
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* The filter does not even let the process ask whether there is one. */
static int filter_questions(void)
{
	struct sock_filter no_prctl[] = {
		{ BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr) },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_prctl },
		{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM },
		{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW },
	};
	struct sock_fprog program = { .len = 4, .filter = no_prctl };

	CHECK_CALL(forbid_gains());
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int restrict_files(void)
{
	struct landlock_ruleset_attr rules = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);

	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -1;
	return close(fd);
}

static int restrict_files_without_gains(void)
{
	CHECK_CALL(forbid_gains());
	return restrict_files();
}

/* What is mounted there goes with the mount namespace. */
static int change_root(void)
{
	char path[96], from[32];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	for (unsigned i = 0; i < PARTS; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, parts[i]);
		snprintf(from, sizeof(from), "/%s", parts[i]);
		CHECK_CALL(mount(from, path, NULL, MS_BIND | MS_REC, NULL));
	}
	CHECK_CALL(chroot(root));
	return chdir("/");
}

static const struct sandbox {
	const char *name;
	int (*enter)(void);
	const char *words;   /* of the one line; NULL = it goes */
	bool is_of_the_node; /* only a node can be left out of it */
} sandboxes[] = {
	{ "no_new_privs", forbid_gains, NULL, false },
	{ "seccomp", filter_calls, "seccomp: ", false },
	{ "seccomp of prctl", filter_questions, "seccomp: ", false },
	{ "landlock", restrict_files_without_gains, "landlock: ", false },
	{ "landlock by root", restrict_files, "landlock: ", false },
	{ "chroot", change_root, "root directory: ", true },
};

/* -- what is confined by a root directory rests, and remembers it ------------------------------ */

static char state[48], app[48];

/* The names are the same inside and outside. */
static void name_files(void)
{
	snprintf(state, sizeof(state), "%s.state", root);
	snprintf(app, sizeof(app), "%s.app", root);
}

static void rest(void)
{
	rfork_crid_t crid = checkpoint_hold(0);
	int result;

	if (!crid)
		_exit(0);
	checkpoint_write(crid, state);
	result = rfork_undump(app);
	if (!result)
		_exit(strcmp(rfork_report(),
			     "root directory: chroot(2) does not confine it here\n") == 0
			      ? 0
			      : 1);
	CHECK_EQUAL(result, 1);
}

/* Who starts an executable decides where; a node is none of his. */
static void expect_rest(void)
{
	static struct undump_result result;

	undump_run(&result, test_build_path("tools/undump"), state, "--to", node.host, NULL);
	if (result.status != 1 ||
	    !strstr(result.text, "root directory: chroot(2) would not confine the child"))
		test_fail(__FILE__, __LINE__, "exit status %d: %s", result.status, result.text);
	undump_run(&result, app, NULL);
	if (result.status != 0)
		test_fail(__FILE__, __LINE__, "exit status %d: %s", result.status, result.text);
	CHECK_CALL(unlink(state));
	CHECK_CALL(unlink(app));
}

/* -- each of them ------------------------------------------------------------------------------ */

static void expect_confined(const struct sandbox *sandbox)
{
	char list[LIST_BYTES], *end;

	CHECK_EQUAL(rfork_check(NULL, NULL, list, sizeof(list)), !sandbox->is_of_the_node);
	CHECK_EQUAL(rfork_check(node.host, NULL, list, sizeof(list)), 1);
	dprintf(2, "%s", list);
	CHECK(strncmp(list, sandbox->words, strlen(sandbox->words)) == 0);
	end = strchr(list, '\n');
	CHECK(end && !end[1]);
	*end = '\0';
	footprint_expect_refusal(node.host, NULL, ENOTSUP, list);
	if (sandbox->is_of_the_node) {
		rest();
		return;
	}
	/* an executable would be started anywhere */
	CHECK_EQUAL(rfork_checkpoint(0), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	CHECK(strstr(rfork_error(), list));
}

/* In a process of its own, for no way leads back. */
static int confine(const struct sandbox *sandbox)
{
	char list[LIST_BYTES];

	if (sandbox->enter() < 0) {
		dprintf(2, "%s: cannot be had here: %s\n", sandbox->name, strerror(errno));
		return SKIPPED;
	}
	if (sandbox->words) {
		expect_confined(sandbox);
		return 0;
	}
	CHECK_EQUAL(rfork_check(node.host, NULL, list, sizeof(list)), 0);
	node_expect_service(&node);
	return 0;
}

static bool try_sandbox(const struct sandbox *sandbox)
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (!pid)
		_exit(confine(sandbox));
	status = test_wait(pid);
	if (status != 0 && status != SKIPPED << 8)
		test_fail(__FILE__, __LINE__, "%s: wait status %#x", sandbox->name,
			  (unsigned)status);
	if (status == 0 && sandbox->is_of_the_node)
		expect_rest();
	return status == 0;
}

int main(void)
{
	unsigned tried = 0;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	make_root();
	name_files();
	for (size_t i = 0; i < sizeof(sandboxes) / sizeof(sandboxes[0]); i++)
		tried += try_sandbox(&sandboxes[i]);
	remove_root();
	node_stop(&node);
	if (!tried)
		test_skip("no sandboxes");
	return test_end();
}
