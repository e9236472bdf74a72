/* SPDX-License-Identifier: MIT */
/*
 * Claim: under a root server with --user, a child has the user's ids, groups and no capability,
 * cannot become root again, and can neither trace nor read its session nor read the key.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/node.h"

#define USER "nobody"
#define MAX_GROUPS 256

static struct node node;
static uid_t uid;
static gid_t gid, groups[MAX_GROUPS];
static int group_count = MAX_GROUPS;

static void look_up(void)
{
	const struct passwd *entry = getpwnam(USER);

	if (!entry)
		test_skip("there is no user " USER);
	uid = entry->pw_uid;
	gid = entry->pw_gid;
	CHECK_CALL(getgrouplist(USER, gid, groups, &group_count));
}

static void expect_ids(void)
{
	uid_t u[3];
	gid_t g[3], now[MAX_GROUPS];

	CHECK_CALL(getresuid(&u[0], &u[1], &u[2]));
	CHECK_CALL(getresgid(&g[0], &g[1], &g[2]));
	for (int i = 0; i < 3; i++) {
		CHECK_EQUAL(u[i], uid);
		CHECK_EQUAL(g[i], gid);
	}
	CHECK_EQUAL(getgroups(MAX_GROUPS, now), group_count);
	for (int i = 0; i < group_count; i++) {
		bool found = false;

		for (int j = 0; j < group_count && !found; j++)
			found = now[j] == groups[i];
		CHECK(found);
	}
}

static void expect_no_way_back(void)
{
	CHECK(setuid(0) < 0 && setreuid(0, 0) < 0 && setresuid(0, 0, 0) < 0 && seteuid(0) < 0);
	CHECK(setgid(0) < 0 && setegid(0) < 0 && setgroups(0, NULL) < 0);
	expect_ids();
}

static void expect_no_capability(void)
{
	static const char *const sets[] = { "CapInh: %llx", "CapPrm: %llx", "CapEff: %llx",
					    "CapAmb: %llx" };
	FILE *file = fopen("/proc/self/status", "re");
	unsigned seen = 0;

	CHECK(file);
	for (char line[4096]; fgets(line, sizeof(line), file);) {
		for (unsigned i = 0; i < 4; i++) {
			unsigned long long set;

			if (sscanf(line, sets[i], &set) != 1)
				continue;
			CHECK_EQUAL(set, 0);
			seen++;
		}
	}
	fclose(file);
	CHECK_EQUAL(seen, 4);
}

static void expect_denied(const char *path, int flags)
{
	if (open(path, flags | O_CLOEXEC) >= 0 || errno != EACCES)
		test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
}

/* The session runs as the same user, and has held the key. */
static void expect_shut_session(void)
{
	static const char *const names[] = { "mem", "maps", "environ", "fd/3" };
	pid_t session = getppid();
	char path[64];

	CHECK(session > 1 && session != node.pid);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)session, names[i]);
		expect_denied(path, O_RDONLY);
	}
	CHECK_EQUAL(ptrace(PTRACE_SEIZE, session, NULL, NULL), -1);
	CHECK_EQUAL(errno, EPERM);
}

int main(void)
{
	const char *arguments[] = { "--user", USER, NULL };
	pid_t pid;

	test_begin();
	if (geteuid())
		test_skip("only root can run children as another user");
	look_up();
	/* A place that every user may be in. */
	CHECK_CALL(chdir("/"));
	node_start(&node, arguments);
	/* Only the mode of the key file itself stands before it. */
	CHECK_CALL(chmod(node.directory, 0755));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		expect_ids();
		expect_no_way_back();
		expect_no_capability();
		expect_shut_session();
		expect_denied(node.key_file, O_RDONLY);
		expect_denied(node.key_file, O_WRONLY);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	node_stop(&node);
	return test_end();
}
