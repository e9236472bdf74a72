/* SPDX-License-Identifier: MIT */
/*
 * Claim: a ghost whose pages are read from its ring keeps to the ring, and to what the node has
 * given back of it.  A road that cannot be had, or is lost on either side at any time, costs
 * auto:// nothing but time: the pages that were under way come again by the connection, and END
 * counts each of them once.  rdma:// fails with what was the reason, and leaves nothing: a process
 * that was to move has not seen its helper come and go.  To another machine, which can only be
 * behind a tunnel, no page goes around that unless the caller has allowed plaintext.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/image_format.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/road_node.h"
#include "tests/support/scripted_node.h"

#define BYTES ((size_t)24 << 20)
#define SLOT_BYTES ((size_t)1 << 20)

static unsigned char key[32];
static unsigned char *memory;
static struct footprint before;
static struct rfork_options options = { .size = sizeof(options) };

/* -- scripts ---------------------------------------------------------------------------------- */

static void open_road(struct road_view *view)
{
	road_take_helper(view);
	road_say_ready(view);
	road_read_layout(view);
	road_read_offer(view);
	road_need_nothing(view);
	road_answer(view, 0, "");
}

static uint32_t slots(const struct road_view *view)
{
	return (uint32_t)(view->order.ring_bytes / SLOT_BYTES);
}

/* All of it by the ring: the ghost waits when it is full, and END comes when all has been taken. */
static void take_all(struct road_view *view)
{
	uint32_t under_way = 0;

	open_road(view);
	CHECK(slots(view) >= 2);
	for (;;) {
		bool is_full = under_way == slots(view);

		if (is_full || !memcmp(view->image, memory, BYTES)) {
			bool has_more = road_has_more(view);

			CHECK(!is_full || !has_more);
			if (!has_more) {
				road_say_taken(view, under_way);
				under_way = 0;
			}
		}
		road_read_record(view);
		if (view->header.type == RF_RECORD_END)
			break;
		CHECK_EQUAL(view->header.type, RF_RECORD_REMOTE_PAGES);
		road_place(view);
		under_way++;
	}
	CHECK_EQUAL(under_way, 0);
	road_check_end(view);
	road_say_ran(view);
	road_expect_helper_ended(view);
}

/* The node cannot reach it: nothing has gone there. */
static void never_reach(struct road_view *view)
{
	road_take_helper(view);
	road_say_ready(view);
	road_read_layout(view);
	road_read_offer(view);
	road_expect_silence(view);
	road_answer(view, EHOSTUNREACH, "the test's node has no way there");
	road_need_nothing(view);
	road_expect_helper_ended(view);
}

static void never_reach_and_go_on(struct road_view *view)
{
	never_reach(view);
	road_read_rest(view);
	road_say_ran(view);
}

/* Three have been read of those that fill the ring, two of them were acknowledged. */
static void lose_some(struct road_view *view)
{
	open_road(view);
	for (uint32_t i = 0; i < slots(view); i++) {
		road_read_record(view);
		CHECK_EQUAL(view->header.type, RF_RECORD_REMOTE_PAGES);
		if (i < 2)
			road_place(view);
	}
	road_say_taken(view, 2);
	/* two more may be under way by then */
	road_answer(view, EIO, "the test's node has lost it");
}

static void lose_some_and_go_on(struct road_view *view)
{
	lose_some(view);
	do
		road_read_record(view);
	while (view->header.type == RF_RECORD_REMOTE_PAGES);
	CHECK_EQUAL(view->header.type, RF_RECORD_PAGES);
	road_place(view);
	road_read_rest(view);
	road_expect_helper_ended(view);
	road_say_ran(view);
}

/* The caller's device is gone: pages go by the connection at once, but those under way are the
 * node's to give back. */
static void lose_device(struct road_view *view)
{
	open_road(view);
	road_read_pages(view, RF_RECORD_REMOTE_PAGES);
	for (uint32_t i = 1; i < slots(view); i++)
		road_read_record(view);
	road_say_taken(view, 1);
	road_read_record(view); /* it waits in a full ring again */
	CHECK_EQUAL(view->header.type, RF_RECORD_REMOTE_PAGES);
	road_say_lost(view, ENODEV, "the test's device was removed");
}

