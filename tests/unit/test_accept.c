/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/ghost_accept.c: a connection is offered without being taken, and taking one never
 * waits, though the listening socket itself does.
 */
#define _GNU_SOURCE
#include "rfork/ghost_accept.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "rfork/ghost_signals.h"

#define LISTENER 3

static struct rf_channel channels[RF_CHANNELS_MAX];
static struct rf_relay relay;
static int node; /* the other end of the connection */
static int listener;
static struct sockaddr_un address;
static socklen_t address_bytes;

static void set_up(void)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	node = ends[1];
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sun_family = AF_UNIX;
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	address_bytes = sizeof(address);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &address_bytes), 0);
	relay.link.connection = ends[0];
	relay.channels = channels;
	relay.channel_count = relay.accepted_from = LISTENER + 1;
	relay.tools.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < LISTENER; i++)
		channels[i].fd = -1;
	channels[LISTENER] = (struct rf_channel){ .fd = dup(listener),
						  .stream = RF_STREAM_LISTENER | RF_STREAM_READ };
	rf_channel_open(&channels[LISTENER], &relay.tools, LISTENER);
}

static int connect_to_it(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, address_bytes), 0);
	return fd;
}

static void expect_frame(unsigned type, unsigned channel)
{
	struct rf_frame_header header;
	uint32_t word;

	ck_assert_int_eq(recv(node, &header, sizeof(header), MSG_DONTWAIT), sizeof(header));
	ck_assert_uint_eq(header.type, type);
	ck_assert_uint_eq(header.channel, channel);
	if (!header.length_bytes)
		return;
	ck_assert_int_eq(recv(node, &word, sizeof(word), MSG_DONTWAIT), header.length_bytes);
	ck_assert_uint_eq(word, LISTENER + 1);
}

static void expect_no_frame(void)
{
	char byte;

	ck_assert_int_eq(recv(node, &byte, 1, MSG_DONTWAIT), -1);
}

START_TEST(empty_socket_is_not_waited_for)
{
	sigset_t before, after, pending;

	sigfillset(&before);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(rf_accept_now(listener), -EAGAIN);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, NULL, &after), 0);
	ck_assert_int_eq(sigismember(&after, SIGUSR1), 1);
	ck_assert_int_eq(sigpending(&pending), 0);
	ck_assert_int_eq(sigismember(&pending, RF_GHOST_GUARD_SIGNAL), 0);
	ck_assert_int_eq(fcntl(listener, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(connection_is_taken_at_once)
{
	int client = connect_to_it();
	int fd = rf_accept_now(listener);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(write(client, "x", 1), 1);
	ck_assert_int_eq(rf_accept_now(listener), -EAGAIN);
}
END_TEST

START_TEST(connection_is_offered_once_and_left)
{
	rf_accept_offer(&relay, LISTENER);
	expect_no_frame();
	connect_to_it();
	rf_accept_offer(&relay, LISTENER);
	rf_accept_offer(&relay, LISTENER);
	expect_frame(RF_FRAME_CONNECTION, LISTENER);
	expect_no_frame();
	ck_assert_int_ge(rf_accept_now(listener), 0); /* others may have it */
}
END_TEST

START_TEST(accepted_connection_becomes_a_channel)
{
	int client = connect_to_it();

	rf_accept_offer(&relay, LISTENER);
	expect_frame(RF_FRAME_CONNECTION, LISTENER);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, LISTENER), -EBADMSG);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, 0), -EBADMSG);
	ck_assert_int_eq(rf_accept_take(&relay, 0, 10), -EBADMSG);
	ck_assert_int_eq(rf_accept_take(&relay, 900, 10), -EBADMSG);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, RF_CHANNELS_MAX), -EBADMSG);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, UINT32_MAX), -EBADMSG);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, 10), 0);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, 11), -EBADMSG); /* not offered */
	ck_assert_uint_eq(relay.channel_count, 11);
	ck_assert_int_eq(rf_channel_put(&channels[10], (const unsigned char *)"x", 1), 0);
	ck_assert_int_eq(recv(client, &(char){ 0 }, 1, MSG_DONTWAIT), 1);
	rf_accept_tell_closed(&relay);
	expect_no_frame();
	rf_channel_end_output(&channels[10], false);
	rf_channel_stop_input(&channels[10]);
	ck_assert(!rf_accept_is_over(&relay, 10));
	rf_accept_tell_closed(&relay);
	expect_frame(RF_FRAME_CLOSED, 10);
	rf_accept_tell_closed(&relay);
	expect_no_frame();
	ck_assert_uint_eq(relay.channel_count, LISTENER + 1);
	ck_assert(channels[LISTENER].may_look);
}
END_TEST

START_TEST(number_in_use_is_refused)
{
	connect_to_it();
	connect_to_it();
	rf_accept_offer(&relay, LISTENER);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, 10), 0);
	rf_accept_offer(&relay, LISTENER);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, 10), -EBADMSG);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, 9), 0);
}
END_TEST

START_TEST(connection_taken_by_another_is_closed)
{
	connect_to_it();
	rf_accept_offer(&relay, LISTENER);
	expect_frame(RF_FRAME_CONNECTION, LISTENER);
	ck_assert_int_ge(rf_accept_now(listener), 0);
	ck_assert_int_eq(rf_accept_take(&relay, LISTENER, 10), 0);
	rf_accept_tell_closed(&relay);
	expect_frame(RF_FRAME_CLOSED, 10);
	connect_to_it();
	rf_accept_offer(&relay, LISTENER);
	expect_frame(RF_FRAME_CONNECTION, LISTENER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("accept");
	TCase *tcase = tcase_create("accept");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, empty_socket_is_not_waited_for);
	tcase_add_test(tcase, connection_is_taken_at_once);
	tcase_add_test(tcase, connection_is_offered_once_and_left);
	tcase_add_test(tcase, accepted_connection_becomes_a_channel);
	tcase_add_test(tcase, number_in_use_is_refused);
	tcase_add_test(tcase, connection_taken_by_another_is_closed);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
