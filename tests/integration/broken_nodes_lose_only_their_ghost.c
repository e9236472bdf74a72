/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node that breaks the protocol while a child runs loses that child's ghost, which dies by
 * SIGKILL, and nothing else: the caller hears it from waitpid(), gets no signal, holds the same
 * descriptors as before, and its other child goes on.  What the document tells the ghost to ignore
 * changes nothing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/scripted_node.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"
#include "tests/support/terminal.h"

#define IN 0
#define OUT 1
#define ERR 2
#define TERMINAL 3
#define MESSAGES 10 /* a datagram socket whose peer has taken nothing yet */
#define LISTENER 12 /* a listening socket at which a connection waits */
#define SERVER 14   /* a datagram socket without a peer, to which nobody has sent anything */
#define NOBODYS 900 /* a channel that the child does not have */
#define EXIT_CODE 23
/* Far from all others. */
#define KEPT_OPEN 500

static unsigned char block[RF_FRAME_MAX_BYTES];
static struct footprint before;
static struct node node;
/* What the script of a bad frame sends. */
static const struct bad_frame *bad;

static void put(int fd, unsigned type, unsigned flags, unsigned channel, uint32_t bytes)
{
	scripted_node_put(fd, type, flags, channel, block, bytes);
}

static void put_word(int fd, unsigned type, unsigned channel, uint32_t word)
{
	scripted_node_put(fd, type, 0, channel, &word, sizeof(word));
}

static void put_signal(int fd, uint32_t number)
{
	struct rf_frame_signal signal = { .signal = number };

	scripted_node_put(fd, RF_FRAME_SIGNAL, 0, 0, &signal, sizeof(signal));
}

/* What the ghost has to send is the one byte of standard input, a connection, and at the other end of the
 * pair what has been sent there.  The first word that comes with the frame. */
static uint32_t await_frame(int fd, unsigned type)
{
	static uint32_t payload[RF_FRAME_MAX_BYTES / sizeof(uint32_t)];
	struct rf_frame_header header;

	do {
		CHECK_EQUAL(test_read(fd, &header, sizeof(header)), sizeof(header));
		CHECK_AT_MOST(header.length_bytes, sizeof(payload));
		CHECK_EQUAL(test_read(fd, payload, header.length_bytes), header.length_bytes);
	} while (header.type != type);
	return payload[0];
}

/* -- what is ignored: the ghost ends as EXITED says ------------------------------------------ */

static void finish(int fd)
{
	put_word(fd, RF_FRAME_EXITED, 0, EXIT_CODE << 8);
}

static void unknown_channels(int fd)
{
	static const unsigned channels[] = { NOBODYS, RF_CHANNELS_MAX, UINT16_MAX };

	for (unsigned i = 0; i < 3; i++) {
		put(fd, RF_FRAME_DATA, 0, channels[i], 1000);
		put(fd, RF_FRAME_EOF, 0, channels[i], 0);
		put(fd, RF_FRAME_EOF, RF_EOF_SHUTDOWN, channels[i], 0);
		put(fd, RF_FRAME_NO_READER, 0, channels[i], 0);
		put_word(fd, RF_FRAME_CONSUMED, channels[i], 9);
		put_word(fd, RF_FRAME_AHEAD, channels[i], RF_CHANNEL_AHEAD_MAX_BYTES);
	}
	finish(fd);
}

static void ends_twice(int fd)
{
	for (int i = 0; i < 2; i++) {
		put(fd, RF_FRAME_EOF, 0, ERR, 0);
		put(fd, RF_FRAME_NO_READER, 0, IN, 0);
	}
	finish(fd);
}

static void continued_without_stop(int fd)
{
	put(fd, RF_FRAME_CONTINUED, 0, 0, 0);
	put(fd, RF_FRAME_PING, 0, 0, 0);
	finish(fd);
}

static void messages(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, MESSAGES, 0);
	put(fd, RF_FRAME_MESSAGE, RF_MESSAGE_MORE, MESSAGES, RF_FRAME_MAX_BYTES);
	put(fd, RF_FRAME_MESSAGE, 0, MESSAGES, 10);
	put(fd, RF_FRAME_MESSAGE, 0, NOBODYS, 10);
	finish(fd);
}

