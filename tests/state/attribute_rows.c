/* SPDX-License-Identifier: MIT */
/*
 * Attributes: limits, scheduling, and options that a process or thread has chosen for itself.  How
 * each is set and told is in tests/support/attributes.c.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/state/row.h"
#include "tests/support/attributes.h"

static char told[ATTRIBUTE_BYTES];

static const struct attribute *find(const char *name)
{
	for (unsigned i = 0; i < attribute_count; i++)
		if (strcmp(attributes[i].name, name) == 0)
			return &attributes[i];
	test_fail(__FILE__, __LINE__, "there is no attribute %s", name);
}

static void build(const char *name)
{
	const struct attribute *attribute = find(name);

	if (!attribute->set())
		test_skip("%s: not to be had here", name);
	attribute->tell(told, sizeof(told));
}

/* of_a_child: what a child of fork() has instead; NULL = the same. */
static void see(const char *name, const char *of_a_child)
{
	bool is_child = STATE_CHILDREN & (1u << state_way);
	char now[ATTRIBUTE_BYTES];

	find(name)->tell(now, sizeof(now));
	CHECK_TEXT(now, is_child && of_a_child ? of_a_child : told);
}

#define FUNCTIONS(name, of_a_child)                                                                \
	static void build_##name(void)                                                             \
	{                                                                                          \
		build(#name);                                                                      \
	}                                                                                          \
	static void see_##name(void)                                                               \
	{                                                                                          \
		see(#name, of_a_child);                                                            \
	}

FUNCTIONS(limits, NULL)
FUNCTIONS(nice, NULL)
FUNCTIONS(cpus, NULL)
FUNCTIONS(io_priority, NULL)
FUNCTIONS(oom_score, NULL)
FUNCTIONS(core_filter, NULL)
FUNCTIONS(autogroup, NULL)
FUNCTIONS(timer_slack, NULL)
FUNCTIONS(no_new_privs, NULL)
FUNCTIONS(subreaper, "0")
FUNCTIONS(securebits, NULL)
FUNCTIONS(death_signal, NULL)
FUNCTIONS(huge_pages, NULL)
FUNCTIONS(merging, NULL)
FUNCTIONS(memory_deny, NULL)
FUNCTIONS(barriers, NULL)
FUNCTIONS(tiles, NULL)
FUNCTIONS(store_bypass, NULL)
FUNCTIONS(io_flusher, NULL)
FUNCTIONS(machine_checks, NULL)
FUNCTIONS(personality, NULL)
FUNCTIONS(memory_policy, NULL)
FUNCTIONS(dumpable, NULL)
FUNCTIONS(time_stamp_counter, NULL)

#define ROW(kind, name, ...)                                                                       \
	{                                                                                          \
		kind, build_##name, see_##name, .ways = __VA_ARGS__                                \
	}

const struct state_row state_attribute_rows[] = {
	ROW("limits", limits, STATE_ALL),
	ROW("scheduling", nice, STATE_ALL),
	ROW("cpu-affinity", cpus, STATE_ALL),
	ROW("io-priority", io_priority, STATE_ALL),
	ROW("oom-score", oom_score, STATE_ALL),
	ROW("core-dump-filter", core_filter, STATE_ALL),
	/* of a session: a restarted process is in that of whoever starts it */
	ROW("autogroup", autogroup, STATE_CHILDREN | STATE_BY(MOVE)),
	ROW("timer-slack", timer_slack, STATE_ALL),
	ROW("no-new-privs", no_new_privs, STATE_ALL),
	ROW("subreaper", subreaper, STATE_ALL, .unseen = STATE_CHILDREN),
	ROW("securebits", securebits, STATE_ALL),
	/* on a node it is the node's */
	ROW("death-signal", death_signal, STATE_BY(RESTART) | STATE_BY(PROCESS)),
	ROW("huge-page-disable", huge_pages, STATE_ALL),
	ROW("memory-merging", merging, STATE_ALL),
	ROW("memory-deny", memory_deny, STATE_ALL),
	ROW("memory-barriers", barriers, STATE_ALL),
	ROW("tile-registers", tiles, STATE_ALL),
	ROW("speculation", store_bypass, STATE_ALL),
	ROW("io-flusher", io_flusher, STATE_ALL),
	ROW("machine-checks", machine_checks, STATE_ALL),
	ROW("personality", personality, STATE_ALL),
	ROW("memory-policy", memory_policy, STATE_ALL),
	/* of an ordinary user's no other process may look at it then */
	ROW("dumpable", dumpable, STATE_ALL & ~STATE_BY(PROCESS)),
	ROW("time-stamp-counter", time_stamp_counter, STATE_ALL),
	{ .kind = NULL },
};
