/* SPDX-License-Identifier: MIT */
/*
 * Claim: what stays of a ghost after its child's end relays what descendants write, gives back the credit
 * that the child has used up, exits with 0 when the node closes, and dies by SIGKILL when the node breaks the protocol or speaks of a child that has
 * ended; the caller has its status, and gets no signal.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/scripted_node.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

#define OUT 1
#define EXIT_CODE 23

/* Whether this process, of the node, may go on; from the caller. */
static int go_on[2];

static void put_word(int fd, unsigned type, unsigned flags, uint32_t word)
{
	scripted_node_put(fd, type, flags, 0, &word, sizeof(word));
}

/* The ghost has to end before its stand-in can be looked for. */
static void stay(int fd)
{
	put_word(fd, RF_FRAME_EXITED, RF_EXITED_STAYS, EXIT_CODE << 8);
	stream_hear(go_on[0]);
}

static void close_at_once(int fd)
{
	stay(fd);
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

static void write_more(int fd)
{
	stay(fd);
	scripted_node_put(fd, RF_FRAME_DATA, 0, OUT, "more", 4);
	scripted_node_put(fd, RF_FRAME_PING, 0, 0, NULL, 0);
	scripted_node_put(fd, RF_FRAME_EOF, 0, OUT, NULL, 0);
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

static void half_a_header(int fd)
{
	stay(fd);
	CHECK_EQUAL(send(fd, "abc", 3, MSG_NOSIGNAL), 3);
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

static void send_signal(int fd)
{
	const struct rf_frame_signal signal = { .signal = SIGUSR1 };

	stay(fd);
	scripted_node_put(fd, RF_FRAME_SIGNAL, 0, 0, &signal, sizeof(signal));
}

static void stop(int fd)
{
	stay(fd);
	put_word(fd, RF_FRAME_STOPPED, 0, SIGSTOP);
}

static void go_on_again(int fd)
{
	stay(fd);
	scripted_node_put(fd, RF_FRAME_CONTINUED, 0, 0, NULL, 0);
}

static void end_again(int fd)
{
	stay(fd);
	put_word(fd, RF_FRAME_EXITED, 0, 0);
}

/* All that may be under way, which the ghost can write out only at its end. */
static void use_up_credit(int fd)
{
	static const char block[RF_FRAME_MAX_BYTES];
	static char payload[RF_FRAME_MAX_BYTES];
	struct rf_frame_header header;
	struct rf_frame_window window;
	uint32_t credit = 0;

	for (unsigned i = 0; i < RF_CHANNEL_CREDIT_BYTES / sizeof(block); i++)
		scripted_node_put(fd, RF_FRAME_DATA, 0, OUT, block, sizeof(block));
	put_word(fd, RF_FRAME_EXITED, RF_EXITED_STAYS, EXIT_CODE << 8);
	while (credit < RF_CHANNEL_CREDIT_BYTES * 3 / 4) {
		CHECK_EQUAL(test_read(fd, &header, sizeof(header)), sizeof(header));
		CHECK_AT_MOST(header.length_bytes, sizeof(payload));
		CHECK_EQUAL(test_read(fd, payload, header.length_bytes), header.length_bytes);
		if (header.type != RF_FRAME_WINDOW || header.channel != OUT)
			continue; /* of standard input */
		memcpy(&window, payload, sizeof(window));
		credit += window.credit_bytes;
	}
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

static const struct a_case {
	const char *what;
	void (*act)(int fd);
	bool lives;
	const char *output;
} cases[] = {
	{ "close", close_at_once, true, "" },
	{ "DATA, PING and EOF", write_more, true, "more" },
	{ "half a header", half_a_header, false, "" },
	{ "SIGNAL", send_signal, false, "" },
	{ "STOPPED", stop, false, "" },
	{ "CONTINUED", go_on_again, false, "" },
	{ "EXITED", end_again, false, "" },
};

static void check(const struct node *node, const struct a_case *the)
{
	const struct rfork_options options = { .size = sizeof(options),
					       .flags = RFORK_CLOSE_OTHERS };
	struct scripted_node scripted;
	pid_t ghost, stand_in;
	sigset_t pending;
	int reader;

	dprintf(2, "%s\n", the->what);
	CHECK_CALL(pipe(go_on));
	scripted_node_start(&scripted, node->key, the->act);
	reader = test_pipe_output();
	ghost = rfork_with(scripted.host, &options);
	if (ghost <= 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_release_output();
	test_expect_exit(ghost, EXIT_CODE);
	CHECK_EQUAL(process_find_ghosts(&stand_in, 1), 1);
	stream_tell(go_on[1]);
	if (the->lives)
		test_expect_exit(stand_in, 0);
	else
		test_expect_signal(stand_in, SIGKILL);
	scripted_node_finish(&scripted);
	stream_expect_text(reader, the->output);
	stream_expect_end(reader);
	CHECK_CALL(sigpending(&pending));
	CHECK_EQUAL(sigismember(&pending, SIGUSR1), 0);
	close(reader);
	close(go_on[0]);
	close(go_on[1]);
}

/* A daemon without credit would wait for ever. */
static void check_credit(const struct node *node)
{
	const struct rfork_options options = { .size = sizeof(options),
					       .flags = RFORK_CLOSE_OTHERS };
	static char output[RF_CHANNEL_CREDIT_BYTES];
	struct scripted_node scripted;
	pid_t ghost;
	int reader;

	scripted_node_start(&scripted, node->key, use_up_credit);
	reader = test_pipe_output();
	ghost = rfork_with(scripted.host, &options);
	if (ghost <= 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_release_output();
	CHECK(!test_has_ended(ghost, STREAM_QUIET_MS)); /* nobody reads */
	CHECK_EQUAL(test_read(reader, output, sizeof(output)), sizeof(output));
	test_expect_exit(ghost, EXIT_CODE);
	stream_expect_end(reader);
	scripted_node_finish(&scripted);
	close(reader);
}

int main(void)
{
	struct node node;
	sigset_t mask;

	test_begin();
	node_start(&node, NULL);
	signals_block_all(&mask);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&node, &cases[i]);
	check_credit(&node);
	signals_restore(&mask);
	node_stop(&node);
	return test_end();
}
