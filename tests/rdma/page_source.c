/* SPDX-License-Identifier: MIT */
/*
 * The caller's side of page connections, for tests.  One thread: what the node does next is
 * waited for, with a deadline.
 */
#define _GNU_SOURCE
#include "tests/rdma/page_source.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/frame.h"
#include "rfork/io.h"

#define PAGE TEST_PAGE_BYTES
#define ALONE_MS 2000 /* for connections that nobody accepts */

/* -- memory and connections --------------------------------------------------------------- */

static void listen_at(struct page_source *source, const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct rf_image_road *road = &source->road;

	CHECK_EQUAL(inet_pton(AF_INET, text, &address.sin_addr), 1);
	source->events = rdma_create_event_channel();
	if (!source->events)
		test_skip("no RDMA connection manager: %s", strerror(errno));
	CHECK_CALL(rdma_create_id(source->events, &source->listener, NULL, RDMA_PS_TCP));
	CHECK_CALL(rdma_bind_addr(source->listener, (struct sockaddr *)&address));
	CHECK_CALL(rdma_listen(source->listener, 16));
	road->kind = RF_ROAD_RDMA;
	road->flags = RF_ROAD_NEEDS_TAKEN;
	road->family = AF_INET;
	road->port = ntohs(rdma_get_src_port(source->listener));
	memcpy(road->address, &address.sin_addr, sizeof(address.sin_addr));
	CHECK_EQUAL(getrandom(road->token, sizeof(road->token), 0), sizeof(road->token));
}

void page_source_open(struct page_source *source, size_t bytes, unsigned connections)
{
	const char *address = getenv("RFORK_VM_ADDRESS");
	struct ibv_context *device;

	if (!address)
		test_skip("no RDMA device: run by tests/rdma/vm");
	*source = (struct page_source){ .bytes = bytes,
					.road.connections = connections,
					.road.connect_ms = RF_ROAD_MAX_CONNECT_MS };
	listen_at(source, address);
	device = source->listener->verbs;
	CHECK(device);
	source->memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(source->memory != MAP_FAILED);
	source->domain = ibv_alloc_pd(device);
	CHECK(source->domain);
	source->queue = ibv_create_cq(device, 16, NULL, NULL, 0);
	CHECK(source->queue);
	source->region = ibv_reg_mr(source->domain, source->memory, bytes, IBV_ACCESS_REMOTE_READ);
	CHECK(source->region);
	source->key = source->region->rkey;
}

void page_source_hang_up(struct page_source *source)
{
	for (unsigned i = 0; i < RF_ROAD_MAX_CONNECTIONS; i++) {
		if (!source->connections[i])
			continue;
		rdma_destroy_qp(source->connections[i]);
		CHECK_CALL(rdma_destroy_id(source->connections[i]));
		source->connections[i] = NULL;
	}
	source->accepted = 0;
}

void page_source_close(struct page_source *source)
{
	page_source_hang_up(source);
	CHECK_EQUAL(ibv_dereg_mr(source->region), 0);
	CHECK_EQUAL(ibv_destroy_cq(source->queue), 0);
	CHECK_EQUAL(ibv_dealloc_pd(source->domain), 0);
	CHECK_CALL(rdma_destroy_id(source->listener));
	rdma_destroy_event_channel(source->events);
	CHECK_CALL(munmap(source->memory, source->bytes));
}

static void check_hello(struct page_source *source, const struct rf_road_hello *hello)
{
	CHECK_EQUAL(memcmp(hello->magic, RF_ROAD_MAGIC, sizeof(hello->magic)), 0);
	CHECK_EQUAL(memcmp(hello->token, source->road.token, sizeof(hello->token)), 0);
	CHECK_EQUAL(hello->reserved, 0);
	CHECK(hello->index < source->road.connections);
	CHECK(!source->connections[hello->index]);
}

static void accept_one(struct page_source *source, const struct rdma_cm_event *event)
{
	struct ibv_qp_init_attr attributes = {
		.send_cq = source->queue,
		.recv_cq = source->queue,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
	};
	struct rdma_conn_param parameters = {
		.responder_resources = event->param.conn.responder_resources,
		.rnr_retry_count = 7,
	};
	struct rf_road_hello hello;
	struct rdma_cm_id *id = event->id;

	CHECK(event->param.conn.private_data_len >= sizeof(hello));
	memcpy(&hello, event->param.conn.private_data, sizeof(hello));
	check_hello(source, &hello);
	CHECK_CALL(rdma_create_qp(id, source->domain, &attributes));
	CHECK_CALL(rdma_accept(id, &parameters));
	source->connections[hello.index] = id;
}

