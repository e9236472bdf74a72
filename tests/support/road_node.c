/* SPDX-License-Identifier: MIT */
/*
 * Plays the node's side of a hand-over whose pages do not come by the connection, written from
 * doc/protocol.txt and doc/image-format.txt.  Called by tests of what a ghost does with its road;
 * shares no code with the shell.
 */
#define _GNU_SOURCE
#include "tests/support/road_node.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/image_format.h"
#include "rfork/rdma_device.h"
#include "tests/support/proxy.h"
#include "tests/support/scripted_node.h"

#define REMOTE_KEY 7u
#define REMOTE_ADDRESS 0x100000000ull
#define PORT 4791u
#define SILENCE_MS 200

/* -- a device --------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CLOEXEC));

	test_write(fd, text, strlen(text));
	close(fd);
}

static void map_user(uid_t user, gid_t group)
{
	char text[64];

	snprintf(text, sizeof(text), "%u %u 1", user, user);
	write_text("/proc/self/uid_map", text);
	write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", group, group);
	write_text("/proc/self/gid_map", text);
}

void road_node_have_device(void)
{
	uid_t user = geteuid();
	gid_t group = getegid();

	if (rf_rdma_has_device())
		return;
	if (unshare(CLONE_NEWNS)) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			test_skip("a mount namespace is not allowed: %s", strerror(errno));
		map_user(user, group);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys/class", "tmpfs", 0, NULL))
		test_skip("a mount over /sys/class is not allowed: %s", strerror(errno));
	CHECK_CALL(mkdir("/sys/class/infiniband", 0755));
	CHECK_CALL(mkdir("/sys/class/infiniband/test0", 0755));
	CHECK(rf_rdma_has_device());
}

/* -- the process ------------------------------------------------------------------------------ */

static const unsigned char *expected;
static size_t expected_bytes;

