/* SPDX-License-Identifier: MIT */
/*
 * Plays the node's side of a move, written from doc/protocol.txt.  Called by tests of what a ghost
 * does with a node that goes wrong after the child runs; shares no code with the server.
 */
#define _GNU_SOURCE
#include "tests/support/scripted_node.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/image_format.h"
#include "tests/support/handshake.h"
#include "tests/support/proxy.h"

static unsigned char scratch[RF_FRAME_MAX_BYTES];

void scripted_node_put_header(int connection, unsigned type, unsigned flags, unsigned channel,
			      uint32_t bytes)
{
	struct rf_frame_header header = { .type = (uint8_t)type,
					  .flags = (uint8_t)flags,
					  .channel = (uint16_t)channel,
					  .length_bytes = bytes };

	(void)send(connection, &header, sizeof(header), MSG_NOSIGNAL);
}

void scripted_node_put(int connection, unsigned type, unsigned flags, unsigned channel,
		       const void *payload, uint32_t bytes)
{
	scripted_node_put_header(connection, type, flags, channel, bytes);
	if (bytes)
		(void)send(connection, payload, bytes, MSG_NOSIGNAL);
}

static void read_frame(int fd, unsigned type, void *payload, size_t bytes)
{
	struct rf_frame_header header;

	CHECK_EQUAL(test_read(fd, &header, sizeof(header)), sizeof(header));
	CHECK_EQUAL(header.type, type);
	CHECK_EQUAL(header.length_bytes, bytes);
	CHECK_EQUAL(test_read(fd, payload, bytes), bytes);
}

bool scripted_node_is_elsewhere;
bool scripted_node_is_without_features;

void scripted_node_shake_hands(int fd, const unsigned char key[32])
{
	struct rf_frame_challenge challenge = { .version = RF_PROTOCOL_VERSION };
	struct rf_frame_terminal terminal;
	struct rf_machine_facts facts;
	struct rf_frame_hello hello;
	struct rf_frame_proof proof;

	read_frame(fd, RF_FRAME_HELLO, &hello, sizeof(hello));
	test_fill(challenge.nonce, sizeof(challenge.nonce), 7);
	handshake_prove(challenge.proof, HANDSHAKE_NODE_LABEL, &hello, &challenge,
			HANDSHAKE_NODE_BYTES, key);
	scripted_node_put(fd, RF_FRAME_CHALLENGE, 0, 0, &challenge, sizeof(challenge));
	read_frame(fd, RF_FRAME_PROOF, &proof, sizeof(proof));
	read_frame(fd, RF_FRAME_REQUEST, &facts, sizeof(facts));
	if (facts.flags & RF_FACTS_TERMINAL)
		read_frame(fd, RF_FRAME_TERMINAL, &terminal, sizeof(terminal));
	facts.boot_id[0] ^= scripted_node_is_elsewhere;
	if (scripted_node_is_without_features)
		memset(facts.cpu, 0, sizeof(facts.cpu));
	scripted_node_put(fd, RF_FRAME_WELCOME, 0, 0, &facts, sizeof(facts));
}

static void skip_image(int fd)
{
	struct rf_record_header header;

	do {
		CHECK_EQUAL(test_read(fd, &header, sizeof(header)), sizeof(header));
		for (size_t left = header.length_bytes; left;) {
			size_t bytes = left < sizeof(scratch) ? left : sizeof(scratch);

			CHECK_EQUAL(test_read(fd, scratch, bytes), bytes);
			left -= bytes;
		}
	} while (header.type != RF_RECORD_END);
}

static bool is_open(int fd)
{
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	return recv(fd, scratch, sizeof(scratch), 0) > 0;
}

unsigned scripted_node_running_flags;

static _Noreturn void become_node(int listener, const unsigned char *key, bool says_running,
				  void (*script)(int))
{
	struct rf_frame_running running = { .pid = (uint32_t)getpid() };
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	fd = CHECK_CALL(accept(listener, NULL, NULL));
	close(listener);
	scripted_node_shake_hands(fd, key);
	scripted_node_put(fd, RF_FRAME_NEED, RF_NEED_LAST, 0, NULL, 0);
	skip_image(fd);
	if (says_running)
		scripted_node_put(fd, RF_FRAME_RUNNING, scripted_node_running_flags, 0, &running,
				  sizeof(running));
	script(fd);
	while (is_open(fd))
		;
	_exit(0);
}

static void start(struct scripted_node *scripted, const unsigned char key[32], bool says_running,
		  void (*script)(int connection))
{
	unsigned port;
	int listener = proxy_listen(&port);

	snprintf(scripted->host, sizeof(scripted->host), "127.0.0.1:%u", port);
	scripted->pid = CHECK_CALL(fork());
	if (!scripted->pid)
		become_node(listener, key, says_running, script);
	test_guard_process(scripted->pid);
	close(listener);
}

void scripted_node_start(struct scripted_node *scripted, const unsigned char key[32],
			 void (*script)(int connection))
{
	start(scripted, key, true, script);
}

void scripted_node_start_at_end(struct scripted_node *scripted, const unsigned char key[32],
				void (*script)(int connection))
{
	start(scripted, key, false, script);
}

void scripted_node_finish(struct scripted_node *scripted)
{
	test_expect_exit(scripted->pid, 0);
	test_forget_process(scripted->pid);
}
