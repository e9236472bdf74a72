/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/ghost_channel.c: an original is looked at without being taken, gives up only
 * what was consumed, and is written to without ever waiting.
 */
#define _GNU_SOURCE
#include "rfork/ghost_channel.h"
#include "rfork/ghost_message.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How an original that can be read and written at its other end is made. */
enum original { PIPE, FIFO, SOCKET, ORIGINALS };

static struct rf_channel_tools tools;
static struct rf_channel channel;
static int other;  /* the caller's side of the original */
static int shared; /* another descriptor of what the channel has: others may read from it */

static void make_fifo(int ends[2])
{
	char path[] = "/tmp/rfork-channel.XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(path));
	ck_assert_int_eq(chdir(path), 0);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	ends[0] = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ends[1] = open("fifo", O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(ends[0], 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, 0), 0);
	ck_assert_int_eq(unlink("fifo"), 0);
	ck_assert_int_eq(rmdir(path), 0);
}

static void make_original(enum original original, bool reads)
{
	int ends[2];

	if (original == PIPE)
		ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	else if (original == FIFO)
		make_fifo(ends);
	else
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	channel = (struct rf_channel){ .fd = ends[!reads] };
	channel.stream = original == SOCKET ? RF_STREAM_SOCKET : RF_STREAM_PIPE;
	channel.stream |= reads ? RF_STREAM_READ : RF_STREAM_WRITE;
	other = ends[reads];
	shared = dup(channel.fd);
	ck_assert_int_ge(shared, 0);
	rf_channel_open(&channel, &tools, 7);
}

static void set_up(void)
{
	signal(SIGPIPE, SIG_IGN);
	tools = (struct rf_channel_tools){ .scratch = { -1, -1 }, .null = -1 };
	ck_assert_int_eq(rf_channel_prepare(&tools), 0);
	tools.epoll = epoll_create1(EPOLL_CLOEXEC);
	tools.buffer = malloc(RF_FRAME_MAX_BYTES);
	ck_assert_int_ge(tools.epoll, 0);
	ck_assert_ptr_nonnull(tools.buffer);
}

