/* SPDX-License-Identifier: MIT */
/*
 * Claim: what rfork_atfork() has registered is called around each capture: before it, the last
 * first, and early enough that what is closed then does not have to travel; afterwards in the
 * caller, also if the call has failed, and in the process that goes on, be it a child, one that
 * has moved, or one that is restarted, as an executable or by a node.  The ghost calls nothing, and
 * neither does undump -p.  There may be thousands, and other threads may add and remove some
 * meanwhile.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/restart.h"
#include "tests/support/undump.h"

#define MANY 5000

static char trace[64];
static size_t traced;
static unsigned many_prepared, many_children, last_prepared;
static int stubborn = -1;

static void note(char letter)
{
	CHECK(traced < sizeof(trace) - 1);
	trace[traced++] = letter;
}

static void forget(void)
{
	memset(trace, 0, sizeof(trace));
	traced = 0;
}

static void first_prepare(void)
{
	note('a');
}
static void first_parent(void)
{
	note('b');
}
static void first_child(void)
{
	note('c');
}
static void second_prepare(void)
{
	note('A');
}
static void second_parent(void)
{
	note('B');
}
static void second_child(void)
{
	note('C');
}

static void add_two(void)
{
	CHECK_CALL(rfork_atfork(first_prepare, first_parent, first_child));
	CHECK_CALL(rfork_atfork(second_prepare, second_parent, second_child));
}

static void remove_two(void)
{
	CHECK_CALL(rfork_atfork_remove(first_prepare, first_parent, first_child));
	CHECK_CALL(rfork_atfork_remove(second_prepare, second_parent, second_child));
	CHECK_EQUAL(rfork_atfork_remove(second_prepare, second_parent, second_child), -1);
	CHECK_EQUAL(errno, ENOENT);
	forget();
}

static void expect_trace(const char *expected)
{
	CHECK_TEXT(trace, expected);
	forget();
}

/* -- each way ---------------------------------------------------------------------------------- */

static void fork_to(const struct node *node, uint64_t flags)
{
	pid_t pid;

	add_two();
	pid = node_move_returns_twice(node, flags);
	if (pid == 0)
		_exit(strcmp(trace, "AacC") == 0 ? 42 : 1);
	expect_trace("AabB");
	test_expect_exit(pid, 42);
	remove_two();
}

static int move(const struct node *node)
{
	add_two();
	mover_go(node);
	expect_trace("AacC");
	return 0;
}

/* Restarted: the checkpoint was taken in a process whose parent functions have run since. */
static int restarted(void)
{
	add_two();
	restart_point();
	return strcmp(trace, "AacC") == 0 ? RESTART_RIGHT : 1;
}

static void hold(void)
{
	rfork_crid_t crid;

	add_two();
	crid = checkpoint_hold(0);
	CHECK(crid > 0);
	expect_trace("AabB");
	CHECK_CALL(rfork_discard(crid));
	remove_two();
}