/* A limit of an output or of what has ended means nothing. */
static void limits_everywhere(int fd)
{
	for (unsigned channel = IN; channel <= ERR; channel++) {
		put_word(fd, RF_FRAME_AHEAD, channel, RF_CHANNEL_AHEAD_MAX_BYTES);
		put(fd, RF_FRAME_EOF, 0, channel, 0);
		put(fd, RF_FRAME_NO_READER, 0, channel, 0);
		put_word(fd, RF_FRAME_AHEAD, channel, RF_CHANNEL_AHEAD_BYTES);
	}
	finish(fd);
}

static void put_mode(int fd, uint32_t flags, int value)
{
	struct rf_frame_mode mode;

	memset(&mode, value, sizeof(mode));
	mode.flags = flags;
	scripted_node_put(fd, RF_FRAME_MODE, 0, TERMINAL, &mode, sizeof(mode));
}

/* A terminal may be set to anything, and there may be nothing to take. */
static void terminals(int fd)
{
	put(fd, RF_FRAME_TAKE, 0, TERMINAL, 0);
	put_word(fd, RF_FRAME_ASK, TERMINAL, SIGTTIN);
	put_word(fd, RF_FRAME_ASK, TERMINAL, SIGTTOU);
	for (int value = 0; value < 256; value += 15)
		put_mode(fd, RF_MODE_CHANGED, value);
	put_mode(fd, RF_MODE_KNOWN_FLAGS, 0xff);
	put(fd, RF_FRAME_DATA, 0, TERMINAL, 10);
	put(fd, RF_FRAME_EOF, 0, TERMINAL, 0);
	put(fd, RF_FRAME_NO_READER, 0, TERMINAL, 0);
	put(fd, RF_FRAME_TAKE, 0, TERMINAL, 0);
	finish(fd);
}

static void unknown_correspondent(int fd)
{
	put_word(fd, RF_FRAME_MESSAGE, SERVER, 0);
	put_word(fd, RF_FRAME_MESSAGE, SERVER, 1);
	put_word(fd, RF_FRAME_MESSAGE, SERVER, UINT32_MAX);
	finish(fd);
}

/* -- what is not: the ghost dies ------------------------------------------------------------- */

