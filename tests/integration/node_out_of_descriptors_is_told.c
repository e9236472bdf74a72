/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child with more streams than the node's limit of open files allows is refused with a
 * sentence and an errno that says so, whichever process of the node meets the limit; nothing is
 * left, and the next child is served.  More streams than a child may have are refused at home, by
 * the descriptor that is too many.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define NODE_FILES 64
#define NODE_PAIRS 40 /* two descriptors each: more than the node has in all */
#define MANY_PIPES 1100
#define MANY_FILES (2 * MANY_PIPES + 100)

static int pairs[MANY_PIPES][2];
static unsigned wrong; /* answers */

static void lower_limit(const struct node *node)
{
	struct rlimit limit = { NODE_FILES, NODE_FILES };

	(void)node;
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &limit));
}

static int open_socket_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static void open_pairs(int (*open_pair)(int[2]), unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		CHECK_CALL(open_pair(pairs[i]));
}

static void close_pairs(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

/* Out of descriptors is no corrupt stream and no lost connection. */
static bool is_apt(int error)
{
	return (error == ENOTSUP || error == EAGAIN || error == ENOMEM) &&
	       strlen(rfork_error()) > 10;
}

static void complain(unsigned count, const char *what)
{
	dprintf(2, "with %u pairs: %s\n", count, what);
	wrong++;
}

/* A child with so many pairs: it runs, or is refused.  Whether it ran. */
static bool try(const struct node *node, int (*open_pair)(int[2]), unsigned count)
{
	static struct footprint before;
	struct rfork_options options = { .size = sizeof(options) };
	int status = 0;
	pid_t pid;

	open_pairs(open_pair, count);
	footprint_take(&before);
	pid = rfork_with(node->host, &options);
	if (!pid)
		_exit(42);
	if (pid < 0)
		dprintf(2, "%u pairs: %s: %s\n", count, strerror(errno), rfork_error());
	if (pid < 0 && !is_apt(errno))
		complain(count, "that is not an error for this");
	if (pid > 0)
		status = test_wait(pid);
	if (pid > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 42))
		complain(count, "rfork() succeeded, and the child was killed");
	footprint_expect(&before);
	close_pairs(count);
	return pid > 0;
}

/* From those that fit on: which of its processes lacks descriptors first depends on the number. */
static void sweep(const struct node *node, int (*open_pair)(int[2]))
{
	struct node_load load;
	bool ran = true;

	CHECK(try(node, open_pair, 1));
	load = node_settle(node);
	for (unsigned count = 2; count <= NODE_PAIRS; count++) {
		ran = try(node, open_pair, count);
		node_expect_load(node, load);
		if (!ran)
			CHECK(try(node, open_pair, 1));
	}
	CHECK(!ran);
	node_expect_load(node, load);
}

static void check_node(void)
{
	struct node node;

	node_before_server = lower_limit;
	node_start(&node, NULL);
	node_before_server = NULL;
	sweep(&node, pipe);
	sweep(&node, open_socket_pair);
	CHECK_EQUAL(wrong, 0);
	node_stop(&node);
}

static void check_caller(void)
{
	struct rfork_options options = { .size = sizeof(options) };
	struct node_load load;
	struct node node;
	char name[64];
	pid_t pid;

	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	open_pairs(pipe, MANY_PIPES);
	pid = rfork_with(node.host, &options);
	if (!pid)
		_exit(0);
	CHECK_EQUAL(pid, -1);
	CHECK_EQUAL(errno, ENOTSUP);
	dprintf(2, "%d pipes: %s\n", MANY_PIPES, rfork_error());
	/* four channels belong to the standard descriptors and the terminal */
	snprintf(name, sizeof(name), "descriptor %d ", pairs[0][0] + 1024 - 4);
	CHECK(strstr(rfork_error(), name));
	close_pairs(MANY_PIPES);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
}

int main(void)
{
	struct rlimit limit;

	test_begin();
	check_node();
	CHECK_CALL(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_max < MANY_FILES)
		test_skip("the limit of open files is %llu here, and %d are needed",
			  (unsigned long long)limit.rlim_max, MANY_FILES);
	if (limit.rlim_cur < MANY_FILES)
		limit.rlim_cur = MANY_FILES;
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &limit));
	check_caller();
	return test_end();
}
