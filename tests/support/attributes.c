/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/attributes.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Missing in older headers. */
#define SET_MDWE 65
#define GET_MDWE 66
#define SET_MEMORY_MERGE 67
#define GET_MEMORY_MERGE 68
#define BIND_PREFERRED 1 /* MPOL_PREFERRED, <linux/mempolicy.h> */

static void tell_number(char *text, size_t bytes, long number)
{
	snprintf(text, bytes, "%ld", number);
}

/* -- files of /proc ---------------------------------------------------------------------------- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return is_written;
}

static void tell_file(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, bytes - 1);

	text[got > 0 ? got : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static bool set_oom_score(void)
{
	return write_file("/proc/self/oom_score_adj", "345");
}

static void tell_oom_score(char *text, size_t bytes)
{
	tell_file("/proc/self/oom_score_adj", text, bytes);
}

static bool set_core_filter(void)
{
	return write_file("/proc/self/coredump_filter", "0x7e");
}

static void tell_core_filter(char *text, size_t bytes)
{
	tell_file("/proc/self/coredump_filter", text, bytes);
}

/* Of a session of its own, as it is the session's. */
static bool set_autogroup(void)
{
	const int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	bool is_set;

	if (setsid() < 0)
		return false;
	/* an ordinary user may do it ten times a second, whoever else does */
	while (!(is_set = write_file("/proc/self/autogroup", "7")) && errno == EAGAIN &&
	       test_now_ms() < deadline_ms)
		test_poll(-1, 0, 10);
	return is_set;
}

static void tell_autogroup(char *text, size_t bytes)
{
	char line[128] = "";
	const char *nice;

	tell_file("/proc/self/autogroup", line, sizeof(line));
	nice = strstr(line, "nice");
	snprintf(text, bytes, "%s", nice ? nice : "none");
}

/* -- limits ------------------------------------------------------------------------------------ */

/* All that have one, each another, so high that nobody meets it. */
static bool set_limits(void)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		rlim_t wide = ((rlim_t)1 << 40) + ((rlim_t)i << 12);
		struct rlimit limit;

		CHECK_CALL(getrlimit((__rlimit_resource_t)i, &limit));
		if (i == RLIMIT_CPU || i == RLIMIT_NOFILE || i == RLIMIT_NPROC ||
		    i == RLIMIT_SIGPENDING)
			wide = 1000 + (rlim_t)i;
		if (limit.rlim_max > wide + 5)
			limit = (struct rlimit){ wide, wide + 5 };
		else if (limit.rlim_max > 1)
			limit = (struct rlimit){ limit.rlim_max / 2, limit.rlim_max - 1 };
		CHECK_CALL(setrlimit((__rlimit_resource_t)i, &limit));
	}
	return true;
}

static void tell_limits(char *text, size_t bytes)
{
	size_t used = 0;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;

		CHECK_CALL(getrlimit((__rlimit_resource_t)i, &limit));
		used += (size_t)snprintf(text + used, bytes - used, "%d %lu:%lu ", i,
					 limit.rlim_cur, limit.rlim_max);
	}
}

/* -- scheduling -------------------------------------------------------------------------------- */

struct schedule {
	uint32_t bytes, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static bool set_schedule(struct schedule schedule)
{
	schedule.bytes = sizeof(schedule);
	return syscall(SYS_sched_setattr, 0, &schedule, 0) == 0;
}

static void tell_schedule(char *text, size_t bytes)
{
	struct schedule now = { .bytes = 0 };

	CHECK_CALL(syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0));
	snprintf(text, bytes, "policy %u flags %lu nice %d priority %u clamps %u-%u", now.policy,
		 now.flags, now.nice, now.priority, now.util_min, now.util_max);
}

static bool set_nice(void)
{
	return set_schedule((struct schedule){ .policy = SCHED_BATCH, .nice = 3 });
}

static bool set_idle(void)
{
	/* sched_setattr(2) takes no nice value for it, setpriority(2) does */
	return set_schedule((struct schedule){ .policy = SCHED_IDLE }) &&
	       setpriority(PRIO_PROCESS, 0, 5) == 0;
}

static bool set_realtime(void)
{
	return set_schedule((struct schedule){ .policy = SCHED_RR, .priority = 4 });
}

static bool set_reset_on_fork(void)
{
	return set_schedule((struct schedule){ .policy = SCHED_RR, .priority = 3, .flags = 1 });
}

static bool set_cpus(void)
{
	cpu_set_t set, one;
	int last = -1;

	CHECK_CALL(sched_getaffinity(0, sizeof(set), &set));
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			last = i;
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	return CPU_COUNT(&set) > 1 && sched_setaffinity(0, sizeof(one), &one) == 0;
}

