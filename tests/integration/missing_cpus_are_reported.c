/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that was restricted to CPUs which the node does not have, here because it is in a
 * cpuset of one, runs on what there is, and is told so, as its caller is.  One that may use all
 * CPUs at home is told nothing, and uses what the node has.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/node.h"

static const char line[] =
	"CPU affinity: this machine gives none of the CPUs that it names: Invalid argument\n";

static struct node node;
static char group[64];
static int first_cpu, last_cpu;

static bool put(const char *name, const char *text)
{
	char path[96];
	int fd;
	bool is_written;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return is_written;
}

/* Of either version of control groups. */
static bool make_group(void)
{
	static const char *const places[] = { "/sys/fs/cgroup/cpuset", "/sys/fs/cgroup" };
	char cpu[16];

	snprintf(cpu, sizeof(cpu), "%d", first_cpu);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(group, sizeof(group), "%s/rfork-test-%d", places[i], (int)getpid());
		if (mkdir(group, 0755) < 0)
			continue;
		if (put("cpuset.cpus", cpu) && put("cpuset.mems", "0"))
			return true;
		CHECK_CALL(rmdir(group));
	}
	return false;
}

/* In the server. */
static void enter_group(const struct node *unused)
{
	(void)unused;
	CHECK(put("cgroup.procs", "0"));
}

static void find_cpus(cpu_set_t *all)
{
	CHECK_CALL(sched_getaffinity(0, sizeof(*all), all));
	if (CPU_COUNT(all) < 2)
		test_skip("there is one CPU only");
	for (int i = CPU_SETSIZE - 1; i >= 0; i--)
		if (CPU_ISSET(i, all)) {
			first_cpu = i;
			last_cpu = last_cpu ? last_cpu : i;
		}
}

static void expect_report(const char *report)
{
	pid_t pid = node_move_returns_twice(&node, 0);
	cpu_set_t set;

	if (!pid) {
		CHECK_CALL(sched_getaffinity(0, sizeof(set), &set));
		CHECK(CPU_COUNT(&set) == 1 && CPU_ISSET(first_cpu, &set));
		CHECK_TEXT(rfork_report(), report);
		_exit(0);
	}
	CHECK_TEXT(rfork_report(), report);
	test_expect_exit(pid, 0);
}

int main(void)
{
	cpu_set_t all, last;

	test_begin();
	find_cpus(&all);
	if (!make_group())
		test_skip("no cpuset can be made");
	node_before_server = enter_group;
	node_start(&node, NULL);
	expect_report("");
	CPU_ZERO(&last);
	CPU_SET(last_cpu, &last);
	CHECK_CALL(sched_setaffinity(0, sizeof(last), &last));
	expect_report(line);
	node_stop(&node);
	CHECK_CALL(rmdir(group));
	return test_end();
}
