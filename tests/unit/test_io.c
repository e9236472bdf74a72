/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/io.c: what is read by the megabyte from a connection that stays open arrives
 * whole, however it comes, and the connection is afterwards as it was.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rfork/io.h"

#define PAGE 4096u
#define MOST ((size_t)3 << 20)

static unsigned char sent[MOST], received[MOST];

/* What a peer writes, in such pieces; then it waits, or closes. */
struct peer {
	int fd;
	size_t bytes, piece;
	pthread_t thread;
};

static void *write_pieces(void *argument)
{
	struct peer *peer = argument;

	for (size_t done = 0; done < peer->bytes;) {
		size_t left = peer->bytes - done;
		ssize_t put = write(peer->fd, sent + done, left < peer->piece ? left : peer->piece);

		ck_assert_int_gt(put, 0);
		done += (size_t)put;
	}
	return NULL;
}

static void connect_tcp(int ends[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, bytes), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, bytes), 0);
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(ends[1], 0);
	ck_assert_int_eq(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	close(listener);
}

static void connect_ends(int family, int ends[2])
{
	if (family == AF_INET)
		connect_tcp(ends);
	else
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void start_peer(struct peer *peer)
{
	for (size_t i = 0; i < peer->bytes; i++)
		sent[i] = (unsigned char)(i * 7 + i / 251);
	memset(received, 0, sizeof(received));
	ck_assert_int_eq(pthread_create(&peer->thread, NULL, write_pieces, peer), 0);
}

/* By pages, the last of which may be a part. */
static int read_by_pages(int fd, size_t bytes)
{
	struct iovec iov[MOST / PAGE + 1];
	bool is_trickling = false;
	int count = 0;

	for (size_t at = 0; at < bytes; at += PAGE)
		iov[count++] =
			(struct iovec){ received + at, bytes - at < PAGE ? bytes - at : PAGE };
	return rf_io_readv_full(fd, iov, count, &is_trickling);
}

static void assert_as_before(int fd)
{
	int bytes = 0;
	struct timeval most = { .tv_usec = 1 };
	socklen_t length = sizeof(bytes);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, &length), 0);
	ck_assert_int_eq(bytes, 1);
	length = sizeof(most);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, &length), 0);
	ck_assert(most.tv_sec == 0 && most.tv_usec == 0);
}

static const struct {
	int family;
	size_t bytes, piece;
} streams[] = {
	{ AF_INET, 1, 1 },
	{ AF_INET, 262143, 65536 },
	{ AF_INET, 262144, 100 },
	{ AF_INET, 262145, 4096 },
	{ AF_INET, 1048576, 1048576 },
	{ AF_INET, 1048577, 5000 },
	{ AF_INET, 3u << 20, 70000 },
	{ AF_UNIX, 1048577, 5000 },
};

/* Nothing comes behind the last byte: who waited for more would wait forever.  Small packets fill the
 * receive buffer before much is in it. */
START_TEST(all_is_read_and_no_more_waited_for)
{
	struct peer peer = { .bytes = streams[_i].bytes, .piece = streams[_i].piece };
	int ends[2];

	connect_ends(streams[_i].family, ends);
	peer.fd = ends[0];
	start_peer(&peer);
	ck_assert_int_eq(read_by_pages(ends[1], peer.bytes), 0);
	ck_assert_int_eq(pthread_join(peer.thread, NULL), 0);
	ck_assert_mem_eq(received, sent, peer.bytes);
	assert_as_before(ends[1]);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(early_end_is_told)
{
	struct peer peer = { .bytes = 300000, .piece = 4096 };
	int ends[2];

	connect_ends(AF_INET, ends);
	peer.fd = ends[0];
	start_peer(&peer);
	ck_assert_int_eq(pthread_join(peer.thread, NULL), 0);
	close(ends[0]);
	ck_assert_int_eq(read_by_pages(ends[1], 1048576), -ECONNRESET);
	assert_as_before(ends[1]);
	close(ends[1]);
}
END_TEST

START_TEST(pipes_are_read_as_well)
{
	struct peer peer = { .bytes = 1048577, .piece = 4096 };
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	peer.fd = ends[1];
	start_peer(&peer);
	ck_assert_int_eq(read_by_pages(ends[0], peer.bytes), 0);
	ck_assert_int_eq(pthread_join(peer.thread, NULL), 0);
	ck_assert_mem_eq(received, sent, peer.bytes);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io");
	TCase *tcase = tcase_create("io");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, all_is_read_and_no_more_waited_for, 0,
			    sizeof(streams) / sizeof(streams[0]));
	tcase_add_test(tcase, early_end_is_told);
	tcase_add_test(tcase, pipes_are_read_as_well);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
