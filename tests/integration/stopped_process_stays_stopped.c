/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that is stopped by a signal is read like any other, and stays stopped: its
 * parent is told nothing, and SIGCONT continues it.  One that is sent SIGSTOP while it is read, at
 * whatever moment, is stopped then.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/target.h"
#include "tools/process_reader.h"

#define STOPS 200

enum { COUNT, FINISH, OPENED };

static int run(struct target *target)
{
	while (!atomic_load(&target->words[FINISH]))
		target_add(target, COUNT);
	return 0;
}

static void open_source(struct rf_source *source, const struct target *target)
{
	struct rf_report report = { 0 };

	if (rf_process_open(source, target->pid, NULL, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	CHECK(source->image.process.brk && source->segment_count);
}

/* That the parent learns nothing, now that it stands still for itself. */
static void expect_silence(const struct target *target, int count)
{
	int status;

	process_expect_stopped(target->pid);
	CHECK_EQUAL(waitpid(target->pid, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
	CHECK_EQUAL(atomic_load(&target->words[COUNT]), count);
}

/* undump, over and over; it neither swallows stops nor makes any. */
static pid_t start_looking(struct target *target)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid) {
		test_guard_process(pid);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (;;) {
		struct rf_source source;

		open_source(&source, target);
		rf_source_close(&source);
		target_add(target, OPENED);
	}
}

static void stop_while_it_is_read(struct target *target)
{
	pid_t pid = start_looking(target);

	for (int i = 0; i < STOPS; i++) {
		CHECK_CALL(kill(target->pid, SIGSTOP));
		process_expect_stop_status(target->pid, SIGSTOP);
		CHECK_CALL(kill(target->pid, SIGCONT));
		process_expect_continue_status(target->pid);
	}
	target_await(target, OPENED, 1);
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL);
	test_forget_process(pid);
}

int main(void)
{
	struct rf_source source;
	struct target target;
	int count;

	test_begin();
	target_start(&target, run, 0);
	target_await(&target, COUNT, 1);

	CHECK_CALL(kill(target.pid, SIGSTOP));
	process_expect_stop_status(target.pid, SIGSTOP);
	count = atomic_load(&target.words[COUNT]);
	for (int round = 0; round < 20; round++) {
		open_source(&source, &target);
		rf_source_close(&source);
		expect_silence(&target, count);
	}
	CHECK_CALL(kill(target.pid, SIGCONT));
	process_expect_continue_status(target.pid);
	target_await(&target, COUNT, count + 1);

	open_source(&source, &target);
	CHECK_CALL(kill(target.pid, SIGSTOP));
	rf_source_close(&source);
	process_expect_stop_status(target.pid, SIGSTOP);
	expect_silence(&target, atomic_load(&target.words[COUNT]));

	open_source(&source, &target);
	CHECK_CALL(kill(target.pid, SIGCONT));
	count = atomic_load(&target.words[COUNT]);
	rf_source_close(&source);
	target_await(&target, COUNT, count + 1);
	process_expect_continue_status(target.pid);

	stop_while_it_is_read(&target);
	target_set(&target, FINISH, 1);
	target_end(&target);
	return test_end();
}
