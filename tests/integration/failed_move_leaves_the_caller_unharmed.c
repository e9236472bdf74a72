/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that cannot move, for whatever reason and however late that shows, goes on as if it
 * had not tried: memory, mappings, descriptors, signal mask, pending signals in their order, timers, rseq,
 * name and limits are what they were.
 */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "rfork/protocol.h"
#include "tests/support/fake_node.h"
#include "tests/support/footprint.h"
#include "tests/support/mover.h"
#include "tests/support/process.h"
#include "tests/support/proxy.h"
#include "tests/support/scripted_node.h"
#include "tests/support/signals.h"

#define BLOCK_BYTES (4ul << 20)
#define FAR_S 100000

static struct node node;

/* -- what must be the same afterwards --------------------------------------------------------- */

struct condition {
	sigset_t mask;
	uint64_t digest;
	char name[16];
	struct rlimit core;
	int dumpable;
	timer_t timer;
};

static struct footprint before;
static unsigned char *block;

static void queue_signals(void)
{
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 1 }));
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 2 }));
	CHECK_CALL(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 3 }));
	CHECK_CALL((int)syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2));
}

static void expect_signals(void)
{
	sigset_t pending;

	CHECK_EQUAL(signals_take(SIGRTMIN + 2).si_value.sival_int, 1);
	CHECK_EQUAL(signals_take(SIGRTMIN + 2).si_value.sival_int, 2);
	CHECK_EQUAL(signals_take(SIGUSR1).si_value.sival_int, 3);
	CHECK(signals_is_directed(SIGUSR2));
	signals_take(SIGUSR2);
	CHECK_CALL(sigpending(&pending));
	for (int signal = 1; signal < SIGNALS_END; signal++)
		if (sigismember(&pending, signal) == 1)
			test_fail(__FILE__, __LINE__, "signal %d is pending", signal);
}

static void start_timers(struct condition *condition)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3 };
	struct itimerspec far = { .it_value.tv_sec = FAR_S, .it_interval.tv_sec = 7 };
	struct itimerval real = { .it_value.tv_sec = FAR_S, .it_interval.tv_sec = 5 };

	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, &condition->timer));
	CHECK_CALL(timer_settime(condition->timer, 0, &far, NULL));
	CHECK_CALL(setitimer(ITIMER_REAL, &real, NULL));
	CHECK_CALL(setitimer(ITIMER_PROF, &real, NULL));
}

static void expect_itimer(int which)
{
	struct itimerval now;

	CHECK_CALL(getitimer(which, &now));
	CHECK(now.it_value.tv_sec <= FAR_S + 1 && now.it_value.tv_sec > FAR_S - 100);
	CHECK_EQUAL(now.it_interval.tv_sec, 5);
}

static void expect_timers(const struct condition *condition)
{
	struct itimerspec now;

	CHECK_CALL(timer_gettime(condition->timer, &now));
	CHECK(now.it_value.tv_sec <= FAR_S && now.it_value.tv_sec > FAR_S - 100);
	CHECK_EQUAL(now.it_interval.tv_sec, 7);
	expect_itimer(ITIMER_REAL);
	expect_itimer(ITIMER_PROF);
}

static volatile struct rseq *rseq_area(void)
{
	return (volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static void expect_rseq(void)
{
	cpu_set_t allowed, one;

	CHECK_CALL(sched_getaffinity(0, sizeof(allowed), &allowed));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK_CALL(sched_setaffinity(0, sizeof(one), &one));
		CHECK_EQUAL(sched_getcpu(), cpu);
		if (__rseq_size)
			CHECK_EQUAL(rseq_area()->cpu_id, cpu);
	}
	CHECK_CALL(sched_setaffinity(0, sizeof(allowed), &allowed));
}

static void take_condition(struct condition *condition)
{
	CHECK_CALL(sigprocmask(SIG_BLOCK, NULL, &condition->mask));
	CHECK_CALL(prctl(PR_GET_NAME, condition->name));
	CHECK_CALL(getrlimit(RLIMIT_CORE, &condition->core));
	condition->dumpable = CHECK_CALL(prctl(PR_GET_DUMPABLE));
	condition->digest = test_digest(block, BLOCK_BYTES);
}

static void expect_condition(const struct condition *then)
{
	struct condition now = { .timer = then->timer };

	take_condition(&now);
	CHECK(!memcmp(&now.mask, &then->mask, sizeof(now.mask)));
	CHECK_EQUAL(now.digest, then->digest);
	CHECK_TEXT(now.name, then->name);
	CHECK_EQUAL(now.core.rlim_cur, then->core.rlim_cur);
	CHECK_EQUAL(now.dumpable, then->dumpable);
	expect_rseq();
	expect_timers(then);
	expect_signals();
	footprint_expect(&before);
}

/* -- a move that fails ------------------------------------------------------------------------- */

static struct {
	const char *host;
	struct rfork_options options;
	int error;
} failure;

static void fail_once(void)
{
	int result = rfork_move_with(failure.host, &failure.options);

	if (result == 0)
		_exit(99); /* nobody may ever come to live on the node */
	CHECK_EQUAL(result, -1);
	dprintf(2, "refused: %s\n", rfork_error());
	if (errno != failure.error)
		test_fail(__FILE__, __LINE__, "errno is %d (%s), not %d", errno, strerror(errno),
			  failure.error);
	CHECK(strlen(rfork_error()) > 10);
}

static void mask_signals(void)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGTERM);
	sigdelset(&set, SIGALRM);
	CHECK_CALL(sigprocmask(SIG_SETMASK, &set, NULL));
}

