/* SPDX-License-Identifier: MIT */
/*
 * Claim: a ghost that breaks the protocol loses its child and all of that child's descendants, with
 * one sentence in the server's log; what the document tells the node to ignore changes nothing.
 * Another child of the same server goes on undisturbed, and nothing is left.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "tests/support/image.h"
#include "tests/support/listening.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define IN 0
#define OUT 1
#define ERR 2
#define TERMINAL 3
#define MESSAGES 4  /* a datagram socket that the child never reads */
#define LISTENER 6  /* a listening socket on which it accepts nothing */
#define SERVER 7    /* a datagram socket without a peer, which it never reads */
#define NOBODYS 900 /* a channel that the child does not have */
#define LOG_BYTES 65536

/* What the log says of each way to lose a child. */
#define MALFORMED "the ghost sent a malformed frame"
#define RULES "the ghost broke the rules of its channels or signals"
#define LOST "the connection is lost"
#define ENDING ": ending the child and its descendants"

static unsigned char block[RF_FRAME_MAX_BYTES];
static struct image image;
static struct node node;
static int log_fd;

/* -- the children ----------------------------------------------------------------------------- */

/* Never reads its input; tells that it is alive when asked by a signal. */
static void be_the_child(void)
{
	if (!fork()) {
		setsid();
		for (;;)
			pause();
	}
	dprintf(1, "%d\n", (int)getpid());
	for (;;) {
		test_await_signal(SIGUSR1);
		stream_tell(1);
	}
}

static _Noreturn void be_the_bystander(int in, int out)
{
	for (;;) {
		stream_hear(in);
		stream_tell(out);
	}
}

/* -- a ghost of our own ----------------------------------------------------------------------- */

/* Nothing here looks at the result: the node may have closed its end already. */
static void put_header(int fd, unsigned type, unsigned flags, unsigned channel, uint32_t bytes)
{
	struct rf_frame_header header = { .type = (uint8_t)type,
					  .flags = (uint8_t)flags,
					  .channel = (uint16_t)channel,
					  .length_bytes = bytes };

	(void)send(fd, &header, sizeof(header), MSG_NOSIGNAL);
}

static void put(int fd, unsigned type, unsigned flags, unsigned channel, uint32_t bytes)
{
	put_header(fd, type, flags, channel, bytes);
	if (bytes)
		(void)send(fd, block, bytes, MSG_NOSIGNAL);
}

static void put_word(int fd, unsigned type, unsigned channel, uint32_t word)
{
	put_header(fd, type, 0, channel, sizeof(word));
	(void)send(fd, &word, sizeof(word), MSG_NOSIGNAL);
}

static void put_signal(int fd, uint32_t number)
{
	struct rf_frame_signal signal = { .signal = number };

	put_header(fd, RF_FRAME_SIGNAL, 0, 0, sizeof(signal));
	(void)send(fd, &signal, sizeof(signal), MSG_NOSIGNAL);
}

/* The next frame of a standard stream that is not about life or reading; its type, or 0 at the
 * end. */
static unsigned get(int fd, unsigned char payload[RF_FRAME_MAX_BYTES],
		    struct rf_frame_header *header)
{
	for (;;) {
		int error = rf_frame_receive(fd, header, payload, RF_FRAME_MAX_BYTES,
					     rf_io_deadline_ns(TEST_DEADLINE_MS));

		if (error == -ETIMEDOUT)
			test_fail(__FILE__, __LINE__, "the node says nothing");
		if (error)
			return 0;
		if (header->type == RF_FRAME_PING)
			put_header(fd, RF_FRAME_PONG, 0, 0, 0);
		else if (header->type != RF_FRAME_CONSUMED && header->channel <= ERR)
			return header->type;
	}
}

static void expect_frame(int fd, unsigned type, unsigned channel)
{
	static unsigned char payload[RF_FRAME_MAX_BYTES];
	struct rf_frame_header header;

	CHECK_EQUAL(get(fd, payload, &header), type);
	CHECK_EQUAL(header.channel, channel);
}

/* The child's own pid is what it writes first. */
static pid_t read_pid(int fd)
{
	static unsigned char payload[RF_FRAME_MAX_BYTES];
	struct rf_frame_header header;
	char text[32];

	CHECK_EQUAL(get(fd, payload, &header), RF_FRAME_DATA);
	CHECK_EQUAL(header.channel, OUT);
	CHECK(header.length_bytes < sizeof(text));
	memcpy(text, payload, header.length_bytes);
	text[header.length_bytes] = '\0';
	return (pid_t)atoi(text);
}

