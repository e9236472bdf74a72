/* SPDX-License-Identifier: MIT */
/*
 * Claim: a ghost may use the larger window that the node grants to a child that reads much, and only
 * that; and after its answer to a smaller limit only the smaller one.  Who sends more, or answers what was
 * not asked, loses its child.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "tests/support/image.h"
#include "tests/support/stream.h"

#define IN 0
#define OUT 1
#define READ_BYTES (2u << 20) /* what the child reads before it rests */
#define SMALL RF_CHANNEL_AHEAD_BYTES
#define LARGE RF_CHANNEL_AHEAD_MAX_BYTES

static unsigned char block[RF_FRAME_MAX_BYTES];
static struct image image;
static struct node node;

/* What our ghost knows of its child. */
struct ghost {
	int fd;
	uint32_t sent, consumed, limit;
	uint32_t asked; /* a limit that was not answered */
	unsigned said;	/* bytes that the child has written */
};

/* Reads much, says so, and says later that it is alive when asked by a signal. */
static void be_the_child(void)
{
	size_t done = 0;

	while (done < READ_BYTES)
		done += (size_t)CHECK_CALL(read(0, block, sizeof(block)));
	stream_tell(1);
	for (;;) {
		test_await_signal(SIGUSR1);
		stream_tell(1);
	}
}

/* Nothing here looks at the result: the node may have closed its end already. */
static void put(const struct ghost *ghost, unsigned type, unsigned channel, const void *payload,
		uint32_t bytes)
{
	struct rf_frame_header header = { .type = (uint8_t)type,
					  .channel = (uint16_t)channel,
					  .length_bytes = bytes };

	(void)send(ghost->fd, &header, sizeof(header), MSG_NOSIGNAL);
	if (bytes)
		(void)send(ghost->fd, payload, bytes, MSG_NOSIGNAL);
}

static void put_data(struct ghost *ghost, uint32_t bytes)
{
	while (bytes) {
		uint32_t piece = bytes < sizeof(block) ? bytes : (uint32_t)sizeof(block);

		put(ghost, RF_FRAME_DATA, IN, block, piece);
		ghost->sent += piece;
		bytes -= piece;
	}
}

static void answer(struct ghost *ghost, uint32_t limit)
{
	struct rf_frame_ahead ahead = { .limit_bytes = limit };

	put(ghost, RF_FRAME_AHEAD, IN, &ahead, sizeof(ahead));
	ghost->asked = 0;
}

/* Takes one frame of the node; false at the end of the connection. */
static bool take(struct ghost *ghost)
{
	static unsigned char payload[RF_FRAME_MAX_BYTES];
	struct rf_frame_header header;
	uint32_t word;
	int error = rf_frame_receive(ghost->fd, &header, payload, sizeof(payload),
				     rf_io_deadline_ns(TEST_DEADLINE_MS));

	if (error == -ETIMEDOUT)
		test_fail(__FILE__, __LINE__, "the node says nothing");
	if (error)
		return false;
	CHECK(header.type != RF_FRAME_EXITED);
	memcpy(&word, payload, sizeof(word));
	if (header.type == RF_FRAME_PING)
		put(ghost, RF_FRAME_PONG, 0, NULL, 0);
	else if (header.type == RF_FRAME_CONSUMED && header.channel == IN)
		ghost->consumed += word;
	else if (header.type == RF_FRAME_AHEAD && header.channel == IN)
		ghost->asked = ghost->limit = word;
	else if (header.type == RF_FRAME_DATA && header.channel == OUT)
		ghost->said += header.length_bytes;
	return true;
}

/* A child that has read all that was sent, whose window the node has enlarged by the way. */
static struct ghost start(void)
{
	struct ghost ghost = { .fd = image_run(&image, &node), .limit = SMALL };

	while (ghost.consumed < READ_BYTES || !ghost.said || !ghost.asked) {
		uint32_t room = ghost.limit - (ghost.sent - ghost.consumed);
		uint32_t left = READ_BYTES - ghost.sent;

		put_data(&ghost, room < left ? room : left);
		CHECK(take(&ghost));
	}
	CHECK_EQUAL(ghost.asked, LARGE);
	return ghost;
}

static void await_smaller_limit(struct ghost *ghost)
{
	while (ghost->limit == LARGE)
		CHECK(take(ghost));
	CHECK_EQUAL(ghost->asked, SMALL);
}

static void expect_alive(struct ghost *ghost)
{
	struct rf_frame_signal signal = { .signal = SIGUSR1 };
	unsigned said = ghost->said;

	put(ghost, RF_FRAME_SIGNAL, 0, &signal, sizeof(signal));
	while (ghost->said == said)
		CHECK(take(ghost));
}

static void expect_end(struct ghost *ghost)
{
	while (take(ghost))
		;
}

/* -- cases ------------------------------------------------------------------------------------ */

/* Frames behind one another, each before the node can say anything to the last. */
static const struct a_case {
	const char *what;
	bool shrinks; /* the node asks for the small limit first */
	struct {
		uint32_t answer, data;
	} steps[3];
	bool lives;
} cases[] = {
	{ "all of it", false, { { LARGE, LARGE } }, true },
	{ "all of it before the answer", false, { { 0, LARGE }, { LARGE, 0 } }, true },
	{ "one byte more", false, { { LARGE, LARGE }, { 0, 1 } }, false },
	{ "one byte more before the answer", false, { { 0, LARGE }, { 0, 1 } }, false },
	{ "another answer", false, { { LARGE - 1, 0 } }, false },
	{ "the old limit", false, { { SMALL, 0 } }, false },
	{ "two answers", false, { { LARGE, 0 }, { LARGE, 0 } }, false },
	{ "less again, after more", true, { { 0, LARGE }, { SMALL, 0 } }, true },
	{ "less again, and one byte more", true, { { SMALL, SMALL }, { 0, 1 } }, false },
	{ "one byte more after more", true, { { 0, LARGE }, { SMALL, 1 } }, false },
};

static void check(const struct a_case *c)
{
	struct ghost ghost = start();

	dprintf(2, "%s\n", c->what);
	if (c->shrinks) {
		answer(&ghost, LARGE);
		await_smaller_limit(&ghost);
	}
	for (int i = 0; i < 3; i++) {
		if (c->steps[i].answer)
			answer(&ghost, c->steps[i].answer);
		put_data(&ghost, c->steps[i].data);
	}
	if (c->lives)
		expect_alive(&ghost);
	else
		expect_end(&ghost);
	close(ghost.fd);
}

/* Streams for all of its standard descriptors, whatever those of the test are. */
static void record(void)
{
	int input[2], reader = test_pipe_output();

	CHECK_CALL(pipe2(input, O_CLOEXEC));
	stream_set_input(input[0]);
	image_record_child(&image, &node, be_the_child);
	stream_release_input();
	test_release_output();
	close(input[1]);
	close(reader);
}

int main(void)
{
	struct node_load load;
	sigset_t user;

	test_begin();
	node_start(&node, NULL);
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, NULL));
	record();
	load = node_settle(&node);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i]);
	node_expect_load(&node, load);
	node_expect_service(&node);
	image_free(&image);
	node_stop(&node);
	return test_end();
}
