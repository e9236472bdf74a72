/* SPDX-License-Identifier: MIT */
/*
 * Claim: fifty children of one caller on one node each get the signals that are sent to their own
 * ghost and no others, and each stops and continues without the others.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"

#define CHILDREN 50
#define QUESTION (SIGRTMIN + 1) /* with a value, which the answer holds */
#define ANSWER_FACTOR 1000

struct child {
	pid_t ghost, pid;
	int own; /* a signal that no other child gets */
};

static struct child children[CHILDREN];
static int reader;

/* Stops by SIGTSTP as programs do, and takes every other signal out of the queue. */
static _Noreturn void be_the_child(int id)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGTSTP);
	dprintf(1, "%d\n", id * ANSWER_FACTOR);
	dprintf(1, "%d\n", (int)getpid());
	for (;;) {
		siginfo_t info;
		int signal = sigwaitinfo(&all, &info);

		if (signal == QUESTION)
			dprintf(1, "%d\n", id * ANSWER_FACTOR + info.si_value.sival_int);
		else if (signal == children[id].own)
			_exit(100 + id);
		else if (signal > 0 && signal != SIGCONT)
			_exit(1);
	}
}

static void start_children(const struct node *node)
{
	int own = 1;
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	for (int i = 0; i < CHILDREN; i++, own++) {
		while (!signals_can_be_caught(own) || own == SIGCONT || own == SIGTSTP ||
		       own == QUESTION)
			own++;
		CHECK(own < SIGNALS_END);
		children[i].own = own;
		children[i].ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
		if (!children[i].ghost) {
			CHECK_CALL(sigprocmask(SIG_UNBLOCK, &stop, NULL));
			be_the_child(i);
		}
		CHECK_EQUAL(test_read_number(reader), i * ANSWER_FACTOR);
		children[i].pid = (pid_t)test_read_number(reader);
	}
}

static void ask(int id, int value)
{
	signals_queue(children[id].ghost, QUESTION, (union sigval){ .sival_int = value });
}

/* Answers come in any order, each from the child that was asked. */
static void expect_answers(unsigned step, int first, int value)
{
	bool heard[CHILDREN] = { false };

	for (int i = first; i < CHILDREN; i += (int)step) {
		long number = test_read_number(reader);
		long id = number / ANSWER_FACTOR;

		CHECK(id >= 0 && id < CHILDREN && id % (long)step == first && !heard[id]);
		CHECK_EQUAL(number % ANSWER_FACTOR, value);
		heard[id] = true;
	}
}

/* Every second child is stopped: it answers when it goes on, the others at once. */
static void stop_half(void)
{
	for (int i = 0; i < CHILDREN; i += 2)
		CHECK_CALL(kill(children[i].ghost, SIGTSTP));
	for (int i = 0; i < CHILDREN; i += 2) {
		process_expect_stop_status(children[i].ghost, SIGTSTP);
		process_expect_stopped(children[i].pid);
	}
	for (int i = 1; i < CHILDREN; i += 2)
		ask(i, 7);
	expect_answers(2, 1, 7);
	for (int i = 0; i < CHILDREN; i++)
		CHECK_EQUAL(process_state(children[i].pid) == 'T', i % 2 == 0);
	for (int i = 0; i < CHILDREN; i += 2)
		ask(i, 8);
	CHECK(!test_poll(reader, POLLIN, 0));
}

static void continue_half(void)
{
	/* one alone, and then the others */
	CHECK_CALL(kill(children[0].ghost, SIGCONT));
	process_expect_continue_status(children[0].ghost);
	CHECK_EQUAL(test_read_number(reader), 8);
	for (int i = 2; i < CHILDREN; i += 2)
		CHECK_EQUAL(process_state(children[i].pid), 'T');
	for (int i = 2; i < CHILDREN; i += 2)
		CHECK_CALL(kill(children[i].ghost, SIGCONT));
	for (int i = 2; i < CHILDREN; i += 2) {
		process_expect_continue_status(children[i].ghost);
		process_expect_going(children[i].pid);
	}
	for (int i = 2; i < CHILDREN; i += 2)
		CHECK_EQUAL(test_read_number(reader) % ANSWER_FACTOR, 8);
}

static int run(void)
{
	struct node_load load;
	struct node node;
	sigset_t before;

	test_begin();
	/* In an orphaned group, which the one of a background job may be, SIGTSTP stops nobody. */
	CHECK_CALL(setpgid(0, 0));
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	reader = test_pipe_output();
	signals_block_all(&before);
	start_children(&node);
	for (int i = 0; i < CHILDREN; i++)
		ask(i, i);
	for (int i = 0; i < CHILDREN; i++) {
		long number = test_read_number(reader);

		CHECK_EQUAL(number % ANSWER_FACTOR, number / ANSWER_FACTOR);
	}
	stop_half();
	continue_half();
	for (int i = CHILDREN - 1; i >= 0; i--)
		CHECK_CALL(kill(children[i].ghost, children[i].own));
	for (int i = 0; i < CHILDREN; i++)
		test_expect_exit(children[i].ghost, 100 + i);
	signals_restore(&before);
	test_release_output();
	close(reader);
	node_expect_load(&node, load);
	node_stop(&node);
	return test_end();
}

int main(void)
{
	return process_run(run);
}