static void hang_up(int fd)
{
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

static void half_a_header(int fd)
{
	CHECK_EQUAL(send(fd, block, 3, MSG_NOSIGNAL), 3);
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

static void half_a_frame(int fd)
{
	scripted_node_put_header(fd, RF_FRAME_DATA, 0, OUT, 100);
	CHECK_EQUAL(send(fd, block, 10, MSG_NOSIGNAL), 10);
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

static void half_an_end(int fd)
{
	scripted_node_put_header(fd, RF_FRAME_EXITED, 0, 0, 4);
	CHECK_EQUAL(send(fd, block, 2, MSG_NOSIGNAL), 2);
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

/* A reset takes along what the ghost has not read: first it is to answer. */
static void reset(int fd)
{
	struct linger at_once = { .l_onoff = 1 };

	put(fd, RF_FRAME_PING, 0, 0, 0);
	await_frame(fd, RF_FRAME_PONG);

	CHECK_CALL(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	close(fd);
	_exit(0);
}

static void consumed_more_than_sent(int fd)
{
	put_word(fd, RF_FRAME_CONSUMED, IN, 3);
}

static void consumed_of_all_ones(int fd)
{
	put_word(fd, RF_FRAME_CONSUMED, IN, UINT32_MAX);
}

static void consumed_of_an_output(int fd)
{
	put_word(fd, RF_FRAME_CONSUMED, OUT, 1);
}

/* What has been shown to the child is in the pipe still; one byte more has not been. */
static void consumed_one_more(int fd)
{
	await_frame(fd, RF_FRAME_DATA);
	put_word(fd, RF_FRAME_CONSUMED, IN, 2);
}

static void limit_too_low(int fd)
{
	put_word(fd, RF_FRAME_AHEAD, IN, RF_CHANNEL_AHEAD_BYTES - 1);
}

static void limit_too_high(int fd)
{
	put_word(fd, RF_FRAME_AHEAD, IN, RF_CHANNEL_AHEAD_MAX_BYTES + 1);
}

static void limit_of_all_ones(int fd)
{
	put_word(fd, RF_FRAME_AHEAD, OUT, UINT32_MAX);
}

/* Nobody reads: the pipe holds some, of which credit comes back, the ghost the rest. */
static void data_beyond_the_credit(int fd)
{
	for (size_t bytes = 0; bytes < 2 * RF_CHANNEL_CREDIT_BYTES; bytes += sizeof(block))
		put(fd, RF_FRAME_DATA, 0, OUT, sizeof(block));
}

static void messages_beyond_the_credit(int fd)
{
	for (size_t bytes = 0; bytes < 3 * RF_CHANNEL_CREDIT_BYTES; bytes += sizeof(block))
		put(fd, RF_FRAME_MESSAGE, 0, MESSAGES, sizeof(block));
}

static void empty_messages_beyond_the_credit(int fd)
{
	for (size_t bytes = 0; bytes < 4 * RF_CHANNEL_CREDIT_BYTES;
	     bytes += RF_MESSAGE_CREDIT_BYTES)
		put(fd, RF_FRAME_MESSAGE, 0, MESSAGES, 0);
}

static void endless_message(int fd)
{
	for (size_t bytes = 0; bytes <= RF_MESSAGE_MAX_BYTES; bytes += sizeof(block))
		put(fd, RF_FRAME_MESSAGE, RF_MESSAGE_MORE, MESSAGES, sizeof(block));
}

static void short_piece(int fd)
{
	put(fd, RF_FRAME_MESSAGE, RF_MESSAGE_MORE, MESSAGES, RF_FRAME_MAX_BYTES - 1);
}

static void message_as_data(int fd)
{
	put(fd, RF_FRAME_DATA, 0, MESSAGES, 1);
}

static void data_as_message(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, OUT, 1);
}

static void message_of_65537(int fd)
{
	scripted_node_put_header(fd, RF_FRAME_MESSAGE, 0, MESSAGES, RF_FRAME_MAX_BYTES + 1);
}

static void consumed_message_never_sent(int fd)
{
	put_word(fd, RF_FRAME_CONSUMED, MESSAGES, 1);
}

static void mode_without_flags(int fd)
{
	put_mode(fd, 0, 0);
}

static void mode_with_a_flag(int fd)
{
	put_mode(fd, RF_MODE_KNOWN_FLAGS + 1, 0);
}

static void asked_by_0(int fd)
{
	put_word(fd, RF_FRAME_ASK, TERMINAL, 0);
}

static void asked_by_term(int fd)
{
	put_word(fd, RF_FRAME_ASK, TERMINAL, SIGTERM);
}

static void consumed_what_was_not_typed(int fd)
{
	put_word(fd, RF_FRAME_CONSUMED, TERMINAL, 1);
}

static void message_for_terminal(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, TERMINAL, 10);
}

static void no_correspondent(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, SERVER, RF_MESSAGE_PEER_BYTES - 1);
}

static void unoffered_connection(int fd)
{
	put_word(fd, RF_FRAME_CONNECTION, OUT, 100);
}

static void connection_as_a_stream(int fd)
{
	await_frame(fd, RF_FRAME_CONNECTION);
	put_word(fd, RF_FRAME_CONNECTION, LISTENER, MESSAGES);
}

static void connection_beyond_the_last(int fd)
{
	await_frame(fd, RF_FRAME_CONNECTION);
	put_word(fd, RF_FRAME_CONNECTION, LISTENER, RF_CHANNELS_MAX);
}

static void connection_of_all_ones(int fd)
{
	await_frame(fd, RF_FRAME_CONNECTION);
	put_word(fd, RF_FRAME_CONNECTION, LISTENER, UINT32_MAX);
}

static void consumed_listener(int fd)
{
	await_frame(fd, RF_FRAME_CONNECTION);
	put_word(fd, RF_FRAME_CONSUMED, LISTENER, 1);
}

static void stopped_by_0(int fd)
{
	put_word(fd, RF_FRAME_STOPPED, 0, 0);
}

static void stopped_by_term(int fd)
{
	put_word(fd, RF_FRAME_STOPPED, 0, SIGTERM);
}

static void stopped_by_kill(int fd)
{
	put_word(fd, RF_FRAME_STOPPED, 0, SIGKILL);
}

static void stopped_by_all_ones(int fd)
{
	put_word(fd, RF_FRAME_STOPPED, 0, UINT32_MAX);
}

static void signal_0(int fd)
{
	put_signal(fd, 0);
}

static void signal_65(int fd)
{
	put_signal(fd, 65);
}

static void signal_all_ones(int fd)
{
	put_signal(fd, UINT32_MAX);
}

static void signal_kill(int fd)
{
	put_signal(fd, SIGKILL);
}

static void signal_stop(int fd)
{
	put_signal(fd, SIGSTOP);
}

static void data_of_65537(int fd)
{
	scripted_node_put_header(fd, RF_FRAME_DATA, 0, OUT, RF_FRAME_MAX_BYTES + 1);
}

static void data_of_4_gib(int fd)
{
	scripted_node_put_header(fd, RF_FRAME_DATA, 0, NOBODYS, UINT32_MAX);
}

/* No process ends in such a way. */
static void ended_by_a_stop(int fd)
{
	put_word(fd, RF_FRAME_EXITED, 0, SIGSTOP << 8 | 0x7f);
}

static void ended_by_signal_stop(int fd)
{
	put_word(fd, RF_FRAME_EXITED, 0, SIGSTOP);
}

static void ended_by_signal_100(int fd)
{
	put_word(fd, RF_FRAME_EXITED, 0, 100);
}

static const struct a_case {
	const char *what;
	void (*act)(int fd);
	bool lives;
} cases[] = {
	{ "nothing", finish, true },
	{ "unknown channels", unknown_channels, true },
	{ "EOF and NO_READER twice", ends_twice, true },
	{ "CONTINUED without a stop", continued_without_stop, true },
	{ "messages", messages, true },
	{ "a message for nobody known", unknown_correspondent, true },
	{ "AHEAD of all channels", limits_everywhere, true },
	{ "a terminal", terminals, true },
	{ "the end of the connection", hang_up, false },
	{ "half a header", half_a_header, false },
	{ "half a frame", half_a_frame, false },
	{ "half of EXITED", half_an_end, false },
	{ "a reset", reset, false },
	{ "CONSUMED of what was not sent", consumed_more_than_sent, false },
	{ "CONSUMED of all ones", consumed_of_all_ones, false },
	{ "CONSUMED of an output", consumed_of_an_output, false },
	{ "CONSUMED of one byte more", consumed_one_more, false },
	{ "AHEAD of 65535", limit_too_low, false },
	{ "AHEAD of 1048577", limit_too_high, false },
	{ "AHEAD of all ones", limit_of_all_ones, false },
	{ "DATA beyond the credit", data_beyond_the_credit, false },
	{ "messages beyond the credit", messages_beyond_the_credit, false },
	{ "empty messages beyond the credit", empty_messages_beyond_the_credit, false },
	{ "an endless message", endless_message, false },
	{ "a short piece", short_piece, false },
	{ "a message as DATA", message_as_data, false },
	{ "bytes as a MESSAGE", data_as_message, false },
	{ "MESSAGE of 65537", message_of_65537, false },
	{ "CONSUMED of a message never sent", consumed_message_never_sent, false },
	{ "MODE without flags", mode_without_flags, false },
	{ "MODE with an unknown flag", mode_with_a_flag, false },
	{ "ASK by 0", asked_by_0, false },
	{ "ASK by SIGTERM", asked_by_term, false },
	{ "CONSUMED of what was not typed", consumed_what_was_not_typed, false },
	{ "a message for a terminal", message_for_terminal, false },
	{ "a message without a correspondent", no_correspondent, false },
	{ "CONNECTION without an offer", unoffered_connection, false },
	{ "CONNECTION as a stream's channel", connection_as_a_stream, false },
	{ "CONNECTION beyond the last channel", connection_beyond_the_last, false },
	{ "CONNECTION of all ones", connection_of_all_ones, false },
	{ "CONSUMED of a listener", consumed_listener, false },
	{ "STOPPED by 0", stopped_by_0, false },
	{ "STOPPED by SIGTERM", stopped_by_term, false },
	{ "STOPPED by SIGKILL", stopped_by_kill, false },
	{ "STOPPED by all ones", stopped_by_all_ones, false },
	{ "SIGNAL 0", signal_0, false },
	{ "SIGNAL 65", signal_65, false },
	{ "SIGNAL of all ones", signal_all_ones, false },
	{ "SIGNAL SIGKILL", signal_kill, false },
	{ "SIGNAL SIGSTOP", signal_stop, false },
	{ "DATA of 65537", data_of_65537, false },
	{ "DATA of 4 GiB", data_of_4_gib, false },
	{ "EXITED by a stop", ended_by_a_stop, false },
	{ "EXITED by signal SIGSTOP", ended_by_signal_stop, false },
	{ "EXITED by signal 100", ended_by_signal_100, false },
};

/* Single frames that no node may send once the child runs. */
static const struct bad_frame {
	const char *what;
	unsigned type, flags, channel;
	uint32_t bytes;
} bad_frames[] = {
	{ "type 0", 0, 0, 0, 0 },
	{ "TERMINAL", RF_FRAME_TERMINAL, 0, TERMINAL, 64 },
	{ "MODE on channel 0", RF_FRAME_MODE, 0, 0, 52 },
	{ "MODE with a frame's flag", RF_FRAME_MODE, 1, TERMINAL, 52 },
	{ "MODE of 48", RF_FRAME_MODE, 0, TERMINAL, 48 },
	{ "ASK on another channel", RF_FRAME_ASK, 0, MESSAGES, 4 },
	{ "ASK of 8", RF_FRAME_ASK, 0, TERMINAL, 8 },
	{ "TAKE on another channel", RF_FRAME_TAKE, 0, MESSAGES, 0 },
	{ "TAKE of 1", RF_FRAME_TAKE, 0, TERMINAL, 1 },
	{ "type 255", 255, 0, 0, 0 },
	{ "HELLO", RF_FRAME_HELLO, 0, 0, sizeof(struct rf_frame_hello) },
	{ "REFUSED", RF_FRAME_REFUSED, 0, 0, 20 },
	{ "NEED", RF_FRAME_NEED, RF_NEED_LAST, 0, 0 },
	{ "RUNNING", RF_FRAME_RUNNING, 0, 0, 8 },
	{ "GO", RF_FRAME_GO, 0, 0, 0 },
	{ "WINDOW", RF_FRAME_WINDOW, 0, IN, 4 },
	{ "PONG", RF_FRAME_PONG, 0, 0, 0 },
	{ "DETACH", RF_FRAME_DETACH, 0, 0, 0 },
	{ "DETACHED unasked", RF_FRAME_DETACHED, 0, 0, 0 },
	{ "CONNECTION of 0", RF_FRAME_CONNECTION, 0, LISTENER, 0 },
	{ "CLOSED", RF_FRAME_CLOSED, 0, LISTENER, 0 },
	{ "MESSAGE with a flag", RF_FRAME_MESSAGE, 2, MESSAGES, 5 },
	{ "DATA with a flag", RF_FRAME_DATA, 1, OUT, 5 },
	{ "EOF with an unknown flag", RF_FRAME_EOF, 2, OUT, 0 },
	{ "PING with flags", RF_FRAME_PING, 255, 0, 0 },
	{ "EXITED with an unknown flag", RF_FRAME_EXITED, 2, 0, 4 },
	{ "empty DATA", RF_FRAME_DATA, 0, OUT, 0 },
	{ "empty DATA on an unknown channel", RF_FRAME_DATA, 0, NOBODYS, 0 },
	{ "CONSUMED of 8", RF_FRAME_CONSUMED, 0, IN, 8 },
	{ "AHEAD of 3", RF_FRAME_AHEAD, 0, IN, 3 },
	{ "AHEAD with a flag", RF_FRAME_AHEAD, 1, IN, 4 },
	{ "SIGNAL of 15", RF_FRAME_SIGNAL, 0, 0, 15 },
	{ "STOPPED of 0", RF_FRAME_STOPPED, 0, 0, 0 },
	{ "CONTINUED of 4", RF_FRAME_CONTINUED, 0, 0, 4 },
	{ "EOF of 1", RF_FRAME_EOF, 0, OUT, 1 },
	{ "NO_READER of 4", RF_FRAME_NO_READER, 0, IN, 4 },
	{ "PING of 1", RF_FRAME_PING, 0, 0, 1 },
	{ "EXITED of 0", RF_FRAME_EXITED, 0, 0, 0 },
	{ "EXITED of 3", RF_FRAME_EXITED, 0, 0, 3 },
	{ "EXITED of 8", RF_FRAME_EXITED, 0, 0, 8 },
};

/* Takes the connection that waits, and serves it until it is over. */
static void take_connection(int fd)
{
	uint32_t number = await_frame(fd, RF_FRAME_CONNECTION);

	put_word(fd, RF_FRAME_CONNECTION, LISTENER, number + 1);
	put(fd, RF_FRAME_DATA, 0, number + 1, 5);
	put(fd, RF_FRAME_EOF, 0, number + 1, 0);
	put(fd, RF_FRAME_NO_READER, 0, number + 1, 0);
	await_frame(fd, RF_FRAME_CLOSED);
	put(fd, RF_FRAME_DATA, 0, number + 1, 5); /* nobody's again */
	finish(fd);
}

static void send_bad_frame(int fd)
{
	put(fd, bad->type, bad->flags, bad->channel, bad->bytes);
}

/* -- the caller ------------------------------------------------------------------------------ */

static _Noreturn void be_the_bystander(int in, int out)
{
	for (;;) {
		stream_hear(in);
		stream_tell(out);
	}
}

static void expect_no_signal(const char *what)
{
	sigset_t pending;

	CHECK_CALL(sigpending(&pending));
	for (int number = 1; number < SIGNALS_END; number++)
		if (number != SIGCHLD && sigismember(&pending, number) == 1)
			test_fail(__FILE__, __LINE__, "%s: the caller got signal %d", what, number);
}

static void check(const char *what, void (*act)(int), bool lives)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	struct scripted_node scripted;
	int status;
	pid_t pid;

	footprint_take(&before);
	scripted_node_start(&scripted, node.key, act);
	pid = rfork_with(scripted.host, &options);
	if (pid <= 0)
		test_fail(__FILE__, __LINE__, "%s: rfork: %s", what, rfork_error());
	status = test_wait(pid);
	dprintf(2, "%s: %#x\n", what, (unsigned)status);
	CHECK_EQUAL(status, lives ? EXIT_CODE << 8 : SIGKILL);
	scripted_node_finish(&scripted);
	expect_no_signal(what);
	footprint_expect(&before);
}

static void check_all(int to_bystander, int from_bystander)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(cases[i].what, cases[i].act, cases[i].lives);
		stream_tell(to_bystander);
		stream_hear(from_bystander);
	}
	for (size_t i = 0; i < sizeof(bad_frames) / sizeof(bad_frames[0]); i++) {
		bad = &bad_frames[i];
		check(bad->what, send_bad_frame, false);
		stream_tell(to_bystander);
		stream_hear(from_bystander);
	}
}