static void expect_alive(int fd)
{
	put_signal(fd, SIGUSR1);
	expect_frame(fd, RF_FRAME_DATA, OUT);
}

/* -- what is ignored -------------------------------------------------------------------------- */

static void nothing(int fd)
{
	(void)fd;
}

static void put_offer(int fd, unsigned channel, uint32_t number)
{
	put_word(fd, RF_FRAME_CONNECTION, channel, number);
}

static void unknown_channels(int fd)
{
	static const unsigned channels[] = { NOBODYS, RF_CHANNELS_MAX - 1, RF_CHANNELS_MAX,
					     UINT16_MAX };

	for (unsigned i = 0; i < 4; i++) {
		put(fd, RF_FRAME_DATA, 0, channels[i], 1000);
		put(fd, RF_FRAME_EOF, 0, channels[i], 0);
		put_word(fd, RF_FRAME_WINDOW, channels[i], 9);
		put_word(fd, RF_FRAME_AHEAD, channels[i], 9);
		put(fd, RF_FRAME_NO_READER, 0, channels[i], 0);
		put(fd, RF_FRAME_CLOSED, 0, channels[i], 0);
		put_offer(fd, channels[i], 100);
	}
}

static void offered_connection(int fd)
{
	put_offer(fd, LISTENER, 100);
	put(fd, RF_FRAME_DATA, 0, 100, 10); /* not accepted: nobody's yet */
	put(fd, RF_FRAME_CLOSED, 0, 100, 0);
}

static void connection_without_a_number(int fd)
{
	put_offer(fd, LISTENER, RF_CHANNELS_MAX);
}

static void other_directions(int fd)
{
	put(fd, RF_FRAME_DATA, 0, OUT, 1000);
	put(fd, RF_FRAME_EOF, 0, OUT, 0);
	put_word(fd, RF_FRAME_WINDOW, IN, 1000);
	put(fd, RF_FRAME_NO_READER, 0, IN, 0);
}

static void eof_twice(int fd)
{
	put(fd, RF_FRAME_DATA, 0, IN, 1000);
	put(fd, RF_FRAME_EOF, 0, IN, 0);
	put(fd, RF_FRAME_EOF, 0, IN, 0);
}

static void no_reader_twice(int fd)
{
	put(fd, RF_FRAME_NO_READER, 0, ERR, 0);
	put(fd, RF_FRAME_NO_READER, 0, ERR, 0);
	put_word(fd, RF_FRAME_WINDOW, ERR, 1000);
}

static void whole_credit(int fd)
{
	put(fd, RF_FRAME_DATA, 0, IN, RF_CHANNEL_AHEAD_BYTES);
	put_word(fd, RF_FRAME_WINDOW, OUT, 0x7fffffff - RF_CHANNEL_CREDIT_BYTES);
}

static void unasked_pong(int fd)
{
	put(fd, RF_FRAME_PONG, 0, 0, 0);
	put(fd, RF_FRAME_PONG, 0, 0, 0);
}

static void messages(int fd)
{
	put(fd, RF_FRAME_MESSAGE, RF_MESSAGE_MORE, MESSAGES, RF_FRAME_MAX_BYTES);
	put(fd, RF_FRAME_MESSAGE, 0, MESSAGES, 0);
	put(fd, RF_FRAME_MESSAGE, 0, MESSAGES + 1, 0);
	put(fd, RF_FRAME_MESSAGE, 0, NOBODYS, 10);
}

static void put_terminal(int fd, uint32_t flags, uint32_t reserved)
{
	struct rf_frame_terminal terminal = image_terminal;

	terminal.flags = flags;
	terminal.reserved = reserved;
	put_header(fd, RF_FRAME_TERMINAL, 0, TERMINAL, sizeof(terminal));
	(void)send(fd, &terminal, sizeof(terminal), MSG_NOSIGNAL);
}

static void terminals(int fd)
{
	for (uint32_t flags = 0; flags <= RF_TERMINAL_END_OF_FILE; flags++)
		put_terminal(fd, flags, 0);
	put_terminal(fd, RF_TERMINAL_FOREGROUND, 0);
}

