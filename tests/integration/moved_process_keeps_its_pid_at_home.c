/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that moves leaves its pid at home, in its process group and session, as that of its
 * ghost, with the same parent: signals to that pid reach the process, what the process sends to its
 * parent reaches the parent, and SIGKILL to that pid ends the process.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

static int reports[2];

static void report_pid(void)
{
	dprintf(reports[1], "%d\n", (int)getpid());
}

static int move_and_answer(const struct node *node)
{
	CHECK_CALL(setpgid(0, 0));
	signals_block_all(NULL);
	mover_go(node);
	report_pid();
	CHECK_EQUAL(signals_take(SIGUSR1).si_value.sival_int, 77);
	CHECK_CALL(sigqueue(getppid(), SIGUSR2, (union sigval){ .sival_int = 78 }));
	for (;;)
		pause();
}

static void expect_name(pid_t pid, const char *name)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	text[strcspn(text, "\n")] = '\0';
	CHECK_TEXT(text, name);
}

int main(void)
{
	struct node_load load;
	struct node node;
	siginfo_t answer;
	pid_t home, there;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	signals_block_all(NULL);
	CHECK_CALL(pipe2(reports, O_CLOEXEC));
	home = mover_start(&node, move_and_answer);
	there = (pid_t)test_read_number(reports[0]);
	CHECK(there != home);
	CHECK_EQUAL(node_parent_of(home), getpid());
	CHECK(node_parent_of(there) != getpid());
	CHECK_EQUAL(getpgid(home), home);
	CHECK_EQUAL(getsid(home), getsid(0));
	expect_name(home, "rfork:127.0.0.1");
	CHECK_CALL(sigqueue(home, SIGUSR1, (union sigval){ .sival_int = 77 }));
	answer = signals_take(SIGUSR2);
	CHECK_EQUAL(answer.si_value.sival_int, 78);
	CHECK_EQUAL(answer.si_pid, home);
	CHECK_CALL(kill(home, SIGKILL));
	test_expect_signal(home, SIGKILL);
	CHECK(test_has_ended(there, TEST_DEADLINE_MS));
	node_expect_load(&node, load);
	signals_restore(&(sigset_t){ 0 });
	node_stop(&node);
	return test_end();
}