static void lose_device_and_go_on(struct road_view *view)
{
	lose_device(view);
	while (memcmp(view->image + 9 * SLOT_BYTES, memory + 9 * SLOT_BYTES,
		      BYTES - 10 * SLOT_BYTES))
		road_read_pages(view, RF_RECORD_PAGES);
	road_answer(view, ECONNRESET, "the test's node has noticed");
	road_read_rest(view);
	road_say_ran(view);
}

/* It cannot be had, for the caller's helper says so or dies. */
static void have_no_device(struct road_view *view)
{
	road_take_helper(view);
	road_say_lost(view, ENOMEM, "the test's memory cannot be locked");
	road_read_layout(view);
	road_need_nothing(view);
}

static void have_no_device_and_go_on(struct road_view *view)
{
	have_no_device(view);
	road_read_rest(view);
	road_say_ran(view);
}

/* It is there, and says nothing. */
static void hang(struct road_view *view)
{
	road_take_helper(view);
	road_stop_helper(view);
	road_read_layout(view);
	road_need_nothing(view);
}

static void hang_and_go_on(struct road_view *view)
{
	hang(view);
	road_read_rest(view);
	road_expect_helper_ended(view);
	road_say_ran(view);
}

/* It has served, and does not hear that this is the end. */
static void hang_at_the_end(struct road_view *view)
{
	open_road(view);
	road_read_pages(view, RF_RECORD_REMOTE_PAGES);
	road_say_taken(view, 1);
	road_stop_helper(view);
	while (view->header.type != RF_RECORD_END) {
		road_read_record(view);
		if (view->header.type != RF_RECORD_REMOTE_PAGES)
			continue;
		road_place(view);
		road_say_taken(view, 1);
	}
	road_check_end(view);
	road_say_ran(view);
	road_expect_helper_ended(view);
}

static void die(struct road_view *view)
{
	road_take_helper(view);
	road_kill_helper(view);
	road_read_layout(view);
	road_need_nothing(view);
}

static void die_and_go_on(struct road_view *view)
{
	die(view);
	road_read_rest(view);
	road_say_ran(view);
}

static void go_by_the_connection(struct road_view *view)
{
	road_read_layout(view);
	road_need_nothing(view);
	road_read_rest(view);
	road_say_ran(view);
}

static void need_nothing(struct road_view *view)
{
	road_need_nothing(view);
}

/* Acknowledges what it has not got. */
static void take_too_much(struct road_view *view)
{
	open_road(view);
	road_read_pages(view, RF_RECORD_REMOTE_PAGES);
	road_say_taken(view, slots(view) + 1);
}

static void take_nothing(struct road_view *view)
{
	open_road(view);
	road_say_taken(view, 0);
}

static void need_too_much(struct road_view *view)
{
	static const uint32_t indexes[4096]; /* this process has fewer mappings */

	road_take_helper(view);
	road_say_ready(view);
	road_read_layout(view);
	road_read_offer(view);
	scripted_node_put(view->connection, RF_FRAME_NEED, RF_NEED_LAST, 0, indexes,
			  sizeof(indexes));
	/* they are refused when they come, not when they are asked for */
	CHECK(test_poll(view->connection, POLLIN, TEST_DEADLINE_MS));
}

static void answer_twice(struct road_view *view)
{
	open_road(view);
	road_answer(view, 0, "");
}

/* -- callers ---------------------------------------------------------------------------------- */

static void run(const char *scheme, void (*script)(struct road_view *), const char *helper)
{
	struct road_node node;
	char host[96];
	pid_t pid;

	road_node_start(&node, key, memory, BYTES, script);
	if (helper)
		CHECK_CALL(setenv("RFORK_PAGES_HELPER", helper, 1));
	snprintf(host, sizeof(host), "%s%s", scheme, node.host);
	pid = rfork_with(host, &options);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork(%s): %s", host, rfork_error());
	test_expect_exit(pid, 0);
	road_node_finish(&node);
}

static void succeed(const char *scheme, void (*script)(struct road_view *), const char *helper)
{
	footprint_take(&before);
	run(scheme, script, helper);
	footprint_expect(&before);
}