/* Nothing that a terminal can be set to harms the node. */
static void odd_mode(int fd)
{
	struct rf_frame_terminal terminal;

	memset(&terminal, 0xff, sizeof(terminal));
	terminal.flags = RF_TERMINAL_FOREGROUND;
	terminal.number = terminal.reserved = 0;
	put_header(fd, RF_FRAME_TERMINAL, 0, TERMINAL, sizeof(terminal));
	(void)send(fd, &terminal, sizeof(terminal), MSG_NOSIGNAL);
}

static void unasked_line(int fd)
{
	put(fd, RF_FRAME_DATA, 0, TERMINAL, RF_TERMINAL_AHEAD_BYTES);
}

static void hang_up_twice(int fd)
{
	put(fd, RF_FRAME_EOF, 0, TERMINAL, 0);
	put(fd, RF_FRAME_NO_READER, 0, TERMINAL, 0);
	put(fd, RF_FRAME_EOF, 0, TERMINAL, 0);
	put_terminal(fd, RF_TERMINAL_FOREGROUND | RF_TERMINAL_READY, 0);
	put(fd, RF_FRAME_DATA, 0, TERMINAL, 10);
	put_word(fd, RF_FRAME_WINDOW, TERMINAL, 1000);
}

static void message_of_somebody(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, SERVER, RF_MESSAGE_PEER_BYTES);
}

/* -- what is not ------------------------------------------------------------------------------ */

static void beyond_the_credit(int fd)
{
	put(fd, RF_FRAME_DATA, 0, IN, RF_CHANNEL_AHEAD_BYTES);
	put(fd, RF_FRAME_DATA, 0, IN, 1);
}

static void beyond_the_credit_of_output(int fd)
{
	put(fd, RF_FRAME_DATA, 0, OUT, RF_CHANNEL_AHEAD_BYTES);
	put(fd, RF_FRAME_DATA, 0, OUT, 1);
}

static void data_after_eof(int fd)
{
	put(fd, RF_FRAME_EOF, 0, IN, 0);
	put(fd, RF_FRAME_DATA, 0, IN, 1);
}

static void two_messages(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, MESSAGES, 1);
	put(fd, RF_FRAME_MESSAGE, 0, MESSAGES, 1);
}

static void message_as_data(int fd)
{
	put(fd, RF_FRAME_DATA, 0, MESSAGES, 1);
}

static void data_as_message(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, IN, 1);
}

static void message_of_nobody(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, SERVER, RF_MESSAGE_PEER_BYTES - 1);
}

static void two_offers(int fd)
{
	put_offer(fd, LISTENER, 100);
	put_offer(fd, LISTENER, 101);
}

static void offer_at_a_stream(int fd)
{
	put_offer(fd, MESSAGES, 100);
}

static void offer_of_channel_0(int fd)
{
	put_offer(fd, LISTENER, 0);
}

static void offer_beyond_the_last(int fd)
{
	put_offer(fd, LISTENER, RF_CHANNELS_MAX + 1);
}

static void closed_stream(int fd)
{
	put(fd, RF_FRAME_CLOSED, 0, MESSAGES, 0);
}

static void closed_listener(int fd)
{
	put(fd, RF_FRAME_CLOSED, 0, LISTENER, 0);
}

static void data_to_a_listener(int fd)
{
	put(fd, RF_FRAME_DATA, 0, LISTENER, 1);
}

static void short_piece(int fd)
{
	put(fd, RF_FRAME_MESSAGE, RF_MESSAGE_MORE, MESSAGES, RF_FRAME_MAX_BYTES - 1);
}

static void endless_message(int fd)
{
	for (size_t bytes = 0; bytes <= RF_MESSAGE_MAX_BYTES; bytes += sizeof(block))
		put(fd, RF_FRAME_MESSAGE, RF_MESSAGE_MORE, MESSAGES, sizeof(block));
}

static void line_beyond_the_credit(int fd)
{
	put(fd, RF_FRAME_DATA, 0, TERMINAL, RF_TERMINAL_AHEAD_BYTES);
	put(fd, RF_FRAME_DATA, 0, TERMINAL, 1);
}

static void end_behind_a_line(int fd)
{
	put(fd, RF_FRAME_DATA, 0, TERMINAL, 1);
	put_terminal(fd, RF_TERMINAL_FOREGROUND | RF_TERMINAL_END_OF_FILE, 0);
}