static void take_event(struct page_source *source)
{
	struct rdma_cm_event *event;
	struct rdma_cm_id *rejected = NULL;

	CHECK_EQUAL(rf_io_wait(source->events->fd, POLLIN, rf_io_deadline_ns(TEST_DEADLINE_MS)), 0);
	CHECK_CALL(rdma_get_cm_event(source->events, &event));
	if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST && source->rejections) {
		source->rejections--;
		CHECK_CALL(rdma_reject(event->id, NULL, 0));
		rejected = event->id;
	} else if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
		accept_one(source, event);
	} else if (event->event == RDMA_CM_EVENT_ESTABLISHED) {
		source->accepted++;
	} else {
		test_fail(__FILE__, __LINE__, "%s", rdma_event_str(event->event));
	}
	rdma_ack_cm_event(event);
	if (rejected)
		CHECK_CALL(rdma_destroy_id(rejected));
}

void page_source_accept(struct page_source *source)
{
	while (source->accepted < source->road.connections)
		take_event(source);
}

void page_source_await_removal(struct page_source *source)
{
	enum rdma_cm_event_type type = RDMA_CM_EVENT_TIMEWAIT_EXIT;

	while (type != RDMA_CM_EVENT_DEVICE_REMOVAL) {
		struct rdma_cm_event *event;

		CHECK_EQUAL(rf_io_wait(source->events->fd, POLLIN,
				       rf_io_deadline_ns(TEST_DEADLINE_MS)),
			    0);
		CHECK_CALL(rdma_get_cm_event(source->events, &event));
		type = event->event;
		rdma_ack_cm_event(event);
	}
	page_source_hang_up(source);
}

/* -- an image by that road ---------------------------------------------------------------- */

struct offer {
	struct page_source *source;
	const struct page_faults *faults;
	struct page_outcome *outcome;
	int fd;
	uint64_t sequence;
	uint64_t data_pages;
	size_t used;			   /* bytes of the source's memory */
	unsigned pages[IMAGE_MAX_RECORDS]; /* which record of the image each remote one was */
};

static void send_record(struct offer *offer, uint16_t type, const void *payload, uint32_t bytes,
			uint64_t digest)
{
	struct rf_record_header header = { .type = type,
					   .length_bytes = bytes,
					   .sequence = offer->sequence++,
					   .payload_digest = digest };
	struct iovec iov[] = { { &header, sizeof(header) }, { (void *)(uintptr_t)payload, bytes } };

	header.header_digest =
		rf_digest64(&header, offsetof(struct rf_record_header, header_digest));
	/* a node that has refused no longer reads */
	(void)rf_io_writev_full(offer->fd, iov, 2, rf_io_deadline_ns(TEST_DEADLINE_MS));
}

static void send_plain(struct offer *offer, uint16_t type, const void *payload, uint32_t bytes)
{
	send_record(offer, type, payload, bytes, rf_digest64(payload, bytes));
}

/* Where the data of a PAGES record begin. */
static const unsigned char *find_data(const struct image_record *record, size_t *bytes)
{
	const struct rf_image_pages *head = (const struct rf_image_pages *)record->payload;
	size_t before = sizeof(*head) + head->runs * sizeof(struct rf_image_run);

	*bytes = record->header.length_bytes - before;
	return record->payload + before;
}

static void send_remote(struct offer *offer, const struct image_record *record)
{
	const struct page_faults *faults = offer->faults;
	struct {
		struct rf_image_remote_pages head;
		struct rf_image_run runs[RF_PAGES_MAX_RUNS];
	} remote;
	size_t bytes, table;
	const unsigned char *data = find_data(record, &bytes);
	unsigned char *place = offer->source->memory + offer->used;
	struct iovec digested[2];

	CHECK(bytes <= offer->source->bytes - offer->used);
	memcpy(place, data, bytes);
	offer->used += bytes;
	remote.head = (struct rf_image_remote_pages){
		.runs = ((const struct rf_image_pages *)record->payload)->runs,
		.remote_key = offer->source->key,
		.remote_address = (uintptr_t)place,
	};
	table = remote.head.runs * sizeof(remote.runs[0]);
	memcpy(remote.runs, record->payload + sizeof(struct rf_image_pages), table);
	if (faults->break_record)
		faults->break_record(&remote.head, offer->outcome->remote);
	digested[0] = (struct iovec){ &remote, sizeof(remote.head) + table };
	digested[1] = (struct iovec){ place, bytes };
	send_record(offer, RF_RECORD_REMOTE_PAGES, &remote, (uint32_t)digested[0].iov_len,
		    rf_digest64_iov(digested, 2));
	if (faults->is_damaged)
		place[bytes / 2] ^= 1;
	offer->outcome->remote++;
}