static int fail_to_move(const struct node *unused)
{
	struct condition condition = { 0 };

	(void)unused;
	mask_signals();
	CHECK_CALL(prctl(PR_SET_NAME, "stays-at-home"));
	CHECK_CALL(setrlimit(RLIMIT_CORE, &(struct rlimit){ 4096, 8192 }));
	block = malloc(BLOCK_BYTES);
	CHECK(block);
	test_fill(block, BLOCK_BYTES, 12);
	start_timers(&condition);
	queue_signals();
	footprint_take(&before);
	footprint_take(&before);
	take_condition(&condition);
	fail_once();
	expect_condition(&condition);
	return 0;
}

static void expect_failure(const char *host, int error)
{
	failure.host = host;
	failure.error = error;
	failure.options.size = sizeof(failure.options);
	mover_run(&node, fail_to_move);
	failure.options = (struct rfork_options){ 0 };
}

/* -- early: before anything has been sent ------------------------------------------------------ */

static void check_early(void)
{
	struct fake_node fake;
	int fd;

	expect_failure("no such host:port", EINVAL);
	failure.options.flags = RFORK_ASYNC;
	expect_failure(node.host, EINVAL);
	expect_failure("127.0.0.1:1", ECONNREFUSED);
	fake_node_start(&fake, FAKE_OTHER_VERSION, node.key);
	expect_failure(fake.host, EPROTONOSUPPORT);
	fake_node_finish(&fake);
	/* what no node takes */
	fd = CHECK_CALL(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE));
	expect_failure(node.host, ENOTSUP);
	close(fd);
}

/* -- late: the image is frozen ----------------------------------------------------------------- */

static void check_frozen(void)
{
	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "break", 1));
	expect_failure(node.host, EIO);
	CHECK_CALL(unsetenv("RFORK_CHECK_FROZEN"));
}

static void check_lost_directory(void)
{
	char path[] = "/tmp/rfork-test-XXXXXX";

	CHECK(mkdtemp(path));
	CHECK_CALL(chdir(path));
	CHECK_CALL(rmdir(path));
	expect_failure(node.host, ENOTSUP);
	CHECK_CALL(chdir("/"));
}

/* The line is cut somewhere in the image. */
static void check_cuts(void)
{
	static const int64_t cuts[] = { 700, 4000, 30000, 1 << 20, 4 << 20 };

	for (unsigned i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct proxy_plan plan = PROXY_PLAIN;
		struct proxy proxy;

		plan.cut_after = cuts[i];
		proxy_start(&proxy, node.port, &plan);
		expect_failure(proxy.host, ECONNRESET);
		proxy_finish(&proxy);
	}
}

/* Shells that are stopped take no image. */
static void check_time_limit(struct node_load load)
{
	node_expect_load(&node, load); /* no shell ends just now */
	process_signal_shells(&node, SIGSTOP);
	failure.options.timeout_ms = 300 * test_patience();
	expect_failure(node.host, ETIMEDOUT);
	process_signal_shells(&node, SIGCONT);
}

static void refuse(int connection)
{
	static const struct {
		int32_t error;
		char sentence[12];
	} refused = { ENOSPC, "the disk won" };

	scripted_node_put(connection, RF_FRAME_REFUSED, 0, 0, &refused, sizeof(refused));
}

static void hang_up(int connection)
{
	shutdown(connection, SHUT_RDWR);
}

static void say_nothing(int connection)
{
	(void)connection;
}

static void check_last_moment(void)
{
	struct scripted_node scripted;

	scripted_node_start_at_end(&scripted, node.key, refuse);
	expect_failure(scripted.host, ENOSPC);
	scripted_node_finish(&scripted);
	scripted_node_start_at_end(&scripted, node.key, hang_up);
	expect_failure(scripted.host, ECONNRESET);
	scripted_node_finish(&scripted);
	scripted_node_start_at_end(&scripted, node.key, say_nothing);
	failure.options.timeout_ms = 200 * test_patience();
	expect_failure(scripted.host, ETIMEDOUT);
	scripted_node_finish(&scripted);
	/* says that a child runs which should wait */
	scripted_node_start(&scripted, node.key, say_nothing);
	expect_failure(scripted.host, EBADMSG);
	scripted_node_finish(&scripted);
}

int main(void)
{
	struct node_load load;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	check_early();
	check_frozen();
	check_lost_directory();
	check_cuts();
	check_time_limit(load);
	check_last_moment();
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