static void two_ends(int fd)
{
	put_terminal(fd, RF_TERMINAL_FOREGROUND | RF_TERMINAL_END_OF_FILE, 0);
	put_terminal(fd, RF_TERMINAL_FOREGROUND | RF_TERMINAL_END_OF_FILE, 0);
}

static void long_line(int fd)
{
	put(fd, RF_FRAME_DATA, 0, TERMINAL, RF_TERMINAL_AHEAD_BYTES + 1);
}

static void message_for_terminal(int fd)
{
	put(fd, RF_FRAME_MESSAGE, 0, TERMINAL, 10);
}

static void go_to_one_that_runs(int fd)
{
	put(fd, RF_FRAME_GO, 0, 0, 0);
}

static void terminal_with_a_flag(int fd)
{
	put_terminal(fd, RF_TERMINAL_KNOWN_FLAGS + 1, 0);
}

static void terminal_of_reserved(int fd)
{
	put_terminal(fd, RF_TERMINAL_FOREGROUND, 1);
}

static void window_of_a_terminal(int fd)
{
	put_word(fd, RF_FRAME_WINDOW, TERMINAL, 0x7fffffff);
}

static void window_overflow(int fd)
{
	put_word(fd, RF_FRAME_WINDOW, OUT, 0x7fffffff);
}

static void window_overflow_in_steps(int fd)
{
	for (int i = 0; i < 4; i++)
		put_word(fd, RF_FRAME_WINDOW, ERR, 0x20000000);
}

static void window_of_all_ones(int fd)
{
	put_word(fd, RF_FRAME_WINDOW, OUT, UINT32_MAX);
}

static void limit_unasked(int fd)
{
	put_word(fd, RF_FRAME_AHEAD, IN, RF_CHANNEL_AHEAD_MAX_BYTES);
}

