/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that has been restored for a move executes nothing before its ghost says GO: any other
 * word, half a word, the end of the connection or of the process itself ends it unheard, and leaves the
 * node as it was.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "tests/support/image.h"
#include "tests/support/mover.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

static char path[] = "/tmp/rfork-test-XXXXXX";
static struct node node;
static struct image image;

static int move_and_leave_trace(const struct node *line)
{
	int fd;

	mover_go_with(line, RFORK_CLOSE_OTHERS);
	fd = CHECK_CALL(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
	stream_write_text(fd, "n");
	close(fd);
	return 0;
}

/* How often the process has executed since the last look. */
static size_t count_traces(void)
{
	int fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	off_t bytes = CHECK_CALL(lseek(fd, 0, SEEK_END));

	CHECK_CALL(ftruncate(fd, 0));
	close(fd);
	return (size_t)bytes;
}

static void put(int fd, unsigned type, unsigned flags, unsigned channel, uint32_t bytes)
{
	struct rf_frame_header header = { .type = (uint8_t)type,
					  .flags = (uint8_t)flags,
					  .channel = (uint16_t)channel,
					  .length_bytes = bytes };

	CHECK_EQUAL(send(fd, &header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
}

/* Nothing has come, and then the end: without REFUSED, as the protocol says. */
static void expect_end(int fd)
{
	char byte;

	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	CHECK(recv(fd, &byte, 1, 0) <= 0);
}

static const struct word {
	const char *name;
	unsigned type, flags, channel;
	uint32_t bytes;
} words[] = {
	{ "PONG", RF_FRAME_PONG, 0, 0, 0 },
	{ "DETACH", RF_FRAME_DETACH, 0, 0, 0 },
	{ "DATA", RF_FRAME_DATA, 0, 1, 5 },
	{ "type 0", 0, 0, 0, 0 },
	{ "type 31", 31, 0, 0, 0 },
	{ "GO with a flag", RF_FRAME_GO, 1, 0, 0 },
	{ "GO with a channel", RF_FRAME_GO, 0, 1, 0 },
	{ "GO of 4", RF_FRAME_GO, 0, 0, 4 },
	{ "GO of 65536", RF_FRAME_GO, 0, 0, 65536 },
};

static void check_other_words(struct node_load load)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		int fd = image_run(&image, &node);

		dprintf(2, "%s\n", words[i].name);
		put(fd, words[i].type, words[i].flags, words[i].channel, words[i].bytes);
		expect_end(fd);
		close(fd);
		node_expect_load(&node, load);
		CHECK_EQUAL(count_traces(), 0);
	}
}

static void check_silence(struct node_load load)
{
	int fd = image_run(&image, &node);

	close(fd);
	node_expect_load(&node, load);
	CHECK_EQUAL(count_traces(), 0);
	fd = image_run(&image, &node);
	CHECK_EQUAL(send(fd, "\x1e\0\0", 3, MSG_NOSIGNAL), 3); /* half of it */
	shutdown(fd, SHUT_WR);
	expect_end(fd);
	close(fd);
	node_expect_load(&node, load);
	CHECK_EQUAL(count_traces(), 0);
}

/* Another end of what waits: by a signal to it. */
static void check_killed(struct node_load load)
{
	pid_t pids[64];
	int fd = image_run(&image, &node);
	unsigned count = node_descendants(node.pid, pids, 64);

	unsigned killed = 0;

	for (unsigned i = 0; i < count; i++)
		if (process_is_named(pids[i], "waiting_process")) {
			CHECK_CALL(kill(pids[i], SIGKILL));
			killed++;
		}
	CHECK_EQUAL(killed, 1);
	expect_end(fd);
	close(fd);
	node_expect_load(&node, load);
	CHECK_EQUAL(count_traces(), 0);
}

static void check_the_word(void)
{
	static unsigned char payload[RF_FRAME_MAX_BYTES];
	struct rf_frame_header header;
	int fd = image_run(&image, &node);

	CHECK_EQUAL(count_traces(), 0);
	put(fd, RF_FRAME_GO, 0, 0, 0);
	do
		CHECK_EQUAL(rf_frame_receive(fd, &header, payload, sizeof(payload),
					     rf_io_deadline_ns(TEST_DEADLINE_MS)),
			    0);
	while (header.type != RF_FRAME_EXITED);
	close(fd);
	CHECK_EQUAL(count_traces(), 1);
}

int main(void)
{
	struct node_load load;

	test_begin();
	close(CHECK_CALL(mkstemp(path)));
	node_start(&node, NULL);
	node_expect_service(&node);
	image_record_mover(&image, &node, move_and_leave_trace);
	CHECK_EQUAL(count_traces(), 1);
	load = node_settle(&node);
	check_other_words(load);
	check_silence(load);
	check_killed(load);
	check_the_word();
	image_free(&image);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	CHECK_CALL(unlink(path));
	return test_end();
}