/* The same, by a node. */
static void write_statefile(const char *path)
{
	pid_t pid = CHECK_CALL(fork());
	rfork_crid_t crid;

	if (!pid) {
		add_two();
		crid = checkpoint_hold(0);
		if (!crid)
			_exit(strcmp(trace, "AacC") == 0 ? RESTART_RIGHT : 1);
		checkpoint_write(crid, path);
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void send_statefile(const struct node *node, const char *path)
{
	static struct undump_result result;

	write_statefile(path);
	for (int i = 0; i < 2; i++) {
		undump_run(&result, test_build_path("tools/undump"), path, "--to", node->host,
			   NULL);
		CHECK_EQUAL(result.status, RESTART_RIGHT);
	}
	CHECK_CALL(unlink(path));
}

/* A process that is taken from outside hears of nothing. */
_Noreturn static void stand(void)
{
	add_two();
	undump_point();
	_exit(trace[0] ? 1 : RESTART_RIGHT);
}

static void take(const char *path)
{
	undump_live(stand, path);
	restart_expect(path);
	undump_remove(path);
}

/* -- failures ---------------------------------------------------------------------------------- */

static void fail(void)
{
	struct rfork_options unknown = { .size = sizeof(unknown), .flags = UINT64_C(1) << 40 };

	add_two();
	CHECK_EQUAL(rfork("127.0.0.1:1"), -1);
	CHECK_EQUAL(errno, ECONNREFUSED);
	expect_trace("AabB");
	CHECK_EQUAL(rfork_move("127.0.0.1:1"), -1);
	CHECK_EQUAL(errno, ECONNREFUSED);
	expect_trace("AabB");
	/* nothing is done about what was never meant to be copied */
	CHECK_EQUAL(rfork_with("127.0.0.1:1", &unknown), -1);
	CHECK_EQUAL(errno, EINVAL);
	CHECK_EQUAL(rfork_checkpoint(1u << 30), -1);
	CHECK_EQUAL(errno, EINVAL);
	expect_trace("");
	remove_two();
}

static const struct node *nested_node;
static int nested_errno;

static void fork_inside(void)
{
	CHECK_EQUAL(rfork(nested_node->host), -1);
	nested_errno = errno;
}

static void refuse_nested(const struct node *node)
{
	pid_t pid;

	nested_node = node;
	CHECK_CALL(rfork_atfork(fork_inside, NULL, NULL));
	pid = node_move_returns_twice(node, 0);
	if (pid == 0)
		_exit(42);
	CHECK_EQUAL(nested_errno, EDEADLK);
	test_expect_exit(pid, 42);
	CHECK_CALL(rfork_atfork_remove(fork_inside, NULL, NULL));
}

/* -- what must not travel ---------------------------------------------------------------------- */

static void open_stubborn(void)
{
	stubborn = CHECK_CALL(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static void close_stubborn(void)
{
	CHECK_CALL(close(stubborn));
	stubborn = -1;
}

static void close_in_time(const struct node *node)
{
	pid_t pid;

	open_stubborn();
	CHECK_EQUAL(rfork(node->host), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	CHECK_EQUAL(rfork_check(node->host, NULL, NULL, 0), 1);
	CHECK_CALL(rfork_atfork(close_stubborn, open_stubborn, NULL));
	CHECK_EQUAL(rfork_check(node->host, NULL, NULL, 0), 0);
	pid = node_move_returns_twice(node, 0);
	if (pid == 0)
		_exit(stubborn == -1 ? 42 : 1);
	CHECK(stubborn >= 0 && fcntl(stubborn, F_GETFD) >= 0);
	test_expect_exit(pid, 42);
	CHECK_CALL(rfork_atfork_remove(close_stubborn, open_stubborn, NULL));
	close_stubborn();
}

/* -- many -------------------------------------------------------------------------------------- */

static void one_prepare(void)
{
	many_prepared++;
	last_prepared = 1;
}

static void one_child(void)
{
	many_children++;
}

/* Registered before all others, so called after them. */
static void oldest_prepare(void)
{
	last_prepared = 2;
}

/* Has no part in the call during which it is registered. */
static void late(void)
{
	note('!');
}

static void add_late(void)
{
	CHECK_CALL(rfork_atfork(late, late, late));
}

static void call_many(const struct node *node)
{
	pid_t pid;

	CHECK_CALL(rfork_atfork(oldest_prepare, NULL, NULL));
	for (unsigned i = 0; i < MANY; i++)
		CHECK_CALL(rfork_atfork(one_prepare, NULL, one_child));
	CHECK_CALL(rfork_atfork(add_late, NULL, NULL));
	pid = node_move_returns_twice(node, 0);
	if (pid == 0)
		_exit(many_children == MANY && traced == 0 ? 42 : 1);
	CHECK_EQUAL(many_prepared, MANY);
	CHECK_EQUAL(many_children, 0);
	CHECK_EQUAL(last_prepared, 2);
	expect_trace("");
	test_expect_exit(pid, 42);
}

/* -- threads ----------------------------------------------------------------------------------- */

#define CALLS 20

static atomic_bool is_over;

static void pass(void)
{
}

/* Others come and go all the time. */
static void *churn(void *unused)
{
	while (!is_over) {
		for (unsigned i = 0; i < 30; i++)
			CHECK_CALL(rfork_atfork(pass, pass, pass));
		for (unsigned i = 0; i < 30; i++)
			CHECK_CALL(rfork_atfork_remove(pass, pass, pass));
	}
	return unused;
}

static void call_while_others_come_and_go(const struct node *node)
{
	pthread_t thread;

	CHECK_EQUAL(pthread_create(&thread, NULL, churn, NULL), 0);
	for (unsigned i = 0; i < CALLS; i++)
		fork_to(node, 0);
	is_over = true;
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	CHECK_EQUAL(rfork_atfork_remove(pass, pass, pass), -1);
}

int main(void)
{
	struct node node;
	const char *path;

	unsetenv("RFORK_TEST_CHECK"); /* a check runs them, too */
	test_begin();
	path = checkpoint_path("app");
	fail(); /* while there are no children that would forbid a move */
	node_start(&node, NULL);
	fork_to(&node, 0);
	fork_to(&node, RFORK_ASYNC);
	mover_run(&node, move);
	hold();
	restart_write(path, restarted);
	restart_expect(path);
	restart_expect(path);
	CHECK_CALL(unlink(path));
	send_statefile(&node, path);
	take(path);
	refuse_nested(&node);
	close_in_time(&node);
	call_while_others_come_and_go(&node);
	call_many(&node);
	node_stop(&node);
	checkpoint_clean(NULL, 0);
	return test_end();
}
