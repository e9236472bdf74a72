/* SPDX-License-Identifier: MIT */
/*
 * Claim: a stranger without the key, garbage, huge frames and idle connections cost the server
 * nothing that stays: it refuses or hangs up, and serves the next caller.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "tests/support/node.h"
#include "tests/support/proxy.h"

#define IDLE 20

static struct node node;

static void expect_hang_up(int fd)
{
	char bytes[4096];

	shutdown(fd, SHUT_WR);
	for (;;) {
		ssize_t count;

		CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
		count = recv(fd, bytes, sizeof(bytes), 0);
		if (count <= 0)
			break;
	}
	close(fd);
}

static void send_noise(uint64_t seed)
{
	unsigned char noise[1000];
	int fd = proxy_connect(node.port);

	test_fill(noise, sizeof(noise), seed);
	CHECK_CALL(send(fd, noise, 1 + seed * 37 % sizeof(noise), MSG_NOSIGNAL));
	expect_hang_up(fd);
}

static int say_hello(void)
{
	int64_t deadline_ns = rf_io_deadline_ns(TEST_DEADLINE_MS);
	struct rf_frame_hello hello = { .version_min = 1, .version_max = 1 };
	struct rf_frame_challenge challenge;
	struct rf_report report = { .error = 0 };
	int fd = proxy_connect(node.port);

	memcpy(hello.magic, RF_PROTOCOL_MAGIC, sizeof(hello.magic));
	CHECK_EQUAL(rf_frame_send(fd, RF_FRAME_HELLO, 0, 0, &hello, sizeof(hello), deadline_ns), 0);
	CHECK_EQUAL(rf_frame_expect(fd, RF_FRAME_CHALLENGE, &challenge, sizeof(challenge),
				    deadline_ns, "the node", &report),
		    0);
	return fd;
}

static void send_wrong_proof(void)
{
	unsigned char proof[RF_PROOF_BYTES] = { 1 };
	struct rf_report report = { .error = 0 };
	int64_t deadline_ns = rf_io_deadline_ns(TEST_DEADLINE_MS);
	int fd = say_hello();

	CHECK_EQUAL(rf_frame_send(fd, RF_FRAME_PROOF, 0, 0, proof, sizeof(proof), deadline_ns), 0);
	CHECK_EQUAL(rf_frame_expect(fd, RF_FRAME_WELCOME, proof, 0, deadline_ns, "the node",
				    &report),
		    -EKEYREJECTED);
	expect_hang_up(fd);
}

static void send_huge_frame(void)
{
	struct rf_frame_header header = { .type = RF_FRAME_PROOF, .length_bytes = UINT32_MAX };
	int fd = say_hello();

	CHECK_CALL(send(fd, &header, sizeof(header), MSG_NOSIGNAL));
	expect_hang_up(fd);
}

static void send_early_frame(enum rf_frame_type type)
{
	struct rf_frame_header header = { .type = (uint8_t)type };
	int fd = say_hello();

	CHECK_CALL(send(fd, &header, sizeof(header), MSG_NOSIGNAL));
	expect_hang_up(fd);
}

int main(void)
{
	struct node_load load;
	int idle[IDLE];

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	for (uint64_t seed = 0; seed < 20; seed++)
		send_noise(seed);
	send_wrong_proof();
	send_huge_frame();
	for (int type = RF_FRAME_HELLO; type <= RF_FRAME_EXITED; type++)
		if (type != RF_FRAME_PROOF)
			send_early_frame(type);
	for (int i = 0; i < IDLE; i++)
		idle[i] = i % 2 ? proxy_connect(node.port) : say_hello();
	node_expect_service(&node);
	for (int i = 0; i < IDLE; i++)
		close(idle[i]);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