/* The controlling one, without a descriptor of it. */
static void take_terminal(void)
{
	static struct terminal terminal;

	terminal_open(&terminal);
	CHECK_CALL(setsid());
	close(CHECK_CALL(open(ptsname(terminal.master), O_RDWR)));
	close(CHECK_CALL(open("/dev/tty", O_RDWR)));
	CHECK_CALL(fcntl(terminal.master, F_DUPFD_CLOEXEC, KEPT_OPEN));
	terminal_close(&terminal);
}

static int run(void)
{
	int to[2], from[2], input[2], pair[2], reader, server, client;
	struct listening listening;
	pid_t bystander;
	sigset_t mask;

	test_begin();
	take_terminal();
	node_start(&node, NULL);
	CHECK_CALL(pipe(to));
	CHECK_CALL(pipe(from));
	bystander = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!bystander)
		be_the_bystander(to[0], from[1]);
	/* a byte to be read, and an output that nobody reads */
	CHECK_CALL(pipe2(input, O_CLOEXEC));
	stream_tell(input[1]);
	stream_set_input(input[0]);
	reader = test_pipe_output();
	/* channels are numbered in the order of descriptors, and all of ours have one, but for that of
	 * the terminal */
	CHECK_CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	CHECK_EQUAL(pair[0] + 1, MESSAGES);
	CHECK(listening_start(&listening, LISTENING_TCP));
	CHECK_EQUAL(listening.fd + 1, LISTENER);
	client = listening_connect(&listening);
	server = CHECK_CALL(socket(AF_INET, SOCK_DGRAM, 0));
	CHECK_EQUAL(server + 1, SERVER);
	signals_block_all(&mask);
	scripted_node_running_flags = RF_RUNNING_EXPECTS;
	check_all(to[1], from[0]);
	/* the messages of the case that only sent good ones */
	CHECK_EQUAL(recv(pair[1], block, sizeof(block), MSG_TRUNC | MSG_DONTWAIT), 0);
	CHECK_EQUAL(recv(pair[1], block, sizeof(block), MSG_TRUNC | MSG_DONTWAIT),
		    RF_FRAME_MAX_BYTES + 10);
	/* no bad node has taken the connection */
	close(listening_accept(listening.fd));
	close(client);
	client = listening_connect(&listening);
	check("a connection", take_connection, true);
	CHECK_EQUAL(test_read(client, block, 6), 5);
	close(client);
	close(server);
	close(listening.fd);
	close(pair[0]);
	close(pair[1]);
	/* what was said to be consumed of it never was */
	stream_hear(0);
	stream_release_input();
	test_release_output();
	close(input[1]);
	close(reader);
	signals_restore(&mask);
	CHECK_CALL(kill(bystander, SIGTERM));
	test_expect_signal(bystander, SIGTERM);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}

int main(void)
{
	return process_run(run);
}