static void tell_cpus(char *text, size_t bytes)
{
	cpu_set_t set;
	size_t used = 0;

	CHECK_CALL(sched_getaffinity(0, sizeof(set), &set));
	text[0] = '\0';
	for (int i = 0; i < CPU_SETSIZE && used + 8 < bytes; i++)
		if (CPU_ISSET(i, &set))
			used += (size_t)snprintf(text + used, bytes - used, "%d ", i);
}

static bool set_io_priority(void)
{
	return syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) == 0;
}

static void tell_io_priority(char *text, size_t bytes)
{
	tell_number(text, bytes, syscall(SYS_ioprio_get, 1, 0));
}

static bool set_timer_slack(void)
{
	return prctl(PR_SET_TIMERSLACK, 123456ul, 0, 0, 0) == 0;
}

static void tell_timer_slack(char *text, size_t bytes)
{
	tell_number(text, bytes, prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
}

/* -- options of prctl(2) ----------------------------------------------------------------------- */

static bool set_option(int option, unsigned long a, unsigned long b)
{
	return prctl(option, a, b, 0, 0) == 0;
}

static void tell_option(char *text, size_t bytes, int option)
{
	tell_number(text, bytes, prctl(option, 0, 0, 0, 0));
}

static void tell_stored(char *text, size_t bytes, int option)
{
	int value = -1;

	prctl(option, &value, 0, 0, 0);
	tell_number(text, bytes, value);
}

#define OPTION(name, option, value, b)                                                             \
	static bool set_##name(void)                                                               \
	{                                                                                          \
		return set_option(option, value, b);                                               \
	}
#define TOLD(name, option)                                                                         \
	static void tell_##name(char *text, size_t bytes)                                          \
	{                                                                                          \
		tell_option(text, bytes, option);                                                  \
	}
#define STORED(name, option)                                                                       \
	static void tell_##name(char *text, size_t bytes)                                          \
	{                                                                                          \
		tell_stored(text, bytes, option);                                                  \
	}

OPTION(dumpable, PR_SET_DUMPABLE, 0, 0)
TOLD(dumpable, PR_GET_DUMPABLE)
OPTION(no_new_privs, PR_SET_NO_NEW_PRIVS, 1, 0)
TOLD(no_new_privs, PR_GET_NO_NEW_PRIVS)
OPTION(subreaper, PR_SET_CHILD_SUBREAPER, 1, 0)
STORED(subreaper, PR_GET_CHILD_SUBREAPER)
OPTION(keep_capabilities, PR_SET_KEEPCAPS, 1, 0)
TOLD(keep_capabilities, PR_GET_KEEPCAPS)
OPTION(securebits, PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_SETUID_FIXUP, 0)
TOLD(securebits, PR_GET_SECUREBITS)
OPTION(death_signal, PR_SET_PDEATHSIG, SIGUSR2, 0)
STORED(death_signal, PR_GET_PDEATHSIG)
OPTION(huge_pages, PR_SET_THP_DISABLE, 1, 0)
TOLD(huge_pages, PR_GET_THP_DISABLE)
OPTION(merging, SET_MEMORY_MERGE, 1, 0)
TOLD(merging, GET_MEMORY_MERGE)
OPTION(memory_deny, SET_MDWE, 1, 0)
TOLD(memory_deny, GET_MDWE)
OPTION(private_memory_deny, SET_MDWE, 3, 0)
OPTION(time_stamp_counter, PR_SET_TSC, PR_TSC_SIGSEGV, 0)
STORED(time_stamp_counter, PR_GET_TSC)
OPTION(store_bypass, PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE)
OPTION(io_flusher, PR_SET_IO_FLUSHER, 1, 0)
TOLD(io_flusher, PR_GET_IO_FLUSHER)
OPTION(machine_checks, PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY)
TOLD(machine_checks, PR_MCE_KILL_GET)

static void tell_store_bypass(char *text, size_t bytes)
{
	tell_number(text, bytes, prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0));
}

static bool set_personality(void)
{
	return personality(ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS) >= 0;
}

static void tell_personality(char *text, size_t bytes)
{
	tell_number(text, bytes, personality(0xffffffff));
}

static bool set_memory_policy(void)
{
	unsigned long nodes = 1;

	return syscall(SYS_set_mempolicy, BIND_PREFERRED, &nodes, 64) == 0;
}