static void write_text(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* What a look finds is in the buffer afterwards, as far as it fits. */
static long look(void)
{
	bool is_in_scratch = false;
	long seen = rf_channel_look(&channel, &tools, &is_in_scratch);

	for (long left = is_in_scratch ? seen : 0; left > 0;) {
		ssize_t got = read(tools.scratch[0], tools.buffer, RF_FRAME_MAX_BYTES);

		ck_assert_int_gt(got, 0);
		left -= got;
	}
	return seen;
}

static void expect_look(const char *text)
{
	ck_assert_int_eq(look(), (long)strlen(text));
	ck_assert_mem_eq(tools.buffer, text, strlen(text));
}

static int bytes_in(int fd)
{
	int bytes = -1;

	ck_assert_int_eq(ioctl(fd, FIONREAD, &bytes), 0);
	return bytes;
}

static bool has_edge(uint32_t wanted)
{
	struct epoll_event event;

	return epoll_wait(tools.epoll, &event, 1, 0) == 1 && event.data.u64 == 7 &&
	       event.events & wanted;
}

/* -- to the child -------------------------------------------------------------------------- */

START_TEST(looking_takes_nothing)
{
	make_original((enum original)_i, true);
	ck_assert_int_eq(look(), -EAGAIN);
	write_text(other, "one");
	expect_look("one");
	ck_assert_int_eq(look(), -EAGAIN);
	write_text(other, "two");
	expect_look("two"); /* only what is new */
	ck_assert_int_eq(bytes_in(shared), 6);
	ck_assert_uint_eq(channel.ahead, 6);
	ck_assert_int_eq(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(new_bytes_are_an_edge_even_behind_old_ones)
{
	make_original((enum original)_i, true);
	write_text(other, "one");
	ck_assert(has_edge(EPOLLIN));
	expect_look("one");
	ck_assert(!has_edge(EPOLLIN)); /* or an idle ghost would spin */
	write_text(other, "two");
	ck_assert(has_edge(EPOLLIN));
	expect_look("two");
}
END_TEST

START_TEST(consumed_bytes_are_taken)
{
	char rest[8];

	make_original((enum original)_i, true);
	write_text(other, "onetwothree");
	expect_look("onetwothree");
	ck_assert_int_eq(rf_channel_consume(&channel, &tools, 3), 0);
	ck_assert_int_eq(rf_channel_consume(&channel, &tools, 3), 0);
	ck_assert_int_eq(rf_channel_consume(&channel, &tools, 6), -EBADMSG);
	ck_assert_int_eq(read(shared, rest, sizeof(rest)), 5);
	ck_assert_mem_eq(rest, "three", 5);
	/* somebody else was faster: nothing to take, and nothing to wait for */
	ck_assert_int_eq(rf_channel_consume(&channel, &tools, 5), 0);
	write_text(other, "four");
	expect_look("four");
}
END_TEST

START_TEST(only_a_window_is_shown)
{
	static char much[RF_CHANNEL_AHEAD_BYTES + 1000];
	long seen, total = 0;
	ssize_t put;

	make_original((enum original)_i, true);
	ck_assert_int_eq(fcntl(other, F_SETFL, O_NONBLOCK), 0);
	put = write(other, much, sizeof(much));
	ck_assert_int_gt(put, 0);
	while ((seen = look()) > 0)
		total += seen;
	ck_assert_int_eq(seen, -EAGAIN);
	ck_assert_int_eq(total,
			 put < (long)RF_CHANNEL_AHEAD_BYTES ? put : (long)RF_CHANNEL_AHEAD_BYTES);
	ck_assert_int_eq(rf_channel_consume(&channel, &tools, 5000), 0);
	ck_assert_int_eq(bytes_in(shared), put - 5000);
}
END_TEST

START_TEST(end_comes_behind_what_is_ahead)
{
	make_original((enum original)_i, true);
	write_text(other, "last");
	expect_look("last");
	close(other);
	ck_assert(has_edge(EPOLLIN | EPOLLHUP | EPOLLRDHUP));
	ck_assert_int_eq(look(), 0);
	ck_assert_int_eq(look(), -EAGAIN); /* once */
	ck_assert_int_ge(channel.fd, 0);
	ck_assert_int_eq(bytes_in(shared), 4); /* still everybody's */
	ck_assert_int_eq(rf_channel_consume(&channel, &tools, 4), 0);
	ck_assert_int_eq(bytes_in(shared), 0);
	ck_assert_int_eq(channel.fd, -1);
}
END_TEST

START_TEST(empty_original_ends_at_once)
{
	make_original((enum original)_i, true);
	close(other);
	ck_assert_int_eq(look(), 0);
	ck_assert_int_eq(channel.fd, -1);
}
END_TEST

START_TEST(small_pieces_are_shown_too)
{
	size_t total = 0;

	make_original((enum original)_i, true);
	for (int i = 0; i < 100; i++) {
		long seen;

		write_text(other, "piece");
		seen = look();
		total += seen > 0 ? (size_t)seen : 0;
	}
	ck_assert_uint_eq(total, 500);
	ck_assert_uint_eq(channel.ahead, 500);
}
END_TEST

START_TEST(file_keeps_one_offset)
{
	char path[] = "/tmp/rfork-channel.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	write_text(fd, "header body");
	lseek(fd, 7, SEEK_SET);
	channel = (struct rf_channel){ .fd = fd, .stream = RF_STREAM_PIPE | RF_STREAM_READ };
	shared = dup(fd);
	rf_channel_open(&channel, &tools, 7);
	expect_look("body");
	ck_assert_int_eq(lseek(shared, 0, SEEK_CUR), 7);
	ck_assert_int_eq(look(), 0);
	ck_assert_int_eq(rf_channel_consume(&channel, &tools, 2), 0);
	ck_assert_int_eq(lseek(shared, 0, SEEK_CUR), 9);
	ck_assert_int_eq(rf_channel_consume(&channel, &tools, 2), 0);
	ck_assert_int_eq(channel.fd, -1);
}
END_TEST

/* -- from the child ------------------------------------------------------------------------ */

static const unsigned char *fill(unsigned char *memory, size_t bytes, unsigned seed)
{
	for (size_t i = 0; i < bytes; i++)
		memory[i] = (unsigned char)((i + seed) * 2654435761u >> 13);
	return memory;
}

START_TEST(full_original_is_never_waited_for)
{
	static unsigned char sent[RF_CHANNEL_CREDIT_BYTES], got[RF_CHANNEL_CREDIT_BYTES];
	size_t done = 0;

	make_original((enum original)_i, false);
	fill(sent, sizeof(sent), 1);
	for (size_t at = 0; at < sizeof(sent); at += 32768)
		ck_assert_int_eq(rf_channel_put(&channel, sent + at, 32768), 0);
	ck_assert_uint_gt(channel.used, 0); /* more than any original takes at once */
	ck_assert_int_eq(rf_channel_put(&channel, sent, 1), -EBADMSG);
	ck_assert_int_eq(fcntl(other, F_SETFL, O_NONBLOCK), 0);
	while (done < sizeof(got)) {
		ssize_t part = read(other, got + done, 7001);

		if (part > 0)
			done += (size_t)part;
		ck_assert(part > 0 || errno == EAGAIN);
		ck_assert_int_eq(rf_channel_flush(&channel), 0);
	}
	ck_assert_mem_eq(got, sent, sizeof(sent));
	ck_assert_uint_eq(channel.used, 0);
	ck_assert_uint_eq(rf_channel_take_credit(&channel), sizeof(sent));
	ck_assert_uint_eq(rf_channel_take_credit(&channel), 0);
	rf_channel_rest(&channel);
	ck_assert_ptr_null(channel.buffer);
	ck_assert_int_eq(rf_channel_put(&channel, sent, 100), 0);
}
END_TEST

START_TEST(lost_reader_is_told)
{
	static unsigned char sent[1000];

	make_original((enum original)_i, false);
	while (has_edge(EPOLLOUT))
		;
	close(other);
	ck_assert(has_edge(EPOLLERR | EPOLLHUP));
	ck_assert(rf_channel_has_no_reader(&channel, EPOLLERR));
	ck_assert_int_eq(rf_channel_put(&channel, sent, sizeof(sent)), -EPIPE);
	ck_assert_int_eq(channel.fd, -1);
	ck_assert_int_eq(rf_channel_put(&channel, sent, sizeof(sent)), 0); /* it crossed */
}
END_TEST

START_TEST(end_closes_the_original_but_shuts_nothing_down)
{
	char byte;

	make_original((enum original)_i, false);
	ck_assert_int_eq(rf_channel_put(&channel, (const unsigned char *)"x", 1), 0);
	rf_channel_end_output(&channel, false);
	ck_assert_int_eq(channel.fd, -1);
	write_text(shared, "y"); /* the caller's copy goes on */
	ck_assert_int_eq(read(other, &byte, 1), 1);
	ck_assert_int_eq(read(other, &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	close(shared);
	ck_assert_int_eq(read(other, &byte, 1), 0);
}
END_TEST

START_TEST(shutdown_is_the_originals_too)
{
	char byte;

	make_original(SOCKET, false);
	channel.reads = true;
	rf_channel_end_output(&channel, true);
	ck_assert_int_eq(read(other, &byte, 1), 0);
	ck_assert_int_ge(channel.fd, 0); /* the other direction goes on */
	rf_channel_stop_input(&channel);
	ck_assert_int_eq(channel.fd, -1);
}
END_TEST

/* -- messages ------------------------------------------------------------------------------ */

static const uint32_t kept[] = { RF_STREAM_DATAGRAM, RF_STREAM_SEQPACKET };

static void make_messages(unsigned which)
{
	int type = kept[which] == RF_STREAM_DATAGRAM ? SOCK_DGRAM : SOCK_SEQPACKET;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
	channel = (struct rf_channel){ .fd = ends[0] };
	channel.stream = kept[which] | RF_STREAM_READ | RF_STREAM_WRITE;
	other = ends[1];
	shared = dup(channel.fd);
	ck_assert_int_ge(shared, 0);
	rf_channel_open(&channel, &tools, 7);
}

static void send_text(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void expect_shown(const char *text)
{
	struct iovec message;

	ck_assert_int_eq(rf_message_look(&channel, &tools, &message), 1);
	ck_assert_uint_eq(message.iov_len, strlen(text));
	ck_assert_mem_eq(message.iov_base, text, strlen(text));
	rf_message_forget(&tools, &message);
}

static void expect_received(int fd, const char *text)
{
	char got[16];

	ck_assert_int_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), (ssize_t)strlen(text));
	ck_assert_mem_eq(got, text, strlen(text));
}

START_TEST(one_message_is_shown_at_a_time)
{
	struct iovec message;

	make_messages((unsigned)_i);
	ck_assert_int_eq(rf_message_look(&channel, &tools, &message), -EAGAIN);
	send_text(other, "one");
	send_text(other, "");
	send_text(other, "three");
	expect_shown("one");
	ck_assert_int_eq(rf_message_look(&channel, &tools, &message), -EAGAIN);
	ck_assert_int_eq(rf_message_consume(&channel, &tools, 2), -EBADMSG);
	ck_assert_int_eq(rf_message_consume(&channel, &tools, 1), 0);
	ck_assert_int_eq(rf_message_consume(&channel, &tools, 1), -EBADMSG);
	expect_shown("");
	expect_received(shared, ""); /* still everybody's */
	/* and gone now: what is next is not the message that the child has read */
	ck_assert_int_eq(rf_message_consume(&channel, &tools, 1), 0);
	expect_received(shared, "three");
}
END_TEST

START_TEST(long_messages_are_shown_whole)
{
	static unsigned char sent[150000];
	struct iovec message;

	make_messages((unsigned)_i);
	fill(sent, sizeof(sent), 5);
	ck_assert_int_eq(send(other, sent, sizeof(sent), 0), sizeof(sent));
	ck_assert_int_eq(rf_message_look(&channel, &tools, &message), 1);
	ck_assert_uint_eq(message.iov_len, sizeof(sent));
	ck_assert_mem_eq(message.iov_base, sent, sizeof(sent));
	rf_message_forget(&tools, &message);
	ck_assert_int_eq(rf_message_consume(&channel, &tools, 1), 0);
	ck_assert_int_eq(recv(shared, sent, 1, MSG_DONTWAIT), -1);
}
END_TEST

START_TEST(empty_message_is_no_end)
{
	struct iovec message;

	make_messages(1);
	send_text(other, "");
	send_text(other, "last");
	close(other);
	expect_shown("");
	ck_assert_int_eq(rf_message_consume(&channel, &tools, 1), 0);
	expect_shown("last");
	ck_assert_int_eq(rf_message_consume(&channel, &tools, 1), 0);
	ck_assert_int_eq(rf_message_look(&channel, &tools, &message), 0);
	ck_assert(!channel.reads);
}
END_TEST

/* What does not fit waits, message by message, up to the credit, of which also empty ones use some. */
START_TEST(full_original_keeps_messages_apart)
{
	static unsigned char sent[20000], got[20001];
	unsigned count = 0, seen = 0;
	int result;

	make_messages((unsigned)_i);
	while ((result = rf_message_put(&channel, sent, count % 3 ? sizeof(sent) : 0, false)) == 0)
		count++;
	ck_assert_int_eq(result, -EBADMSG);
	ck_assert_uint_gt(channel.used, 0);
	for (; seen < count; seen++) {
		ck_assert_int_eq(recv(other, got, sizeof(got), MSG_DONTWAIT),
				 seen % 3 ? sizeof(sent) : 0);
		ck_assert_int_eq(rf_channel_flush(&channel), 0);
	}
	ck_assert_uint_eq(channel.used, 0);
	ck_assert_uint_gt(rf_channel_take_credit(&channel), 0);
	rf_channel_rest(&channel);
	ck_assert_ptr_null(channel.buffer);
}
END_TEST

START_TEST(pieces_make_one_message)
{
	static unsigned char sent[3 * RF_FRAME_MAX_BYTES], got[sizeof(sent)];
	const uint32_t piece = RF_FRAME_MAX_BYTES;

	make_messages((unsigned)_i);
	fill(sent, sizeof(sent), 3);
	ck_assert_int_eq(rf_message_put(&channel, sent, piece, true), 0);
	rf_channel_rest(&channel); /* between pieces nothing is idle */
	ck_assert_int_eq(rf_message_put(&channel, sent + piece, piece, true), 0);
	ck_assert_int_eq(rf_message_put(&channel, sent + 2 * piece, piece - 1, true), -EBADMSG);
	ck_assert_int_eq(rf_message_put(&channel, sent + 2 * piece, 0, false), 0);
	ck_assert_int_eq(recv(other, got, sizeof(got), MSG_DONTWAIT), 2 * piece);
	ck_assert_mem_eq(got, sent, 2 * piece);
	ck_assert_uint_eq(rf_channel_take_credit(&channel), rf_message_cost(2 * piece));
}
END_TEST

START_TEST(message_without_end_is_refused)
{
	static unsigned char piece[RF_FRAME_MAX_BYTES];
	uint32_t bytes = 0;
	int error = 0;

	make_messages((unsigned)_i);
	for (; error == 0; bytes += sizeof(piece))
		error = rf_message_put(&channel, piece, sizeof(piece), true);
	ck_assert_int_eq(error, -EBADMSG);
	ck_assert_uint_eq(bytes, RF_MESSAGE_MAX_BYTES + sizeof(piece));
}
END_TEST

/* It is dropped, and the next one goes. */
START_TEST(too_long_message_is_told)
{
	static unsigned char piece[RF_FRAME_MAX_BYTES];
	int small = 1;

	make_messages((unsigned)_i);
	ck_assert_int_eq(setsockopt(shared, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	ck_assert_int_eq(rf_message_put(&channel, piece, sizeof(piece), false), 0);
	ck_assert_int_eq(channel.messages.error, -EMSGSIZE);
	ck_assert_uint_eq(channel.owed, rf_message_cost(sizeof(piece)));
	ck_assert_int_eq(rf_message_put(&channel, (const unsigned char *)"x", 1, false), 0);
	expect_received(other, "x");
}
END_TEST

START_TEST(lost_reader_of_messages_is_told)
{
	make_messages((unsigned)_i);
	close(other);
	ck_assert_int_lt(rf_message_put(&channel, (const unsigned char *)"x", 1, false), 0);
	ck_assert(!channel.writes);
	ck_assert_int_eq(rf_message_put(&channel, (const unsigned char *)"x", 1, false), 0);
}
END_TEST

static TCase *message_case(void)
{
	TCase *tcase = tcase_create("messages");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, one_message_is_shown_at_a_time, 0, 2);
	tcase_add_loop_test(tcase, long_messages_are_shown_whole, 0, 2);
	tcase_add_test(tcase, empty_message_is_no_end);
	tcase_add_loop_test(tcase, full_original_keeps_messages_apart, 0, 2);
	tcase_add_loop_test(tcase, pieces_make_one_message, 0, 2);
	tcase_add_loop_test(tcase, message_without_end_is_refused, 0, 2);
	tcase_add_loop_test(tcase, too_long_message_is_told, 0, 2);
	tcase_add_loop_test(tcase, lost_reader_of_messages_is_told, 0, 2);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("channel");
	TCase *tcase = tcase_create("channel");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, looking_takes_nothing, 0, ORIGINALS);
	tcase_add_loop_test(tcase, new_bytes_are_an_edge_even_behind_old_ones, 0, ORIGINALS);
	tcase_add_loop_test(tcase, consumed_bytes_are_taken, 0, ORIGINALS);
	tcase_add_loop_test(tcase, only_a_window_is_shown, 0, ORIGINALS);
	tcase_add_loop_test(tcase, end_comes_behind_what_is_ahead, 0, ORIGINALS);
	tcase_add_loop_test(tcase, empty_original_ends_at_once, 0, ORIGINALS);
	tcase_add_loop_test(tcase, small_pieces_are_shown_too, 0, ORIGINALS);
	tcase_add_test(tcase, file_keeps_one_offset);
	tcase_add_loop_test(tcase, full_original_is_never_waited_for, 0, ORIGINALS);
	tcase_add_loop_test(tcase, lost_reader_is_told, 0, ORIGINALS);
	tcase_add_loop_test(tcase, end_closes_the_original_but_shuts_nothing_down, 0, ORIGINALS);
	tcase_add_test(tcase, shutdown_is_the_originals_too);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, message_case());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
