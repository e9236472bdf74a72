/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process may move on, ten times round three nodes: memory, its own pipe, a timer and a pending
 * signal go with it, nothing piles up in it, and through the chain of its ghosts its parent at home still
 * reads from it, signals it, stops it, and learns how it ends.  If a ghost in the middle dies, so does
 * the process, and the parent sees it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/mover.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

#define NODES 3
#define MOVES 10

static struct node nodes[NODES];
static struct footprint first, now;
static int reports[2], own[2];
static unsigned counter;

static void report(void)
{
	dprintf(reports[1], "%d\n", (int)getpid());
}

static unsigned count_fds(const struct footprint *footprint)
{
	unsigned count = 0;

	for (int fd = 0; fd < FOOTPRINT_FDS; fd++)
		count += footprint->fds[fd][0] != '\0';
	return count;
}

static void expect_no_growth(unsigned move)
{
	footprint_take(&now);
	if (move == 1)
		first = now;
	CHECK_EQUAL(count_fds(&now), count_fds(&first));
	footprint_expect_maps(&now, &first);
}

static void prepare(void)
{
	struct itimerval far = { .it_value.tv_sec = 100000 };

	signals_block_all(NULL);
	CHECK_CALL(pipe(own));
	stream_write_text(own[1], "kept");
	CHECK_CALL(setitimer(ITIMER_REAL, &far, NULL));
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 99 }));
}

static void expect_all_kept(void)
{
	struct itimerval left;

	CHECK_EQUAL(counter, MOVES);
	stream_expect_text(own[0], "kept");
	CHECK_CALL(getitimer(ITIMER_REAL, &left));
	CHECK(left.it_value.tv_sec > 99000 && left.it_value.tv_sec <= 100000);
	CHECK_EQUAL(signals_take(SIGRTMIN).si_value.sival_int, 99);
}

static int move_on(const struct node *unused)
{
	(void)unused;
	prepare();
	for (unsigned i = 1; i <= MOVES; i++) {
		mover_go(&nodes[i % NODES]);
		counter++;
		report();
		expect_no_growth(i);
	}
	expect_all_kept();
	CHECK_EQUAL(signals_take(SIGUSR1).si_value.sival_int, 7);
	CHECK_CALL(kill(getppid(), SIGUSR2));
	raise(SIGSTOP);
	signals_take(SIGUSR1);
	return MOVES;
}

static pid_t await_moves(pid_t pids[MOVES])
{
	for (unsigned i = 0; i < MOVES; i++)
		pids[i] = (pid_t)test_read_number(reports[0]);
	return pids[MOVES - 1];
}

static void check_chain(void)
{
	pid_t pids[MOVES];
	pid_t home = mover_start(nodes, move_on);

	await_moves(pids);
	CHECK_CALL(sigqueue(home, SIGUSR1, (union sigval){ .sival_int = 7 }));
	CHECK_EQUAL(signals_take(SIGUSR2).si_pid, home);
	process_expect_stop_status(home, SIGSTOP);
	CHECK_CALL(kill(home, SIGCONT));
	process_expect_continue_status(home);
	CHECK_CALL(kill(home, SIGUSR1));
	test_expect_exit(home, MOVES);
}

static void check_broken_chain(unsigned link)
{
	pid_t pids[MOVES];
	pid_t home = mover_start(nodes, move_on);
	pid_t last = await_moves(pids);

	CHECK_CALL(kill(link ? pids[link - 1] : home, SIGKILL));
	test_expect_signal(home, SIGKILL);
	CHECK(test_has_ended(last, TEST_DEADLINE_MS));
}

int main(void)
{
	struct node_load loads[NODES];
	sigset_t before;

	test_begin();
	for (unsigned i = 0; i < NODES; i++) {
		node_start(&nodes[i], NULL);
		node_expect_service(&nodes[i]);
	}
	for (unsigned i = 0; i < NODES; i++)
		loads[i] = node_settle(&nodes[i]);
	CHECK_CALL(pipe(reports));
	signals_block_all(&before);
	check_chain();
	check_broken_chain(0);
	check_broken_chain(5);
	check_broken_chain(MOVES);
	signals_restore(&before);
	for (unsigned i = 0; i < NODES; i++) {
		node_expect_load(&nodes[i], loads[i]);
		node_stop(&nodes[i]);
	}
	return test_end();
}