static void tell_memory_policy(char *text, size_t bytes)
{
	unsigned long nodes[16] = { 0 };
	int policy = -1;

	syscall(SYS_get_mempolicy, &policy, nodes, 1024, 0, 0);
	snprintf(text, bytes, "%d of %lx", policy, nodes[0]);
}

/* Missing in older headers, and before Linux 6.3: MEMBARRIER_CMD_GET_REGISTRATIONS. */
#define GET_REGISTRATIONS 512

static bool set_barriers(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
	       syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

/* What is registered for, or on an older kernel, what can be used. */
static void tell_barriers(char *text, size_t bytes)
{
	long registered = syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0);

	if (registered < 0)
		registered = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	tell_number(text, bytes, registered);
}

#define GET_COMPONENTS 0x1022
#define ASK_FOR_COMPONENT 0x1023
#define TILES 18

/* Of AMX, where the processor has them. */
static bool set_tiles(void)
{
	return syscall(SYS_arch_prctl, ASK_FOR_COMPONENT, TILES) == 0;
}

static void tell_tiles(char *text, size_t bytes)
{
	uint64_t components = 0;

	syscall(SYS_arch_prctl, GET_COMPONENTS, &components);
	tell_number(text, bytes, components >> TILES & 1);
}

static bool set_name(void)
{
	return prctl(PR_SET_NAME, "of-its-own") == 0;
}

static void tell_name(char *text, size_t bytes)
{
	char name[17] = "";

	prctl(PR_GET_NAME, name);
	snprintf(text, bytes, "%s", name);
}

/* -- all --------------------------------------------------------------------------------------- */

#define ATTRIBUTE(name, flags)                                                                     \
	{                                                                                          \
#name, set_##name, tell_##name, flags                                              \
	}

const struct attribute attributes[] = {
	ATTRIBUTE(limits, 0),
	{ "nice", set_nice, tell_schedule, 0 },
	{ "idle", set_idle, tell_schedule, ATTRIBUTE_ALONE },
	{ "realtime", set_realtime, tell_schedule, ATTRIBUTE_ALONE },
	{ "reset_on_fork", set_reset_on_fork, tell_schedule, ATTRIBUTE_ALONE },
	ATTRIBUTE(cpus, 0),
	ATTRIBUTE(io_priority, 0),
	ATTRIBUTE(oom_score, 0),
	ATTRIBUTE(core_filter, 0),
	ATTRIBUTE(autogroup, ATTRIBUTE_ALONE),
	ATTRIBUTE(timer_slack, 0),
	ATTRIBUTE(no_new_privs, 0),
	ATTRIBUTE(subreaper, 0),
	ATTRIBUTE(keep_capabilities, ATTRIBUTE_ALONE),
	ATTRIBUTE(securebits, 0),
	ATTRIBUTE(death_signal, ATTRIBUTE_OF_THE_NODE),
	ATTRIBUTE(huge_pages, 0),
	ATTRIBUTE(merging, 0),
	ATTRIBUTE(memory_deny, 0),
	{ "private_memory_deny", set_private_memory_deny, tell_memory_deny, ATTRIBUTE_ALONE },
	ATTRIBUTE(time_stamp_counter, ATTRIBUTE_ALONE),
	ATTRIBUTE(store_bypass, 0),
	ATTRIBUTE(io_flusher, 0),
	ATTRIBUTE(machine_checks, 0),
	ATTRIBUTE(personality, 0),
	ATTRIBUTE(memory_policy, 0),
	ATTRIBUTE(barriers, 0),
	ATTRIBUTE(tiles, 0),
	ATTRIBUTE(name, 0),
	ATTRIBUTE(dumpable, ATTRIBUTE_HIDES),
};

const unsigned attribute_count = sizeof(attributes) / sizeof(attributes[0]);

void attributes_set_all(struct attributes_told *told, unsigned but_for)
{
	for (unsigned i = 0; i < attribute_count; i++)
		told->is_set[i] = !(attributes[i].flags & (but_for | ATTRIBUTE_ALONE)) &&
				  attributes[i].set();
	for (unsigned i = 0; i < attribute_count; i++)
		attributes[i].tell(told->text[i], sizeof(told->text[i]));
}

unsigned attributes_count_lost(const struct attributes_told *told, const char *where)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < attribute_count; i++) {
		char now[ATTRIBUTE_BYTES];

		if (!told->is_set[i])
			continue;
		attributes[i].tell(now, sizeof(now));
		if (strcmp(now, told->text[i]) == 0)
			continue;
		dprintf(STDERR_FILENO, "%s: %s is \"%s\", not \"%s\"\n", where, attributes[i].name,
			now, told->text[i]);
		lost++;
	}
	return lost;
}