static void limit_of_0_unasked(int fd)
{
	put_word(fd, RF_FRAME_AHEAD, OUT, 0);
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

/* A header that lies, or a frame that stops in its midst. */
static void close_in_header(int fd)
{
	CHECK_EQUAL(send(fd, block, 3, MSG_NOSIGNAL), 3);
	CHECK_CALL(shutdown(fd, SHUT_WR));
}

/* The silence is long enough if the node asks whether we are there. */
static void close_in_frame(int fd)
{
	static unsigned char payload[RF_FRAME_MAX_BYTES];
	struct rf_frame_header header;

	put_header(fd, RF_FRAME_DATA, 0, IN, 100);
	CHECK_EQUAL(send(fd, block, 10, MSG_NOSIGNAL), 10);
	CHECK_EQUAL(rf_frame_receive(fd, &header, payload, sizeof(payload),
				     rf_io_deadline_ns(TEST_DEADLINE_MS)),
		    0);
	CHECK_EQUAL(header.type, RF_FRAME_PING);
	CHECK_CALL(shutdown(fd, SHUT_RDWR));
}

/* -- cases ------------------------------------------------------------------------------------ */

struct a_case {
	const char *what;
	void (*act)(int fd);
	const char *sentence; /* NULL: the child goes on */
};

/* Single frames that no ghost may send. */
static const struct bad_frame {
	const char *what;
	unsigned type, flags, channel;
	uint32_t bytes;
} bad_frames[] = {
	{ "type 0", 0, 0, 0, 0 },
	{ "TERMINAL on channel 0", RF_FRAME_TERMINAL, 0, 0, 64 },
	{ "TERMINAL on another channel", RF_FRAME_TERMINAL, 0, MESSAGES, 64 },
	{ "TERMINAL with a frame's flag", RF_FRAME_TERMINAL, 1, TERMINAL, 64 },
	{ "TERMINAL of 60", RF_FRAME_TERMINAL, 0, TERMINAL, 60 },
	{ "TERMINAL of 0", RF_FRAME_TERMINAL, 0, TERMINAL, 0 },
	{ "MODE", RF_FRAME_MODE, 0, TERMINAL, 52 },
	{ "ASK", RF_FRAME_ASK, 0, TERMINAL, 4 },
	{ "TAKE", RF_FRAME_TAKE, 0, TERMINAL, 0 },
	{ "type 31", 31, 0, 0, 4 },
	{ "type 255", 255, 0, 0, 0 },
	{ "HELLO", RF_FRAME_HELLO, 0, 0, sizeof(struct rf_frame_hello) },
	{ "REFUSED", RF_FRAME_REFUSED, 0, 0, 20 },
	{ "RUNNING", RF_FRAME_RUNNING, 0, 0, 8 },
	{ "GO on a channel", RF_FRAME_GO, 0, MESSAGES, 0 },
	{ "EXITED", RF_FRAME_EXITED, 0, 0, 4 },
	{ "STOPPED", RF_FRAME_STOPPED, 0, 0, 4 },
	{ "CONTINUED", RF_FRAME_CONTINUED, 0, 0, 0 },
	{ "PING", RF_FRAME_PING, 0, 0, 0 },
	{ "CONSUMED", RF_FRAME_CONSUMED, 0, IN, 4 },
	{ "DETACHED", RF_FRAME_DETACHED, 0, 0, 0 },
	{ "DETACH with a flag", RF_FRAME_DETACH, 1, 0, 0 },
	{ "DETACH with a channel", RF_FRAME_DETACH, 0, 3, 0 },
	{ "DETACH of 4", RF_FRAME_DETACH, 0, 0, 4 },
	{ "CONNECTION of 0", RF_FRAME_CONNECTION, 0, LISTENER, 0 },
	{ "CONNECTION with a flag", RF_FRAME_CONNECTION, 1, LISTENER, 4 },
	{ "CLOSED of 4", RF_FRAME_CLOSED, 0, LISTENER, 4 },
	{ "MESSAGE with a flag", RF_FRAME_MESSAGE, 2, MESSAGES, 5 },
	{ "DATA with a flag", RF_FRAME_DATA, 2, IN, 5 },
	{ "EOF with SHUTDOWN", RF_FRAME_EOF, RF_EOF_SHUTDOWN, IN, 0 },
	{ "PONG with flags", RF_FRAME_PONG, 255, 0, 0 },
	{ "a flag on an unknown channel", RF_FRAME_DATA, 1, NOBODYS, 5 },
	{ "empty DATA", RF_FRAME_DATA, 0, IN, 0 },
	{ "empty DATA on an unknown channel", RF_FRAME_DATA, 0, NOBODYS, 0 },
	{ "WINDOW of 3", RF_FRAME_WINDOW, 0, OUT, 3 },
	{ "WINDOW of 8", RF_FRAME_WINDOW, 0, OUT, 8 },
	{ "AHEAD of 3", RF_FRAME_AHEAD, 0, IN, 3 },
	{ "AHEAD with a flag", RF_FRAME_AHEAD, 1, IN, 4 },
	{ "SIGNAL of 15", RF_FRAME_SIGNAL, 0, 0, 15 },
	{ "SIGNAL of 65536", RF_FRAME_SIGNAL, 0, 0, 65536 },
	{ "SIGNAL with a channel", RF_FRAME_SIGNAL, 0, 3, 16 },
	{ "EOF of 1", RF_FRAME_EOF, 0, IN, 1 },
	{ "NO_READER of 4", RF_FRAME_NO_READER, 0, OUT, 4 },
	{ "PONG of 1", RF_FRAME_PONG, 0, 0, 1 },
	{ "PONG with a channel", RF_FRAME_PONG, 0, 1, 0 },
};

static const struct a_case cases[] = {
	{ "nothing", nothing, NULL },
	{ "unknown channels", unknown_channels, NULL },
	{ "other directions", other_directions, NULL },
	{ "EOF twice", eof_twice, NULL },
	{ "NO_READER twice", no_reader_twice, NULL },
	{ "the whole credit", whole_credit, NULL },
	{ "PONG unasked", unasked_pong, NULL },
	{ "messages", messages, NULL },
	{ "states of a terminal", terminals, NULL },
	{ "an odd mode", odd_mode, NULL },
	{ "a line unasked", unasked_line, NULL },
	{ "a terminal hung up", hang_up_twice, NULL },
	{ "a message of a correspondent", message_of_somebody, NULL },
	{ "an offered connection", offered_connection, NULL },
	{ "a connection without a number", connection_without_a_number, NULL },
	{ "DATA beyond the credit", beyond_the_credit, RULES },
	{ "a line beyond the credit", line_beyond_the_credit, RULES },
	{ "a line that is too long", long_line, RULES },
	{ "an end of file behind an unread line", end_behind_a_line, RULES },
	{ "two ends of file at once", two_ends, RULES },
	{ "a message for a terminal", message_for_terminal, RULES },
	{ "TERMINAL with an unknown flag", terminal_with_a_flag, RULES },
	{ "GO to one that runs", go_to_one_that_runs, RULES },
	{ "TERMINAL with a reserved field", terminal_of_reserved, RULES },
	{ "WINDOW overflow of a terminal", window_of_a_terminal, RULES },
	{ "two messages at once", two_messages, RULES },
	{ "a message as DATA", message_as_data, RULES },
	{ "bytes as a MESSAGE", data_as_message, RULES },
	{ "a short piece", short_piece, RULES },
	{ "a message without a correspondent", message_of_nobody, RULES },
	{ "two offers", two_offers, RULES },
	{ "an offer at a stream", offer_at_a_stream, RULES },
	{ "an offer of channel 0", offer_of_channel_0, RULES },
	{ "an offer beyond the last channel", offer_beyond_the_last, RULES },
	{ "CLOSED of a stream", closed_stream, RULES },
	{ "CLOSED of a listener", closed_listener, RULES },
	{ "DATA to a listener", data_to_a_listener, RULES },
	{ "an endless message", endless_message, RULES },
	{ "DATA beyond the credit of an output", beyond_the_credit_of_output, RULES },
	{ "DATA after EOF", data_after_eof, RULES },
	{ "WINDOW overflow", window_overflow, RULES },
	{ "WINDOW overflow in steps", window_overflow_in_steps, RULES },
	{ "WINDOW of all ones", window_of_all_ones, RULES },
	{ "AHEAD unasked", limit_unasked, RULES },
	{ "AHEAD of 0 unasked", limit_of_0_unasked, RULES },
	{ "SIGNAL 0", signal_0, RULES },
	{ "SIGNAL 65", signal_65, RULES },
	{ "SIGNAL of all ones", signal_all_ones, RULES },
	{ "SIGNAL SIGKILL", signal_kill, RULES },
	{ "SIGNAL SIGSTOP", signal_stop, RULES },
	{ "half a header", close_in_header, LOST },
	{ "half a frame", close_in_frame, LOST },
};

static void log_to_memory(const struct node *starting)
{
	(void)starting;
	CHECK_CALL(dup2(log_fd, 2));
}

/* What the server has written since `from`. */
static const char *read_log(size_t from)
{
	static char text[LOG_BYTES];
	ssize_t count = CHECK_CALL(pread(log_fd, text, sizeof(text) - 1, (off_t)from));

	text[count] = '\0';
	return text;
}

static size_t log_bytes(void)
{
	return (size_t)CHECK_CALL(lseek(log_fd, 0, SEEK_END));
}

static void expect_one_sentence(const char *what, const char *sentence, size_t from)
{
	const char *text = read_log(from), *ending = strstr(text, ENDING);

	dprintf(2, "%s: %s", what, text);
	if (!ending || strstr(ending + 1, ENDING) || !strstr(text, sentence))
		test_fail(__FILE__, __LINE__, "%s: the log does not say once \"%s\"", what,
			  sentence);
}

/* The node closes without a word of the child. */
static void expect_close(int fd)
{
	static unsigned char payload[RF_FRAME_MAX_BYTES];
	struct rf_frame_header header;

	while (get(fd, payload, &header))
		CHECK(header.type != RF_FRAME_EXITED);
}

static void check(const char *what, void (*act)(int), const struct bad_frame *bad,
		  const char *sentence)
{
	int fd = image_run(&image, &node);
	pid_t child = read_pid(fd), runaway[2];
	size_t from = log_bytes();

	CHECK_EQUAL(node_descendants(child, runaway, 2), 1);
	if (act)
		act(fd);
	else
		put(fd, bad->type, bad->flags, bad->channel, bad->bytes);
	if (!sentence) {
		expect_alive(fd);
		CHECK(!strstr(read_log(from), ENDING));
		CHECK_CALL(shutdown(fd, SHUT_RDWR));
		sentence = LOST;
	}
	expect_close(fd);
	CHECK(test_has_ended(child, TEST_DEADLINE_MS));
	CHECK(test_has_ended(runaway[0], TEST_DEADLINE_MS));
	close(fd);
	expect_one_sentence(what, sentence, from);
}

static void too_long_piece(int fd)
{
	put_header(fd, RF_FRAME_MESSAGE, 0, MESSAGES, RF_FRAME_MAX_BYTES + 1);
}

/* A length beyond the limit has no payload that could be sent. */
static void too_long(int fd)
{
	put_header(fd, RF_FRAME_DATA, 0, IN, RF_FRAME_MAX_BYTES + 1);
}

static void endless(int fd)
{
	put_header(fd, RF_FRAME_DATA, 0, NOBODYS, UINT32_MAX);
}

static void check_all(int to_bystander, int from_bystander, struct node_load load)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(cases[i].what, cases[i].act, NULL, cases[i].sentence);
		stream_tell(to_bystander);
		stream_hear(from_bystander);
	}
	for (size_t i = 0; i < sizeof(bad_frames) / sizeof(bad_frames[0]); i++)
		check(bad_frames[i].what, NULL, &bad_frames[i], MALFORMED);
	check("DATA of 65537", too_long, NULL, MALFORMED);
	check("DATA of 4 GiB", endless, NULL, MALFORMED);
	check("MESSAGE of 65537", too_long_piece, NULL, MALFORMED);
	node_expect_load(&node, load);
	node_expect_service(&node);
	stream_tell(to_bystander);
	stream_hear(from_bystander);
}

