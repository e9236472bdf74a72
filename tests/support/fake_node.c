/* SPDX-License-Identifier: MIT */
/*
 * Speaks just enough of the protocol to break it.  Called by tests of what a caller does with
 * a node that is broken, old or hostile; shares no code with the library but the structs.
 */
#define _GNU_SOURCE
#include "tests/support/fake_node.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/protocol.h"
#include "tests/support/handshake.h"
#include "tests/support/proxy.h"

static void answer(int fd, unsigned type, const void *payload, size_t bytes, uint32_t length)
{
	unsigned char message[sizeof(struct rf_frame_header) + 512];
	struct rf_frame_header header = { .type = (uint8_t)type, .length_bytes = length };

	memcpy(message, &header, sizeof(header));
	if (bytes)
		memcpy(message + sizeof(header), payload, bytes);
	CHECK_EQUAL(send(fd, message, sizeof(header) + bytes, MSG_NOSIGNAL),
		    sizeof(header) + bytes);
}

static void refuse(int fd, int32_t error, const char *sentence)
{
	unsigned char payload[256];
	size_t bytes = sizeof(error) + strlen(sentence);

	memcpy(payload, &error, sizeof(error));
	memcpy(payload + sizeof(error), sentence, strlen(sentence));
	answer(fd, RF_FRAME_REFUSED, payload, bytes, (uint32_t)bytes);
}

static void challenge(int fd, uint16_t version, const void *hello, const unsigned char *key)
{
	struct rf_frame_challenge frame = { .version = version };

	test_fill(frame.nonce, sizeof(frame.nonce), 7);
	test_fill(frame.proof, sizeof(frame.proof), 8);
	if (key)
		handshake_prove(frame.proof, HANDSHAKE_NODE_LABEL, hello, &frame,
				HANDSHAKE_NODE_BYTES, key);
	answer(fd, RF_FRAME_CHALLENGE, &frame, sizeof(frame), sizeof(frame));
}

static void misbehave(int fd, enum fake_manner manner, const void *hello, const unsigned char *key)
{
	unsigned char noise[256];

	switch (manner) {
	case FAKE_SILENT:
	case FAKE_HANGS_UP:
		break;
	case FAKE_OTHER_VERSION:
		refuse(fd, EPROTONOSUPPORT, "this node speaks protocol versions 7 to 9");
		break;
	case FAKE_CHOSE_99:
		challenge(fd, 99, hello, key);
		break;
	case FAKE_WRONG_PROOF:
		challenge(fd, RF_PROTOCOL_VERSION, hello, NULL);
		break;
	case FAKE_GARBAGE:
		test_fill(noise, sizeof(noise), 9);
		CHECK_CALL(send(fd, noise, sizeof(noise), MSG_NOSIGNAL));
		break;
	case FAKE_HUGE_FRAME:
		answer(fd, RF_FRAME_CHALLENGE, NULL, 0, UINT32_MAX);
		break;
	case FAKE_ESCAPES:
		refuse(fd, EAGAIN, "full \033[31mred\a\r\nsecond line");
		break;
	}
}

static _Noreturn void become_node(int listener, enum fake_manner manner, const unsigned char *key,
				  int result)
{
	unsigned char hello[sizeof(struct rf_frame_header) + sizeof(struct rf_frame_hello)];
	int64_t after = 0;
	char byte;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	fd = CHECK_CALL(accept(listener, NULL, NULL));
	CHECK_EQUAL(test_read(fd, hello, sizeof(hello)), sizeof(hello));
	misbehave(fd, manner, hello + sizeof(struct rf_frame_header), key);
	if (manner != FAKE_HANGS_UP)
		while (recv(fd, &byte, 1, 0) == 1)
			after++;
	test_write(result, &after, sizeof(after));
	_exit(0);
}

void fake_node_start(struct fake_node *fake, enum fake_manner manner, const unsigned char *key)
{
	unsigned port;
	int listener = proxy_listen(&port), ends[2];

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	snprintf(fake->host, sizeof(fake->host), "127.0.0.1:%u", port);
	fake->pid = CHECK_CALL(fork());
	if (!fake->pid)
		become_node(listener, manner, key, ends[1]);
	test_guard_process(fake->pid);
	close(listener);
	close(ends[1]);
	fake->result = ends[0];
}

int64_t fake_node_finish(struct fake_node *fake)
{
	int64_t after;

	CHECK_EQUAL(test_read(fake->result, &after, sizeof(after)), sizeof(after));
	close(fake->result);
	test_expect_exit(fake->pid, 0);
	test_forget_process(fake->pid);
	return after;
}
