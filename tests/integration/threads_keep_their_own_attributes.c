/* SPDX-License-Identifier: MIT */
/*
 * Claim: each thread of a process that undump -p has taken has what it had chosen for itself: name,
 * nice value, policy, CPUs, I/O priority, timer slack and no_new_privs, where the executable is
 * started and where a node restarts it; also where the main thread has less than others.  What one
 * of them cannot have is said with its name, and it has the rest.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/node.h"
#include "tests/support/undump.h"

#define RIGHT 23
#define NOBODY 65534
#define BEST_EFFORT(level) (2 << 13 | (level)) /* ioprio_set(2) */

/* The main thread is the first: others have better nice values than it. */
static const struct choice {
	const char *name;
	int nice, policy, io_priority;
	unsigned slack_ns;
	bool is_first_cpu, no_new_privs;
} choices[] = {
	{ "the main one", 10, SCHED_OTHER, BEST_EFFORT(7), 60000, true, false },
	{ "worker a", 3, SCHED_BATCH, BEST_EFFORT(5), 70000, false, false },
	{ "worker b", 7, SCHED_IDLE, BEST_EFFORT(6), 80000, true, true },
	{ "worker c", 0, SCHED_OTHER, BEST_EFFORT(4), 50000, false, false },
};

#define THREADS (sizeof(choices) / sizeof(choices[0]))

static int cpus[2];	 /* the first and the last that there are */
static bool is_realtime; /* the last one has asked for that */
static pid_t home;
static atomic_uint ready, lost;

/* -- what a thread has ------------------------------------------------------------------------- */

struct schedule {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t rest[4];
};

static cpu_set_t set_of(const struct choice *choice)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpus[choice->is_first_cpu ? 0 : 1], &set);
	return set;
}

static bool becomes_realtime(const struct choice *choice)
{
	return is_realtime && choice == &choices[THREADS - 1];
}

static void choose(const struct choice *choice)
{
	struct schedule schedule = { .size = 48,
				     .policy = (uint32_t)choice->policy,
				     .nice = choice->nice };
	const struct sched_param realtime = { .sched_priority = 3 };
	cpu_set_t set = set_of(choice);

	CHECK_CALL(prctl(PR_SET_NAME, choice->name, 0, 0, 0));
	/* SCHED_IDLE takes none */
	CHECK_CALL(setpriority(PRIO_PROCESS, 0, choice->nice));
	CHECK_CALL((int)syscall(SYS_sched_setattr, 0, &schedule, 0));
	CHECK_CALL((int)syscall(SYS_ioprio_set, 1, 0, choice->io_priority));
	CHECK_CALL(prctl(PR_SET_TIMERSLACK, choice->slack_ns, 0, 0, 0));
	CHECK_CALL(sched_setaffinity(0, sizeof(set), &set));
	if (choice->no_new_privs)
		CHECK_CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (becomes_realtime(choice))
		CHECK_CALL(sched_setscheduler(0, SCHED_FIFO, &realtime));
}

static void expect(const struct choice *choice, const char *what, long got, long wanted)
{
	if (got == wanted)
		return;
	dprintf(2, "%s: %s is %ld, not %ld\n", choice->name, what, got, wanted);
	atomic_fetch_add(&lost, 1);
}

static void look(const struct choice *choice)
{
	struct schedule schedule = { 0 };
	cpu_set_t set, wanted = set_of(choice);
	char name[16] = "";

	CHECK_CALL(prctl(PR_GET_NAME, name, 0, 0, 0));
	CHECK_CALL((int)syscall(SYS_sched_getattr, 0, &schedule, sizeof(schedule), 0));
	CHECK_CALL(sched_getaffinity(0, sizeof(set), &set));
	expect(choice, "that the name differs", strcmp(name, choice->name) != 0, false);
	expect(choice, "the nice value", schedule.nice, choice->nice);
	expect(choice, "the policy", schedule.policy,
	       becomes_realtime(choice) && geteuid() == 0 ? SCHED_FIFO : choice->policy);
	expect(choice, "the I/O priority", syscall(SYS_ioprio_get, 1, 0), choice->io_priority);
	if (!becomes_realtime(choice)) /* which has none */
		expect(choice, "the timer slack", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0),
		       choice->slack_ns);
	expect(choice, "that the CPUs are", CPU_EQUAL(&set, &wanted), true);
	expect(choice, "no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	       choice->no_new_privs);
}

/* -- the process ------------------------------------------------------------------------------- */

/* Until the process is another one. */
static void stand(void)
{
	while (syscall(SYS_getpid) == home)
		sched_yield();
}

static void *work(void *argument)
{
	const struct choice *choice = argument;

	choose(choice);
	atomic_fetch_add(&ready, 1);
	stand();
	look(choice);
	return NULL;
}

_Noreturn static void live(void)
{
	pthread_t threads[THREADS];

	home = getpid();
	for (size_t i = 1; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, work, (void *)&choices[i]), 0);
	choose(&choices[0]);
	while (atomic_load(&ready) < THREADS - 1)
		sched_yield();
	CHECK_CALL(raise(SIGSTOP));
	stand();
	look(&choices[0]);
	for (size_t i = 1; i < THREADS; i++)
		CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
	_exit(atomic_load(&lost) ? 1 : RIGHT);
}

/* -- where it goes on -------------------------------------------------------------------------- */

static void expect_right(const struct undump_result *result, const char *line)
{
	if (result->status != RIGHT || (line ? !strstr(result->text, line) : result->text[0]))
		test_fail(__FILE__, __LINE__, "exit status %d: %s", result->status, result->text);
}

static void start(const char *path, const char *line)
{
	static struct undump_result result;

	undump_run(&result, path, NULL);
	expect_right(&result, line);
}

static void send(const char *path)
{
	static struct undump_result result;
	struct node node;

	node_start(&node, NULL);
	undump_run(&result, test_build_path("tools/undump"), path, "--to", node.host, NULL);
	expect_right(&result, NULL);
	node_stop(&node);
}

/* In a process of its own, as an ordinary user, who may have no realtime policy. */
static void start_as_nobody(const char *path)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		CHECK_CALL(setgid(NOBODY));
		CHECK_CALL(setuid(NOBODY));
		start(path, "(worker c): scheduling policy: it is SCHED_OTHER, not SCHED_FIFO 3");
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void try_realtime(const char *path)
{
	is_realtime = true;
	undump_live(live, path);
	CHECK_CALL(chmod(path, 0755));
	start(path, NULL);
	start_as_nobody(path);
	undump_remove(path);
}

static void find_cpus(void)
{
	cpu_set_t set;

	CHECK_CALL(sched_getaffinity(0, sizeof(set), &set));
	cpus[0] = -1;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			cpus[0] = cpus[0] < 0 ? i : cpus[0];
			cpus[1] = i;
		}
}

int main(void)
{
	char path[128];

	test_begin();
	CHECK_CALL(chdir("/"));
	CHECK_CALL(chmod(checkpoint_directory(), 0755));
	if (getpriority(PRIO_PROCESS, 0) > 0)
		test_skip("the test itself has a nice value");
	find_cpus();
	snprintf(path, sizeof(path), "%s", checkpoint_path("app"));
	undump_live(live, path);
	start(path, NULL);
	send(path);
	undump_remove(path);
	if (geteuid() == 0)
		try_realtime(path);
	checkpoint_clean(NULL, 0);
	return test_end();
}
