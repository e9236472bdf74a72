/* SPDX-License-Identifier: MIT */
/*
 * Claim: wherever the line breaks, a process that moves goes on at home or on the node, and never on
 * both: it is cut at every byte around the ghost's last word.  A ghost that has given that word and then
 * loses the node dies by SIGKILL.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/protocol.h"
#include "tests/support/mover.h"
#include "tests/support/proxy.h"
#include "tests/support/scripted_node.h"
#include "tests/support/stream.h"

#define AROUND_BYTES 24

static char path[] = "/tmp/rfork-test-XXXXXX";
static char host[64];

static void leave_trace(char letter)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));

	test_write(fd, &letter, 1);
	close(fd);
}

static int move_and_leave_trace(const struct node *unused)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	int result = rfork_move_with(host, &options);

	(void)unused;
	leave_trace(result == 0 ? 'n' : 'h');
	return result == 0 ? 11 : 12;
}

/* Moves over a line that is cut after so many bytes of the caller's, and of the node's; returns how many
 * there were. */
static struct proxy_count move_over_line(const struct node *node, int64_t cut, int64_t cut_answer,
					 int *status)
{
	struct proxy_plan plan = PROXY_PLAIN;
	struct proxy proxy;

	plan.cut_after = cut;
	plan.cut_answer_after = cut_answer;
	proxy_start(&proxy, node->port, &plan);
	snprintf(host, sizeof(host), "%s", proxy.host);
	*status = test_wait(mover_start(node, move_and_leave_trace));
	return proxy_finish(&proxy);
}

static void expect_traces(int64_t cut, int status)
{
	char traces[8] = "";
	int fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	size_t count = test_read(fd, traces, sizeof(traces) - 1);

	CHECK_CALL(ftruncate(fd, 0));
	close(fd);
	dprintf(2, "cut after %lld: \"%s\", status %#x\n", (long long)cut, traces, status);
	CHECK(count <= 1);
	if (WIFEXITED(status))
		CHECK_TEXT(traces, WEXITSTATUS(status) == 11 ? "n" : "h");
	else
		CHECK(WTERMSIG(status) == SIGKILL && traces[0] != 'h');
}

static struct proxy_count count_whole(const struct node *node)
{
	struct proxy_count count;
	int status;

	count = move_over_line(node, PROXY_NEVER, PROXY_NEVER, &status);
	expect_traces(PROXY_NEVER, status);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 11);
	return count;
}

/* The image is not the same to the byte each time: then some cuts are nearer to its end.  Whoever was
 * restored has ended when the node is at rest. */
static void check_cuts(const struct node *node, const struct node_load *load)
{
	struct proxy_count whole;
	int status;

	count_whole(node);
	whole = count_whole(node);
	for (int64_t cut = whole.up_bytes - AROUND_BYTES; cut <= whole.up_bytes + 2; cut++) {
		move_over_line(node, cut, PROXY_NEVER, &status);
		node_expect_load(node, *load);
		expect_traces(cut, status);
	}
	for (int64_t cut = whole.down_bytes - 3 * AROUND_BYTES; cut < whole.down_bytes; cut++) {
		move_over_line(node, PROXY_NEVER, cut, &status);
		node_expect_load(node, *load);
		expect_traces(cut, status);
	}
}

/* Takes the ghost's word, and is gone. */
static void take_word(int connection)
{
	struct rf_frame_running running = { .pid = (uint32_t)getpid() };
	struct rf_frame_header header;

	scripted_node_put(connection, RF_FRAME_RUNNING, RF_RUNNING_WAITS, 0, &running,
			  sizeof(running));
	CHECK_EQUAL(test_read(connection, &header, sizeof(header)), sizeof(header));
	CHECK_EQUAL(header.type, RF_FRAME_GO);
	CHECK_EQUAL(header.length_bytes, 0);
	shutdown(connection, SHUT_RDWR);
}

static void check_lost_node(const struct node *node)
{
	struct scripted_node scripted;
	int status;

	scripted_node_start_at_end(&scripted, node->key, take_word);
	snprintf(host, sizeof(host), "%s", scripted.host);
	status = test_wait(mover_start(node, move_and_leave_trace));
	expect_traces(-1, status);
	CHECK(WIFSIGNALED(status));
	scripted_node_finish(&scripted);
}

int main(void)
{
	struct node_load load;
	struct node node;

	test_begin();
	close(CHECK_CALL(mkstemp(path)));
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	check_cuts(&node, &load);
	check_lost_node(&node);
	node_expect_service(&node);
	node_stop(&node);
	CHECK_CALL(unlink(path));
	return test_end();
}
