/* SPDX-License-Identifier: MIT */
/*
 * Claim: whatever a caller does wrong about page connections, the node says so and nothing of it
 * reaches the child: a wrong key, an address outside of the region, connections that end in the
 * middle or are never accepted, a device that goes or a port that fails make the road lost, by
 * name, and the pages that come by the stream instead make the process whole; data that are not
 * those of the digest are the end of the image.  The node serves on.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/rdma/page_source.h"

#define BYTES (12ul << 20)
#define SOURCE_BYTES (32ul << 20)

static unsigned char *memory;
static uint64_t expected;

static void build(void)
{
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, BYTES, 1);
	expected = test_digest(memory, BYTES);
}

static void verify(void)
{
	if (test_digest(memory, BYTES) != expected)
		_exit(1);
}

static void take_wrong_key(struct rf_image_remote_pages *head, unsigned nth)
{
	if (nth == 5)
		head->remote_key ^= 0x5a5a00;
}

static void go_beyond_the_region(struct rf_image_remote_pages *head, unsigned nth)
{
	if (nth == 5)
		head->remote_address += SOURCE_BYTES;
}

static void go_before_the_region(struct rf_image_remote_pages *head, unsigned nth)
{
	if (nth == 0)
		head->remote_address -= SOURCE_BYTES;
}

/* -- the device ------------------------------------------------------------------------------ */

static pid_t removal;

static pid_t run(const char *command)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	CHECK(pid > 0);
	return pid;
}

static void add_device(void)
{
	test_expect_exit(run("exec rdma link add rxe0 type rxe netdev eth0"), 0);
}

/* The command ends when nobody uses the device any more. */
static void remove_device(struct page_source *source)
{
	removal = run("exec rdma link delete rxe0");
	page_source_await_removal(source);
}

static void take_port_down(struct page_source *source)
{
	(void)source;
	test_expect_exit(run("exec ip link set eth0 down"), 0);
}

static void expect_loss(const struct image *image, const struct node *node, const char *what,
			const struct page_faults *faults, const char *sentence)
{
	struct page_source source;
	struct page_outcome outcome;

	page_source_open(&source, SOURCE_BYTES, 2);
	page_source_offer(&source, image, node, faults, &outcome);
	dprintf(2, "%s: %d, %s; %s\n", what, outcome.result, outcome.loss.sentence,
		outcome.report.sentence);
	CHECK(outcome.loss.error);
	CHECK(strstr(outcome.loss.sentence, sentence));
	CHECK_EQUAL(outcome.result, 0);
	page_source_close(&source);
}

/* In a process of its own, for librdmacm keeps the devices open that it has seen. */
static void expect_removal(const struct image *image, const struct node *node)
{
	const struct page_faults removed = { .surprise = remove_device, .surprise_after = 3 };
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		struct page_source source;
		struct page_outcome outcome;
		struct ibv_context *device;

		page_source_open(&source, SOURCE_BYTES, 2);
		device = source.listener->verbs;
		page_source_offer(&source, image, node, &removed, &outcome);
		dprintf(2, "the device goes: %d, %s\n", outcome.result, outcome.loss.sentence);
		CHECK_EQUAL(outcome.loss.error, ENODEV);
		CHECK_EQUAL(outcome.result, 0);
		page_source_close(&source);
		CHECK_EQUAL(ibv_close_device(device), 0);
		/* and neither does the node use it */
		test_expect_exit(removal, 0);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	add_device();
}

static void expect_damage(const struct image *image, const struct node *node)
{
	const struct page_faults faults = { .is_damaged = true };
	struct page_source source;
	struct page_outcome outcome;

	page_source_open(&source, SOURCE_BYTES, 2);
	page_source_offer(&source, image, node, &faults, &outcome);
	CHECK_EQUAL(outcome.result, EBADMSG);
	CHECK(strstr(outcome.report.sentence, "digest"));
	CHECK_EQUAL(outcome.taken, 0);
	page_source_close(&source);
}

static void expect_losses(void)
{
	const struct page_faults wrong_key = { .break_record = take_wrong_key };
	const struct page_faults beyond = { .break_record = go_beyond_the_region };
	const struct page_faults before = { .break_record = go_before_the_region };
	const struct page_faults ends = { .hang_up_after = 6 };
	const struct page_faults alone = { .is_alone = true };
	const struct page_faults down = { .surprise = take_port_down, .surprise_after = 3 };
	struct image image;
	struct node node;

	node_start(&node, NULL);
	build();
	image_record_work(&image, &node, verify);
	expect_removal(&image, &node);
	expect_loss(&image, &node, "wrong key", &wrong_key, "remote access error");
	expect_loss(&image, &node, "beyond the region", &beyond, "remote access error");
	expect_loss(&image, &node, "before the region", &before, "remote access error");
	expect_loss(&image, &node, "connections end", &ends, "");
	expect_loss(&image, &node, "nobody accepts", &alone, "cannot be made");
	expect_damage(&image, &node);
	expect_loss(&image, &node, "port goes down", &down, "port error");
	test_expect_exit(run("exec ip link set eth0 up"), 0);
	node_expect_service(&node);
	node_stop(&node);
	image_free(&image);
}

/* Linux 6.12 leaves the queue pair of the connection manager in error when a port fails while it
 * has something to send: whoever comes next needs a device that works. */
static void renew_device(void)
{
	test_expect_exit(run("exec rdma link delete rxe0"), 0);
	add_device();
}

int main(void)
{
	pid_t pid;

	test_begin();
	if (!getenv("RFORK_VM_ADDRESS"))
		test_skip("no RDMA device: run by tests/rdma/vm");
	pid = CHECK_CALL(fork());
	if (!pid) {
		test_begin(); /* what it starts is its own */
		expect_losses();
		return test_end();
	}
	test_expect_exit(pid, 0);
	renew_device();
	return test_end();
}
