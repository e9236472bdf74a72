/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/frame.c and of the whole reads and writes of rfork/io.c below
 * it, over a socket pair whose other end plays the peer.
 */
#define _GNU_SOURCE
#include "rfork/frame.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/io.h"

static int ends[2];
static struct rf_report report;

static void set_up(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	memset(&report, 0, sizeof(report));
}

static void tear_down(void)
{
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
}

static int expect_running(struct rf_frame_running *running, int timeout_ms)
{
	return rf_frame_expect(ends[0], RF_FRAME_RUNNING, running, sizeof(*running),
			       rf_io_deadline_ns(timeout_ms), "node7", &report);
}

START_TEST(frame_arrives_as_it_was_sent)
{
	struct rf_frame_running sent = { .pid = 4711 }, received = { 0 };

	ck_assert_int_eq(rf_frame_send(ends[1], RF_FRAME_RUNNING, 0, 0, &sent, sizeof(sent),
				       RF_NO_DEADLINE),
			 0);
	ck_assert_int_eq(expect_running(&received, -1), 0);
	ck_assert_mem_eq(&sent, &received, sizeof(sent));
}
END_TEST

START_TEST(header_has_the_layout_of_the_protocol)
{
	static const unsigned char expected[] = { 9, 1, 2, 0, 3, 0, 0, 0, 'a', 'b', 'c' };
	unsigned char bytes[sizeof(expected)];

	ck_assert_int_eq(rf_frame_send(ends[1], RF_FRAME_DATA, 1, 2, "abc", 3, RF_NO_DEADLINE), 0);
	ck_assert_int_eq(rf_io_read_full(ends[0], bytes, sizeof(bytes), RF_NO_DEADLINE), 0);
	ck_assert_mem_eq(bytes, expected, sizeof(expected));
}
END_TEST

START_TEST(payload_longer_than_the_limit_is_not_sent)
{
	static char payload[RF_FRAME_MAX_BYTES + 1];

	ck_assert_int_lt(rf_frame_send(ends[1], RF_FRAME_DATA, 0, 1, payload, sizeof(payload),
				       RF_NO_DEADLINE),
			 0);
}
END_TEST

START_TEST(length_beyond_the_buffer_is_malformed)
{
	struct rf_frame_header header = { .type = RF_FRAME_DATA, .length_bytes = 5 };
	char payload[4];

	ck_assert_int_eq(write(ends[1], &header, sizeof(header)), sizeof(header));
	ck_assert_int_eq(rf_frame_receive(ends[0], &header, payload, sizeof(payload),
					  RF_NO_DEADLINE),
			 -EBADMSG);
}
END_TEST

START_TEST(another_type_length_or_flag_is_malformed)
{
	static const struct rf_frame_header headers[] = {
		{ .type = RF_FRAME_EXITED, .length_bytes = 8 },
		{ .type = RF_FRAME_RUNNING, .length_bytes = 4 },
		{ .type = RF_FRAME_RUNNING, .length_bytes = UINT32_MAX },
		{ .type = RF_FRAME_RUNNING, .length_bytes = 8, .flags = 1 },
		{ .type = RF_FRAME_RUNNING, .length_bytes = 8, .channel = 1 },
		{ .type = 99, .length_bytes = 8 },
	};
	struct rf_frame_running running;

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		memset(&report, 0, sizeof(report));
		ck_assert_int_eq(write(ends[1], &headers[i], sizeof(headers[i])),
				 sizeof(headers[i]));
		ck_assert_msg(expect_running(&running, -1) == -EBADMSG, "header %zu", i);
		ck_assert_ptr_nonnull(strstr(report.sentence, "node7"));
	}
}
END_TEST

START_TEST(refusal_becomes_the_report)
{
	struct rf_report refusal = { .error = ENOEXEC, .sentence = "the CPU lacks avx512f" };
	struct rf_frame_running running;

	ck_assert_int_eq(rf_frame_refuse(ends[1], &refusal, 0, RF_NO_DEADLINE), 0);
	ck_assert_int_eq(expect_running(&running, -1), -ENOEXEC);
	ck_assert_int_eq(report.error, ENOEXEC);
	ck_assert_str_eq(report.sentence, "the CPU lacks avx512f");
}
END_TEST