/* -- the handshake ---------------------------------------------------------------------------- */

static void expect_no_welcome(const struct rf_machine_facts *request, const char *sentence)
{
	struct rf_report report = { 0 };

	CHECK_EQUAL(image_connect(&node, request, &report), -1);
	CHECK_EQUAL(report.error, EBADMSG);
	if (!strstr(report.sentence, sentence))
		test_fail(__FILE__, __LINE__, "%s, not: %s", report.sentence, sentence);
}

static void check_handshakes(void)
{
	struct rf_frame_terminal terminal = image_terminal;
	struct rf_machine_facts request = image.request;

	request.flags = 1u << 31;
	expect_no_welcome(&request, "unknown flags");
	request.flags = RF_FACTS_TERMINAL;
	image_terminal.flags = RF_TERMINAL_READY;
	expect_no_welcome(&request, "a malformed terminal");
	image_terminal = terminal;
	image_terminal.number = 1;
	expect_no_welcome(&request, "a malformed terminal");
	image_terminal = terminal;
	image_terminal.reserved = 1;
	expect_no_welcome(&request, "a malformed terminal");
	image_terminal = terminal;
}

/* Streams for all of its standard descriptors, whatever those of the test are. */
static void record(void)
{
	int pair[2], input[2], server, reader, error_output;
	struct listening listening;

	/* first, so that their channels are the first, too */
	CHECK_CALL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	CHECK(listening_start(&listening, LISTENING_UNIX));
	server = CHECK_CALL(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	reader = test_pipe_output();
	error_output = CHECK_CALL(fcntl(2, F_DUPFD_CLOEXEC, 3));
	CHECK_CALL(pipe2(input, O_CLOEXEC));
	stream_set_input(input[0]);
	CHECK_CALL(dup2(log_fd, 2));
	image_record_child(&image, &node, be_the_child);
	image.request.flags = RF_FACTS_TERMINAL; /* for there is one channel more to be abused */
	CHECK_CALL(dup2(error_output, 2));
	close(error_output);
	stream_release_input();
	test_release_output();
	close(input[1]);
	close(reader);
	close(pair[0]);
	close(pair[1]);
	close(listening.fd);
	close(server);
}

int main(void)
{
	int to[2], from[2];
	struct node_load load;
	pid_t bystander;
	sigset_t user;

	test_begin();
	log_fd = CHECK_CALL(memfd_create("log", MFD_CLOEXEC));
	CHECK_CALL(fcntl(log_fd, F_SETFL, O_APPEND));
	node_before_server = log_to_memory;
	node_start(&node, NULL);
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, NULL));
	record();
	CHECK_CALL(pipe(to));
	CHECK_CALL(pipe(from));
	bystander = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!bystander)
		be_the_bystander(to[0], from[1]);
	load = node_settle(&node);
	check_all(to[1], from[0], load);
	check_handshakes();
	CHECK_CALL(kill(bystander, SIGTERM));
	test_expect_signal(bystander, SIGTERM);
	image_free(&image);
	node_stop(&node);
	return test_end();
}