/* Takes one frame; false if it ends the offer. */
static bool take_frame(struct offer *offer)
{
	static unsigned char payload[RF_FRAME_MAX_BYTES];
	struct page_outcome *outcome = offer->outcome;
	struct rf_frame_header header;
	struct rf_frame_taken taken;
	int error = rf_frame_receive(offer->fd, &header, payload, sizeof(payload),
				     rf_io_deadline_ns(TEST_DEADLINE_MS));

	if (error < 0)
		outcome->result = -error;
	else if (header.type == RF_FRAME_REFUSED)
		outcome->result = -rf_frame_refused(payload, header.length_bytes, &outcome->report);
	else if (header.type == RF_FRAME_ROAD && header.length_bytes > sizeof(int32_t))
		rf_frame_refused(payload, header.length_bytes, &outcome->loss);
	else if (header.type == RF_FRAME_TAKEN) {
		CHECK_EQUAL(header.length_bytes, sizeof(taken));
		memcpy(&taken, payload, sizeof(taken));
		outcome->taken += taken.records;
		CHECK(taken.records && outcome->taken <= outcome->remote);
	} else if (header.type == RF_FRAME_EXITED) {
		CHECK_EQUAL(header.length_bytes, sizeof(uint32_t));
		memcpy(&outcome->result, payload, sizeof(uint32_t));
		outcome->result = outcome->result == 23 << 8 ? 0 : -outcome->result;
		return false;
	}
	return outcome->result == 0;
}

static bool has_frame(const struct offer *offer)
{
	return rf_io_wait(offer->fd, POLLIN, 0) == 0;
}

/* Sends pages by the road until all is sent or it is lost. */
static void send_pages(struct offer *offer, const struct image *image)
{
	const struct page_faults *faults = offer->faults;
	struct page_outcome *outcome = offer->outcome;

	for (unsigned i = 0; i < image->count && !outcome->loss.error; i++) {
		if (image->records[i].header.type != RF_RECORD_PAGES)
			continue;
		offer->pages[outcome->remote] = i;
		send_remote(offer, &image->records[i]);
		if (faults->hang_up_after && outcome->remote == faults->hang_up_after)
			page_source_hang_up(offer->source);
		if (faults->surprise && outcome->remote == faults->surprise_after)
			faults->surprise(offer->source);
		while (has_frame(offer) && take_frame(offer))
			;
		if (outcome->result)
			return;
	}
	while (!outcome->loss.error && outcome->taken < outcome->remote && take_frame(offer))
		;
}

/* Sends by the stream what has not come by the road. */
static void send_rest(struct offer *offer, const struct image *image)
{
	unsigned first = offer->outcome->taken, last = offer->outcome->remote;
	unsigned behind = last ? offer->pages[last - 1] + 1 : 0;

	for (unsigned i = 0; i < image->count; i++) {
		const struct image_record *record = &image->records[i];
		bool again = i >= behind;

		for (unsigned n = first; n < last && !again; n++)
			again = offer->pages[n] == i;
		if (record->header.type == RF_RECORD_PAGES && again)
			send_plain(offer, RF_RECORD_PAGES, record->payload,
				   record->header.length_bytes);
	}
}

static void send_layout(struct offer *offer, const struct image *image)
{
	for (unsigned i = 0; i < image->count; i++) {
		const struct image_record *record = &image->records[i];

		if (record->header.type == RF_RECORD_PAGES || record->header.type == RF_RECORD_END)
			break;
		send_plain(offer, record->header.type, record->payload,
			   record->header.length_bytes);
	}
}

static uint64_t count_pages(const struct image *image)
{
	const struct image_record *end = &image->records[image->count - 1];

	CHECK_EQUAL(end->header.type, RF_RECORD_END);
	return ((const struct rf_image_end *)end->payload)->data_pages;
}

void page_source_offer(struct page_source *source, const struct image *image,
		       const struct node *node, const struct page_faults *faults,
		       struct page_outcome *outcome)
{
	static struct offer offer;
	struct rf_machine_facts request = image->request;
	struct rf_image_end end = { .data_pages = count_pages(image) };

	*outcome = (struct page_outcome){ 0 };
	request.flags |= RF_FACTS_RDMA;
	if (faults->is_alone)
		source->road.connect_ms = ALONE_MS;
	offer = (struct offer){ .source = source, .faults = faults, .outcome = outcome };
	offer.fd = image_connect(node, &request, &outcome->report);
	CHECK(offer.fd >= 0);
	send_layout(&offer, image);
	send_plain(&offer, RF_RECORD_ROAD, &source->road, sizeof(source->road));
	if (!faults->is_alone)
		page_source_accept(source);
	while (faults->is_alone && !outcome->loss.error && take_frame(&offer))
		;
	if (outcome->result == 0)
		send_pages(&offer, image);
	if (outcome->loss.error && !faults->gives_up)
		send_rest(&offer, image);
	end.records = offer.sequence + 1;
	if (outcome->result == 0)
		send_plain(&offer, RF_RECORD_END, &end, sizeof(end));
	while (outcome->result == 0 && take_frame(&offer))
		;
	close(offer.fd);
	page_source_hang_up(source);
}