static int listen_for_helper(struct road_node *node)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = CHECK_CALL(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	char program[96];

	strcpy(node->directory, "/tmp/rfork-test-XXXXXX");
	CHECK(mkdtemp(node->directory));
	test_guard_directory(node->directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/helper", node->directory);
	CHECK_CALL(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	CHECK_CALL(listen(fd, 1));
	snprintf(program, sizeof(program), "%s/rfork-pages", node->directory);
	CHECK_CALL(symlink(test_build_path("tests/support/page_helper"), program));
	CHECK_CALL(setenv("RFORK_PAGES_HELPER", program, 1));
	CHECK_CALL(setenv("RFORK_RDMA_MIN_BYTES", "1", 1));
	return fd;
}

static _Noreturn void become_node(int listener, int helper_listener, const unsigned char *key,
				  void (*script)(struct road_view *view))
{
	struct road_view view = { .listener = helper_listener, .helper = -1 };

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	view.connection = CHECK_CALL(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	close(listener);
	view.image = calloc(1, expected_bytes);
	view.payload = malloc(RF_RECORD_MAX_BYTES);
	CHECK(view.image && view.payload);
	scripted_node_shake_hands(view.connection, key);
	script(&view);
	/* until the ghost has gone */
	while (test_poll(view.connection, POLLIN, TEST_DEADLINE_MS) &&
	       recv(view.connection, view.payload, RF_RECORD_MAX_BYTES, 0) > 0)
		;
	_exit(0);
}

void road_node_start(struct road_node *node, const unsigned char key[32], const void *memory,
		     size_t bytes, void (*script)(struct road_view *view))
{
	unsigned port;
	int listener = proxy_listen(&port), helper_listener = listen_for_helper(node);

	expected = memory;
	expected_bytes = bytes;
	snprintf(node->host, sizeof(node->host), "127.0.0.1:%u", port);
	node->pid = CHECK_CALL(fork());
	if (!node->pid)
		become_node(listener, helper_listener, key, script);
	test_guard_process(node->pid);
	close(listener);
	close(helper_listener);
}

void road_node_finish(struct road_node *node)
{
	test_expect_exit(node->pid, 0);
	test_forget_process(node->pid);
	test_remove_directory(node->directory);
	test_forget_directory(node->directory);
}

/* -- the helper ------------------------------------------------------------------------------- */

static int receive_order(int helper, struct rf_pages_order *order)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = { order, sizeof(*order) };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int ring;

	CHECK_EQUAL(recvmsg(helper, &message, MSG_CMSG_CLOEXEC), sizeof(*order));
	CHECK_EQUAL(control.header.cmsg_type, SCM_RIGHTS);
	memcpy(&ring, CMSG_DATA(&control.header), sizeof(ring));
	return ring;
}

void road_take_helper(struct road_view *view)
{
	int ring;

	CHECK(test_poll(view->listener, POLLIN, TEST_DEADLINE_MS));
	view->helper = CHECK_CALL(accept4(view->listener, NULL, NULL, SOCK_CLOEXEC));
	ring = receive_order(view->helper, &view->order);
	CHECK(view->order.ring_bytes > 0);
	view->ring = mmap(NULL, view->order.ring_bytes, PROT_READ, MAP_SHARED, ring, 0);
	CHECK(view->ring != MAP_FAILED);
	close(ring);
}

static void say(struct road_view *view, const struct rf_pages_message *message)
{
	CHECK_EQUAL(send(view->helper, message, sizeof(*message), MSG_NOSIGNAL), sizeof(*message));
}

void road_say_ready(struct road_view *view)
{
	const struct rf_pages_message message = { .word = RF_PAGES_READY,
						  .family = AF_INET,
						  .port = PORT,
						  .address = { 10, 1, 2, 3 },
						  .remote_key = REMOTE_KEY,
						  .remote_address = REMOTE_ADDRESS };

	say(view, &message);
}

void road_say_lost(struct road_view *view, int error, const char *sentence)
{
	struct rf_pages_message message = { .word = RF_PAGES_LOST, .report.error = error };

	snprintf(message.report.sentence, sizeof(message.report.sentence), "%s", sentence);
	say(view, &message);
	close(view->helper);
}

void road_stop_helper(struct road_view *view)
{
	struct ucred helper;
	socklen_t bytes = sizeof(helper);

	CHECK_CALL(getsockopt(view->helper, SOL_SOCKET, SO_PEERCRED, &helper, &bytes));
	CHECK_CALL(kill(helper.pid, SIGSTOP));
}

void road_kill_helper(struct road_view *view)
{
	close(view->helper);
}

void road_expect_helper_ended(struct road_view *view)
{
	char byte;

	CHECK(test_poll(view->helper, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(recv(view->helper, &byte, sizeof(byte), 0), 0);
}

/* -- records ---------------------------------------------------------------------------------- */

static void read_record(struct road_view *view)
{
	struct rf_record_header *header = &view->header;

	CHECK_EQUAL(test_read(view->connection, header, sizeof(*header)), sizeof(*header));
	CHECK_EQUAL(header->header_digest, rf_digest64(header, 24));
	CHECK(header->length_bytes <= RF_RECORD_MAX_BYTES);
	/* the forecast is numbered with the others */
	CHECK_EQUAL(header->sequence, view->sequence++);
	CHECK_EQUAL(test_read(view->connection, view->payload, header->length_bytes),
		    header->length_bytes);
	if (header->type != RF_RECORD_REMOTE_PAGES)
		CHECK_EQUAL(header->payload_digest,
			    rf_digest64(view->payload, header->length_bytes));
}

/* FILLED is for who can go on without marks. */
void road_read_record(struct road_view *view)
{
	do
		read_record(view);
	while (view->header.type == RF_RECORD_FILLED);
}

void road_read_layout(struct road_view *view)
{
	do
		road_read_record(view);
	while (view->header.type != RF_RECORD_LAYOUT);
}

void road_read_offer(struct road_view *view)
{
	road_read_record(view);
	CHECK_EQUAL(view->header.type, RF_RECORD_ROAD);
	CHECK_EQUAL(view->header.length_bytes, sizeof(view->road));
	memcpy(&view->road, view->payload, sizeof(view->road));
	CHECK_EQUAL(view->road.kind, RF_ROAD_RDMA);
	CHECK_EQUAL(view->road.flags, RF_ROAD_NEEDS_TAKEN);
	CHECK_EQUAL(view->road.family, AF_INET);
	CHECK_EQUAL(view->road.port, PORT);
	CHECK_EQUAL(view->road.connections, view->order.connections);
	CHECK(view->road.connect_ms > 0);
	CHECK_AT_MOST(view->road.connect_ms, RF_ROAD_MAX_CONNECT_MS);
	CHECK(!memcmp(view->road.address, (uint8_t[16]){ 10, 1, 2, 3 }, 16));
	CHECK(!memcmp(view->road.token, view->order.token, sizeof(view->road.token)));
}

static size_t run_bytes(const struct rf_image_run *run)
{
	return run->kind == RF_RUN_DATA ? run->pages * TEST_PAGE_BYTES : 0;
}

static void place_run(struct road_view *view, const struct rf_image_run *run,
		      const unsigned char *data)
{
	uint64_t start = (uintptr_t)expected;
	size_t bytes = run_bytes(run);

	view->data_pages += bytes / TEST_PAGE_BYTES;
	if (run->address >= start && run->address + bytes <= start + expected_bytes)
		memcpy(view->image + (run->address - start), data, bytes);
}

static const unsigned char *find_in_ring(const struct road_view *view, size_t bytes)
{
	const struct rf_image_remote_pages *remote = (const void *)view->payload;
	uint64_t offset = remote->remote_address - REMOTE_ADDRESS;

	CHECK_EQUAL(remote->remote_key, REMOTE_KEY);
	CHECK(offset <= view->order.ring_bytes && bytes <= view->order.ring_bytes - offset);
	return view->ring + offset;
}

static void check_ring(const struct road_view *view, const unsigned char *data, size_t bytes)
{
	const struct iovec parts[] = { { view->payload, view->header.length_bytes },
				       { (void *)data, bytes } };

	CHECK_EQUAL(view->header.payload_digest, rf_digest64_iov(parts, 2));
}

void road_place(struct road_view *view)
{
	bool is_remote = view->header.type == RF_RECORD_REMOTE_PAGES;
	uint32_t count = *(const uint32_t *)view->payload;
	const struct rf_image_run *runs =
		(const void *)(view->payload + (is_remote ? sizeof(struct rf_image_remote_pages)
							  : sizeof(struct rf_image_pages)));
	const unsigned char *data = (const unsigned char *)(runs + count);
	size_t bytes = 0;

	CHECK(count >= 1 && count <= RF_PAGES_MAX_RUNS);
	for (uint32_t i = 0; i < count; i++)
		bytes += run_bytes(&runs[i]);
	if (is_remote) {
		data = find_in_ring(view, bytes);
		check_ring(view, data, bytes);
	}
	for (uint32_t i = 0; i < count; data += run_bytes(&runs[i]), i++)
		place_run(view, &runs[i], data);
}

void road_read_pages(struct road_view *view, uint16_t type)
{
	road_read_record(view);
	CHECK_EQUAL(view->header.type, type);
	road_place(view);
}

bool road_has_more(struct road_view *view)
{
	return test_poll(view->connection, POLLIN, SILENCE_MS);
}

void road_expect_silence(struct road_view *view)
{
	CHECK(!road_has_more(view));
}

void road_read_rest(struct road_view *view)
{
	for (road_read_record(view); view->header.type != RF_RECORD_END; road_read_record(view)) {
		CHECK_EQUAL(view->header.type, RF_RECORD_PAGES);
		road_place(view);
	}
	road_check_end(view);
}

void road_check_end(struct road_view *view)
{
	const struct rf_image_end *end = (const void *)view->payload;

	CHECK_EQUAL(end->records, view->sequence);
	CHECK_EQUAL(end->data_pages, view->data_pages);
	CHECK(!memcmp(view->image, expected, expected_bytes));
}

/* -- frames ----------------------------------------------------------------------------------- */

void road_answer(struct road_view *view, int error, const char *sentence)
{
	struct {
		int32_t error;
		char sentence[256];
	} payload = { .error = error };

	snprintf(payload.sentence, sizeof(payload.sentence), "%s", sentence);
	scripted_node_put(view->connection, RF_FRAME_ROAD, 0, 0, &payload,
			  (uint32_t)(sizeof(payload.error) + strlen(payload.sentence)));
}

void road_say_taken(struct road_view *view, uint32_t records)
{
	const struct rf_frame_taken taken = { .records = records };

	scripted_node_put(view->connection, RF_FRAME_TAKEN, 0, 0, &taken, sizeof(taken));
}

void road_need_nothing(struct road_view *view)
{
	scripted_node_put(view->connection, RF_FRAME_NEED, RF_NEED_LAST, 0, NULL, 0);
}

void road_say_ran(struct road_view *view)
{
	const struct rf_frame_running running = { .pid = 1 };
	const struct rf_frame_exited exited = { .status = 0 };

	scripted_node_put(view->connection, RF_FRAME_RUNNING, 0, 0, &running, sizeof(running));
	scripted_node_put(view->connection, RF_FRAME_EXITED, 0, 0, &exited, sizeof(exited));
}