START_TEST(refusal_cannot_write_to_the_terminal)
{
	struct rf_report refusal = { .error = EAGAIN, .sentence = "full\033]0;title\a" };
	struct rf_frame_running running;

	ck_assert_int_eq(rf_frame_refuse(ends[1], &refusal, 0, RF_NO_DEADLINE), 0);
	ck_assert_int_eq(expect_running(&running, -1), -EAGAIN);
	ck_assert_str_eq(report.sentence, "full?]0;title?");
}
END_TEST

START_TEST(refusal_with_an_impossible_error_is_corrupt)
{
	static const int32_t errors[] = { 0, -1, INT32_MIN, 4096 };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		char payload[8];

		memset(&report, 0, sizeof(report));
		memcpy(payload, &errors[i], 4);
		memcpy(payload + 4, "text", 4);
		ck_assert_int_eq(rf_frame_refused(payload, sizeof(payload), &report), -EBADMSG);
	}
	ck_assert_int_eq(rf_frame_refused("\1\0\0\0", 4, &report), -EBADMSG);
}
END_TEST

START_TEST(silence_ends_at_the_deadline)
{
	struct rf_frame_running running;

	ck_assert_int_eq(expect_running(&running, 20), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(report.sentence, "node7"));
}
END_TEST

START_TEST(end_of_file_within_a_frame_is_a_lost_connection)
{
	struct rf_frame_running running;

	ck_assert_int_eq(write(ends[1], "\x08\0\0", 3), 3);
	close(ends[1]);
	ends[1] = -1;
	ck_assert_int_eq(expect_running(&running, -1), -ECONNRESET);
}
END_TEST

START_TEST(writing_to_a_closed_peer_raises_no_signal)
{
	int error;

	close(ends[1]);
	ends[1] = -1;
	error = rf_frame_send(ends[0], RF_FRAME_EOF, 0, 1, NULL, 0, RF_NO_DEADLINE);
	ck_assert(error == -EPIPE || error == -ECONNRESET);
}
END_TEST

static void *read_slowly(void *result)
{
	static char received[1 << 20];

	for (size_t at = 0; at < sizeof(received); at += 1000) {
		size_t bytes = sizeof(received) - at < 1000 ? sizeof(received) - at : 1000;

		if (rf_io_read_full(ends[0], received + at, bytes, RF_NO_DEADLINE) < 0)
			return NULL;
	}
	*(char **)result = received;
	return NULL;
}

START_TEST(large_writes_arrive_whole)
{
	static char sent[1 << 20];
	struct iovec iov[] = { { sent, 1 }, { sent + 1, 0 }, { sent + 1, sizeof(sent) - 1 } };
	char *received = NULL;
	pthread_t reader;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7 + i / 251);
	ck_assert_int_eq(pthread_create(&reader, NULL, read_slowly, &received), 0);
	ck_assert_int_eq(rf_io_writev_full(ends[1], iov, 3, rf_io_deadline_ns(30000)), 0);
	pthread_join(reader, NULL);
	ck_assert_ptr_nonnull(received);
	ck_assert(memcmp(sent, received, sizeof(sent)) == 0);
}
END_TEST

START_TEST(writing_to_a_full_peer_ends_at_the_deadline)
{
	static char payload[RF_FRAME_MAX_BYTES];
	int error = 0;

	for (int i = 0; i < 1000 && error == 0; i++)
		error = rf_frame_send(ends[0], RF_FRAME_DATA, 0, 1, payload, sizeof(payload),
				      rf_io_deadline_ns(20));
	ck_assert_int_eq(error, -ETIMEDOUT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frame");
	TCase *tcase = tcase_create("frame");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, frame_arrives_as_it_was_sent);
	tcase_add_test(tcase, header_has_the_layout_of_the_protocol);
	tcase_add_test(tcase, payload_longer_than_the_limit_is_not_sent);
	tcase_add_test(tcase, length_beyond_the_buffer_is_malformed);
	tcase_add_test(tcase, another_type_length_or_flag_is_malformed);
	tcase_add_test(tcase, refusal_becomes_the_report);
	tcase_add_test(tcase, refusal_cannot_write_to_the_terminal);
	tcase_add_test(tcase, refusal_with_an_impossible_error_is_corrupt);
	tcase_add_test(tcase, silence_ends_at_the_deadline);
	tcase_add_test(tcase, end_of_file_within_a_frame_is_a_lost_connection);
	tcase_add_test(tcase, writing_to_a_closed_peer_raises_no_signal);
	tcase_add_test(tcase, large_writes_arrive_whole);
	tcase_add_test(tcase, writing_to_a_full_peer_ends_at_the_deadline);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