static void fail(void (*script)(struct road_view *), const char *helper, int error,
		 const char *sentence)
{
	struct road_node node;
	char host[96];

	footprint_take(&before);
	road_node_start(&node, key, memory, BYTES, script);
	if (helper)
		CHECK_CALL(setenv("RFORK_PAGES_HELPER", helper, 1));
	snprintf(host, sizeof(host), "rdma://%s", node.host);
	CHECK_EQUAL(rfork_with(host, &options), -1);
	if (errno != error || !strstr(rfork_error(), sentence))
		test_fail(__FILE__, __LINE__, "%s: %s", strerror(errno), rfork_error());
	dprintf(2, "refused: %s\n", rfork_error());
	road_node_finish(&node);
	footprint_expect(&before);
}

/* In a process of its own: it does not move, and has not seen its helper come and go. */
static _Noreturn void try_to_move(const char *host, int error)
{
	sigset_t signals, pending;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &signals, NULL));
	footprint_take(&before);
	CHECK_EQUAL(rfork_move_with(host, &options), -1);
	CHECK_EQUAL(errno, error);
	CHECK_CALL(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGCHLD));
	CHECK_EQUAL(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	CHECK_EQUAL(errno, ECHILD);
	footprint_expect(&before);
	_exit(42);
}

static void stay(void (*script)(struct road_view *), int error)
{
	struct road_node node;
	char host[96];
	pid_t pid;

	road_node_start(&node, key, memory, BYTES, script);
	snprintf(host, sizeof(host), "rdma://%s", node.host);
	pid = CHECK_CALL(fork());
	if (!pid)
		try_to_move(host, error);
	test_expect_exit(pid, 42);
	road_node_finish(&node);
}

/* Files of this process may not be as large as a record; nor may a ring, where `most` is as low. */
static void limit_files(rlim_t most)
{
	const struct rlimit limit = { SLOT_BYTES / 2, most };

	CHECK_CALL(setrlimit(RLIMIT_FSIZE, &limit));
}

int main(void)
{
	struct node keys; /* no server: only the key */

	test_begin();
	road_node_have_device();
	node_prepare(&keys);
	memcpy(key, keys.key, sizeof(key));
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, BYTES, 1);

	succeed("rdma://", take_all, NULL); /* the first one warms the caller's heap */
	succeed("rdma://", take_all, NULL);
	succeed("auto://", never_reach_and_go_on, NULL);
	succeed("auto://", lose_some_and_go_on, NULL);
	succeed("auto://", lose_device_and_go_on, NULL);
	succeed("auto://", have_no_device_and_go_on, NULL);
	succeed("auto://", die_and_go_on, NULL);
	succeed("auto://", go_by_the_connection, "/nonexistent/rfork-pages");
	succeed("tcp://", go_by_the_connection, NULL);

	fail(never_reach, NULL, EHOSTUNREACH, "the test's node has no way there");
	fail(lose_some, NULL, EIO, "the test's node has lost it");
	fail(lose_device, NULL, ENODEV, "the test's device was removed");
	fail(have_no_device, NULL, ENOMEM, "the test's memory cannot be locked");
	fail(die, NULL, ECONNRESET, "rfork-pages");
	fail(need_nothing, "/nonexistent/rfork-pages", ENOENT, "/nonexistent/rfork-pages");
	stay(lose_some, EIO);
	options.timeout_ms = 3000;
	fail(hang, NULL, ETIMEDOUT, "rfork-pages is not ready");
	stay(hang, ETIMEDOUT);
	succeed("auto://", hang_and_go_on, NULL);
	options.timeout_ms = 0;
	succeed("rdma://", hang_at_the_end, NULL);
	fail(need_too_much, NULL, EBADMSG, "malformed");
	fail(take_too_much, NULL, EBADMSG, "malformed");
	fail(take_nothing, NULL, EBADMSG, "malformed");
	fail(answer_twice, NULL, EBADMSG, "malformed");
	scripted_node_is_elsewhere = true;
	run("tcp://", go_by_the_connection, NULL); /* the caller keeps the digests of its files */
	fail(need_nothing, NULL, EPERM, "not encrypted");
	succeed("auto://", go_by_the_connection, NULL);
	options.flags = RFORK_INSECURE_PLAINTEXT;
	succeed("auto://", take_all, NULL);
	scripted_node_is_elsewhere = false;
	limit_files(RLIM_INFINITY);
	succeed("rdma://", take_all, NULL);
	limit_files(SLOT_BYTES / 2);
	succeed("auto://", go_by_the_connection, NULL);
	stay(need_nothing, EFBIG);
	test_remove_directory(keys.directory);
	test_forget_directory(keys.directory);
	return test_end();
}
