/* SPDX-License-Identifier: MIT */
/*
 * Claim: rfork-pages lets nobody but the node read a ghost's pages, and nobody write them: requests
 * without the token, with a damaged one, or for a connection that exists or was not offered are
 * rejected, and those of the node still come to stand; who has connected and asks with a wrong key,
 * or beyond the ring, or wants to write, gets an error from the device and not a byte.  Its end is
 * that of the socket to the ghost.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <netinet/in.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/pages_protocol.h"
#include "rfork/protocol.h"
#include "tests/support/test.h"

#define RING_BYTES (1ul << 20)
#define READ_BYTES (64u << 10)
#define CONNECTIONS 3u
#define STRANGERS 40

/* -- the helper, as a ghost has it ---------------------------------------------------------- */

struct helper {
	pid_t pid;
	int socket;
	unsigned char *ring;
	struct rf_pages_order order;
	struct rf_pages_message ready;
};

static _Noreturn void become_helper(int socket, int ring)
{
	char *arguments[] = { "rfork-pages", NULL }, *environment[] = { NULL };

	/* their numbers are above those that they get */
	if (dup2(socket, RF_PAGES_SOCKET_FD) < 0 || dup2(ring, RF_PAGES_RING_FD) < 0)
		_exit(126);
	execve(test_build_path("rdma/rfork-pages"), arguments, environment);
	_exit(127);
}

static int above(int fd)
{
	int moved = CHECK_CALL(fcntl(fd, F_DUPFD_CLOEXEC, 16));

	close(fd);
	return moved;
}

static void make_order(struct rf_pages_order *order)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&order->address;

	*order = (struct rf_pages_order){ .ring_bytes = RING_BYTES, .connections = CONNECTIONS };
	address->sin_family = AF_INET;
	CHECK_EQUAL(inet_pton(AF_INET, getenv("RFORK_VM_ADDRESS"), &address->sin_addr), 1);
	CHECK_EQUAL(getrandom(order->token, sizeof(order->token), 0), sizeof(order->token));
}

/* The next word of the helper's; false if it has ended, or says nothing within that time. */
static bool hear(const struct helper *helper, struct rf_pages_message *message, int timeout_ms)
{
	return test_poll(helper->socket, POLLIN, timeout_ms) &&
	       recv(helper->socket, message, sizeof(*message), 0) == sizeof(*message);
}

static void helper_start(struct helper *helper)
{
	int ring = above(CHECK_CALL(memfd_create("ring", MFD_CLOEXEC))), pair[2];

	CHECK_CALL(ftruncate(ring, RING_BYTES));
	helper->ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	CHECK(helper->ring != MAP_FAILED);
	test_fill(helper->ring, RING_BYTES, 1);
	CHECK_CALL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	helper->socket = above(pair[0]);
	pair[1] = above(pair[1]);
	helper->pid = CHECK_CALL(fork());
	if (!helper->pid)
		become_helper(pair[1], ring);
	test_guard_process(helper->pid);
	close(pair[1]);
	close(ring);
	make_order(&helper->order);
	test_write(helper->socket, &helper->order, sizeof(helper->order));
	CHECK(hear(helper, &helper->ready, TEST_DEADLINE_MS));
	if (helper->ready.word != RF_PAGES_READY)
		test_fail(__FILE__, __LINE__, "%s", helper->ready.report.sentence);
}

/* Nothing was written to the ring; the helper ends with the socket, unless it has ended because of
 * what it was asked for. */
static void helper_end(struct helper *helper)
{
	struct rf_pages_message message;
	uint64_t found = test_digest(helper->ring, RING_BYTES);

	test_fill(helper->ring, RING_BYTES, 1);
	CHECK(found == test_digest(helper->ring, RING_BYTES));
	if (hear(helper, &message, 0)) {
		CHECK_EQUAL(message.word, RF_PAGES_LOST);
		CHECK_EQUAL(message.report.error, EACCES);
		test_expect_exit(helper->pid, 1);
	} else {
		close(helper->socket);
		test_expect_exit(helper->pid, 0);
		helper->socket = -1;
	}
	test_forget_process(helper->pid);
	if (helper->socket >= 0)
		close(helper->socket);
	CHECK_CALL(munmap(helper->ring, RING_BYTES));
}

/* -- connections to it -------------------------------------------------------------------- */

struct peer {
	struct rdma_event_channel *events;
	struct rdma_cm_id *id;
	struct ibv_mr *region;
	unsigned char *memory;
};

static enum rdma_cm_event_type next_event(struct peer *peer)
{
	struct rdma_cm_event *event;
	enum rdma_cm_event_type type;

	CHECK(test_poll(peer->events->fd, POLLIN, TEST_DEADLINE_MS));
	CHECK_CALL(rdma_get_cm_event(peer->events, &event));
	type = event->event;
	rdma_ack_cm_event(event);
	return type;
}

/* Up to the request itself. */
static void peer_open(struct peer *peer, const struct helper *helper)
{
	struct ibv_qp_init_attr attributes = {
		.cap = { .max_send_wr = 4, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
	};
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(helper->ready.port) };

	memcpy(&address.sin_addr, helper->ready.address, sizeof(address.sin_addr));
	peer->events = rdma_create_event_channel();
	CHECK(peer->events);
	CHECK_CALL(rdma_create_id(peer->events, &peer->id, NULL, RDMA_PS_TCP));
	CHECK_CALL(
		rdma_resolve_addr(peer->id, NULL, (struct sockaddr *)&address, TEST_DEADLINE_MS));
	CHECK_EQUAL(next_event(peer), RDMA_CM_EVENT_ADDR_RESOLVED);
	CHECK_CALL(rdma_resolve_route(peer->id, TEST_DEADLINE_MS));
	CHECK_EQUAL(next_event(peer), RDMA_CM_EVENT_ROUTE_RESOLVED);
	CHECK_CALL(rdma_create_qp(peer->id, NULL, &attributes));
	peer->memory =
		mmap(NULL, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(peer->memory != MAP_FAILED);
	peer->region = ibv_reg_mr(peer->id->pd, peer->memory, READ_BYTES, IBV_ACCESS_LOCAL_WRITE);
	CHECK(peer->region);
}

static void peer_ask(struct peer *peer, const void *data, uint8_t bytes)
{
	struct rdma_conn_param parameters = { .private_data = data,
					      .private_data_len = bytes,
					      .initiator_depth = 4,
					      .retry_count = 7,
					      .rnr_retry_count = 7 };

	CHECK_CALL(rdma_connect(peer->id, &parameters));
}

static void peer_close(struct peer *peer)
{
	CHECK_EQUAL(ibv_dereg_mr(peer->region), 0);
	rdma_destroy_qp(peer->id);
	CHECK_CALL(rdma_destroy_id(peer->id));
	rdma_destroy_event_channel(peer->events);
	CHECK_CALL(munmap(peer->memory, READ_BYTES));
}

static struct rf_road_hello make_hello(const struct helper *helper, uint32_t index)
{
	struct rf_road_hello hello = { .index = index };

	memcpy(hello.magic, RF_ROAD_MAGIC, sizeof(hello.magic));
	memcpy(hello.token, helper->order.token, sizeof(hello.token));
	return hello;
}

/* A connection of the node's: it stands. */
static void peer_connect(struct peer *peer, const struct helper *helper, uint32_t index)
{
	const struct rf_road_hello hello = make_hello(helper, index);

	peer_open(peer, helper);
	peer_ask(peer, &hello, sizeof(hello));
	CHECK_EQUAL(next_event(peer), RDMA_CM_EVENT_ESTABLISHED);
}

static void expect_rejection(const struct helper *helper, const void *data, size_t bytes)
{
	struct peer peer;

	peer_open(&peer, helper);
	peer_ask(&peer, data, (uint8_t)bytes);
	CHECK_EQUAL(next_event(&peer), RDMA_CM_EVENT_REJECTED);
	peer_close(&peer);
}

/* Posts, and returns how it was completed. */
static enum ibv_wc_status perform(struct peer *peer, enum ibv_wr_opcode opcode, uint64_t address,
				  uint32_t key)
{
	struct ibv_sge place = { (uintptr_t)peer->memory, READ_BYTES, peer->region->lkey };
	struct ibv_send_wr request = {
		.sg_list = &place, .num_sge = 1, .opcode = opcode, .wr.rdma = { address, key }
	};
	struct ibv_send_wr *failed;
	struct ibv_wc completion;
	struct ibv_cq *queue;
	void *context;
	int count;

	CHECK_EQUAL(ibv_req_notify_cq(peer->id->send_cq, 0), 0);
	CHECK_EQUAL(ibv_post_send(peer->id->qp, &request, &failed), 0);
	while ((count = ibv_poll_cq(peer->id->send_cq, 1, &completion)) == 0) {
		CHECK(test_poll(peer->id->send_cq_channel->fd, POLLIN, TEST_DEADLINE_MS));
		CHECK_EQUAL(ibv_get_cq_event(peer->id->send_cq_channel, &queue, &context), 0);
		ibv_ack_cq_events(queue, 1);
		CHECK_EQUAL(ibv_req_notify_cq(queue, 0), 0);
	}
	CHECK_EQUAL(count, 1);
	return completion.status;
}

/* -- claims ------------------------------------------------------------------------------- */

static void the_node_reads_the_ring(const struct helper *helper, uint32_t index)
{
	const uint64_t last = RING_BYTES - READ_BYTES;
	struct peer peer;

	peer_connect(&peer, helper, index);
	CHECK_EQUAL(perform(&peer, IBV_WR_RDMA_READ, helper->ready.remote_address + last,
			    helper->ready.remote_key),
		    IBV_WC_SUCCESS);
	CHECK_EQUAL(memcmp(peer.memory, helper->ring + last, READ_BYTES), 0);
	peer_close(&peer);
}

static void requests_of_strangers_are_rejected(const struct helper *helper)
{
	struct rf_road_hello hello = make_hello(helper, 0);

	expect_rejection(helper, NULL, 0);
	expect_rejection(helper, &hello, sizeof(hello) - 1);
	hello.token[RF_ROAD_TOKEN_BYTES - 1] ^= 1;
	expect_rejection(helper, &hello, sizeof(hello));
	hello = make_hello(helper, 0);
	hello.token[0] ^= 0x80;
	expect_rejection(helper, &hello, sizeof(hello));
	hello = make_hello(helper, 0);
	hello.magic[7]++;
	expect_rejection(helper, &hello, sizeof(hello));
	hello = make_hello(helper, 0);
	hello.reserved = 1;
	expect_rejection(helper, &hello, sizeof(hello));
	hello = make_hello(helper, CONNECTIONS);
	expect_rejection(helper, &hello, sizeof(hello));
	hello = make_hello(helper, UINT32_MAX);
	expect_rejection(helper, &hello, sizeof(hello));
}

static void a_token_is_good_for_one_connection_of_an_index(const struct helper *helper)
{
	const struct rf_road_hello hello = make_hello(helper, 1);
	struct peer peer;

	peer_connect(&peer, helper, 1);
	expect_rejection(helper, &hello, sizeof(hello)); /* while it stands */
	CHECK_EQUAL(perform(&peer, IBV_WR_RDMA_READ, helper->ready.remote_address,
			    helper->ready.remote_key),
		    IBV_WC_SUCCESS);
	peer_close(&peer);
	expect_rejection(helper, &hello, sizeof(hello)); /* and when it is gone */
}

/* All of them at a time. */
static void many_strangers_keep_nobody_away(const struct helper *helper)
{
	static struct peer peers[STRANGERS];
	struct rf_road_hello hello = make_hello(helper, 2);

	hello.token[3]++;
	for (int i = 0; i < STRANGERS; i++) {
		peer_open(&peers[i], helper);
		peer_ask(&peers[i], &hello, sizeof(hello));
	}
	the_node_reads_the_ring(helper, 2);
	for (int i = 0; i < STRANGERS; i++) {
		CHECK_EQUAL(next_event(&peers[i]), RDMA_CM_EVENT_REJECTED);
		peer_close(&peers[i]);
	}
}

/* What one connection may not do, with an error of the device, and no byte in either direction. */
static void expect_denial(enum ibv_wr_opcode opcode, int64_t offset, uint32_t other_key,
			  enum ibv_wc_status expected)
{
	struct helper helper;
	struct peer peer;

	helper_start(&helper);
	peer_connect(&peer, &helper, 0);
	memset(peer.memory, 0x5a, READ_BYTES);
	CHECK_EQUAL(perform(&peer, opcode, helper.ready.remote_address + (uint64_t)offset,
			    helper.ready.remote_key ^ other_key),
		    expected);
	for (unsigned i = 0; i < READ_BYTES; i++)
		if (peer.memory[i] != 0x5a)
			test_fail(__FILE__, __LINE__, "byte %u has arrived", i);
	peer_close(&peer);
	helper_end(&helper);
}

int main(void)
{
	struct helper helper;

	test_begin();
	if (!getenv("RFORK_VM_ADDRESS"))
		test_skip("no RDMA device: run by tests/rdma/vm");
	helper_start(&helper);
	requests_of_strangers_are_rejected(&helper);
	the_node_reads_the_ring(&helper, 0);
	a_token_is_good_for_one_connection_of_an_index(&helper);
	many_strangers_keep_nobody_away(&helper);
	helper_end(&helper);

	expect_denial(IBV_WR_RDMA_READ, 0, 0x10000, IBV_WC_REM_ACCESS_ERR);
	expect_denial(IBV_WR_RDMA_READ, RING_BYTES, 0, IBV_WC_REM_ACCESS_ERR);
	expect_denial(IBV_WR_RDMA_READ, RING_BYTES - READ_BYTES + 1, 0, IBV_WC_REM_ACCESS_ERR);
	expect_denial(IBV_WR_RDMA_READ, -1, 0, IBV_WC_REM_ACCESS_ERR);
	expect_denial(IBV_WR_RDMA_WRITE, 0, 0, IBV_WC_REM_ACCESS_ERR);
	return test_end();
}
