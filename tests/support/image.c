/* SPDX-License-Identifier: MIT */
/*
 * Records an image, changes it and offers it to a node with a handshake of its own, written
 * from doc/protocol.txt and doc/image-format.txt rather than with the library's caller.
 * Called by the tests of hostile images.
 */
#define _GNU_SOURCE
#include "tests/support/image.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/frame.h"
#include "rfork/io.h"
#include "tests/support/handshake.h"
#include "tests/support/mover.h"
#include "tests/support/proxy.h"

struct rf_frame_terminal image_terminal = {
	.flags = RF_TERMINAL_FOREGROUND,
	.size = { 24, 80, 0, 0 },
	.mode = { .input = ICRNL,
		  .output = OPOST | ONLCR,
		  .control = CS8 | CREAD | B38400,
		  .local = ISIG | ICANON | ECHO,
		  .characters = { 3, 28, 127, 21, 4, 0, 1 } },
};

static unsigned char *load(const char *path, size_t *bytes)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	struct stat status;
	unsigned char *content;

	CHECK_CALL(fstat(fd, &status));
	*bytes = (size_t)status.st_size;
	content = malloc(*bytes);
	CHECK(content);
	CHECK_EQUAL(test_read(fd, content, *bytes), *bytes);
	close(fd);
	return content;
}

static void parse(struct image *image, const unsigned char *content, size_t bytes)
{
	size_t at = HANDSHAKE_SHORT_BYTES;

	CHECK(bytes > at + HANDSHAKE_TERMINAL_BYTES);
	memcpy(&image->request, content + at - sizeof(image->request), sizeof(image->request));
	if (image->request.flags & RF_FACTS_TERMINAL)
		at += HANDSHAKE_TERMINAL_BYTES;
	image->count = 0;
	image->records = calloc(IMAGE_MAX_RECORDS, sizeof(*image->records));
	CHECK(image->records);
	for (bool ended = false; !ended;) {
		struct image_record *record = &image->records[image->count++];

		CHECK(image->count < IMAGE_MAX_RECORDS);
		CHECK(bytes - at >= sizeof(record->header));
		memcpy(&record->header, content + at, sizeof(record->header));
		at += sizeof(record->header);
		CHECK(record->header.length_bytes <= bytes - at);
		record->payload = malloc(record->header.length_bytes + 1);
		CHECK(record->payload);
		memcpy(record->payload, content + at, record->header.length_bytes);
		at += record->header.length_bytes;
		ended = record->header.type == RF_RECORD_END;
	}
}

/* A move through a proxy that keeps what the caller sends; returns the ghost. */
static pid_t move_recorded(struct proxy *proxy, const struct node *node, const char *path,
			   void (*child)(void))
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = RFORK_CLOSE_OTHERS,
					 .timeout_ms = TEST_DEADLINE_MS };
	struct proxy_plan plan = PROXY_PLAIN;
	pid_t pid;

	plan.record = path;
	proxy_start(proxy, node->port, &plan);
	pid = rfork_with(proxy->host, &options);
	if (!pid) {
		child();
		_exit(23);
	}
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	return pid;
}

static void load_recorded(struct image *image, struct proxy *proxy, const char *path)
{
	unsigned char *content;
	size_t bytes;

	proxy_finish(proxy);
	content = load(path, &bytes);
	parse(image, content, bytes);
	free(content);
	CHECK_CALL(unlink(path));
}

static void do_nothing(void)
{
}

void image_record_work(struct image *image, const struct node *node, void (*child)(void))
{
	struct proxy proxy;
	char path[96];

	snprintf(path, sizeof(path), "%s/record", node->directory);
	test_expect_exit(move_recorded(&proxy, node, path, child), 23);
	load_recorded(image, &proxy, path);
}

void image_record_move(struct image *image, const struct node *node)
{
	image_record_work(image, node, do_nothing);
}

void image_record_child(struct image *image, const struct node *node, void (*child)(void))
{
	struct proxy proxy;
	char path[96];
	pid_t ghost;

	snprintf(path, sizeof(path), "%s/record", node->directory);
	ghost = move_recorded(&proxy, node, path, child);
	CHECK_CALL(kill(ghost, SIGKILL));
	test_expect_signal(ghost, SIGKILL);
	load_recorded(image, &proxy, path);
}

void image_record_mover(struct image *image, const struct node *node,
			int (*body)(const struct node *node))
{
	struct proxy_plan plan = PROXY_PLAIN;
	struct node line = *node;
	struct proxy proxy;
	char path[96];

	snprintf(path, sizeof(path), "%s/record", node->directory);
	plan.record = path;
	proxy_start(&proxy, node->port, &plan);
	snprintf(line.host, sizeof(line.host), "%s", proxy.host);
	mover_run(&line, body);
	load_recorded(image, &proxy, path);
}

void image_copy(struct image *copy, const struct image *image)
{
	*copy = *image;
	copy->records = calloc(IMAGE_MAX_RECORDS, sizeof(*copy->records));
	CHECK(copy->records);
	for (unsigned i = 0; i < image->count; i++) {
		copy->records[i].header = image->records[i].header;
		image_resize(&copy->records[i], image->records[i].header.length_bytes);
		memcpy(copy->records[i].payload, image->records[i].payload,
		       image->records[i].header.length_bytes);
	}
}

void image_free(struct image *image)
{
	for (unsigned i = 0; i < image->count; i++)
		free(image->records[i].payload);
	free(image->records);
}

unsigned image_index(const struct image *image, enum rf_record_type type, unsigned nth)
{
	for (unsigned i = 0; i < image->count; i++)
		if (image->records[i].header.type == type && !nth--)
			return i;
	test_fail(__FILE__, __LINE__, "the image has no such record of type %d", (int)type);
}

struct image_record *image_find(struct image *image, enum rf_record_type type, unsigned nth)
{
	return &image->records[image_index(image, type, nth)];
}

struct rf_image_mapping *image_mapping(struct image *image, unsigned nth)
{
	for (unsigned i = 0; i < image->count; i++) {
		struct image_record *record = &image->records[i];
		unsigned here = record->header.length_bytes / sizeof(struct rf_image_mapping);

		if (record->header.type != RF_RECORD_MAPPING)
			continue;
		if (nth < here)
			return (struct rf_image_mapping *)record->payload + nth;
		nth -= here;
	}
	return NULL;
}

void image_resize(struct image_record *record, uint32_t bytes)
{
	uint32_t old = record->payload ? record->header.length_bytes : 0;

	record->payload = realloc(record->payload, bytes + 1ul);
	CHECK(record->payload);
	if (bytes > old)
		memset(record->payload + old, 0, bytes - old);
	record->header.length_bytes = bytes;
}

void image_remove(struct image *image, unsigned index)
{
	free(image->records[index].payload);
	memmove(&image->records[index], &image->records[index + 1],
		(image->count - index - 1) * sizeof(*image->records));
	image->count--;
}

void image_duplicate(struct image *image, unsigned index)
{
	struct image_record copy = { .header = image->records[index].header };

	CHECK(image->count + 1 < IMAGE_MAX_RECORDS);
	image_resize(&copy, copy.header.length_bytes);
	memcpy(copy.payload, image->records[index].payload, copy.header.length_bytes);
	memmove(&image->records[index + 1], &image->records[index],
		(image->count - index) * sizeof(*image->records));
	image->records[index] = copy;
	image->count++;
}

struct rf_machine_facts image_welcome;

int image_connect(const struct node *node, const struct rf_machine_facts *request,
		  struct rf_report *report)
{
	int64_t deadline_ns = rf_io_deadline_ns(TEST_DEADLINE_MS);
	struct rf_frame_hello hello = { .version_min = RF_PROTOCOL_VERSION,
					.version_max = RF_PROTOCOL_VERSION };
	struct rf_frame_challenge challenge;
	unsigned char proof[RF_PROOF_BYTES];
	int fd = proxy_connect(node->port);

	memcpy(hello.magic, RF_PROTOCOL_MAGIC, sizeof(hello.magic));
	CHECK_EQUAL(getrandom(hello.nonce, sizeof(hello.nonce), 0), sizeof(hello.nonce));
	CHECK_EQUAL(rf_frame_send(fd, RF_FRAME_HELLO, 0, 0, &hello, sizeof(hello), deadline_ns), 0);
	CHECK_EQUAL(rf_frame_expect(fd, RF_FRAME_CHALLENGE, &challenge, sizeof(challenge),
				    deadline_ns, "the node", report),
		    0);
	handshake_prove(proof, HANDSHAKE_NODE_LABEL, &hello, &challenge, HANDSHAKE_NODE_BYTES,
			node->key);
	CHECK(!memcmp(proof, challenge.proof, sizeof(proof)));
	handshake_prove(proof, HANDSHAKE_CALLER_LABEL, &hello, &challenge, HANDSHAKE_CALLER_BYTES,
			node->key);
	CHECK_EQUAL(rf_frame_send(fd, RF_FRAME_PROOF, 0, 0, proof, sizeof(proof), deadline_ns), 0);
	CHECK_EQUAL(rf_frame_send(fd, RF_FRAME_REQUEST, 0, 0, request, sizeof(*request),
				  deadline_ns),
		    0);
	if (request->flags & RF_FACTS_TERMINAL)
		CHECK_EQUAL(rf_frame_send(fd, RF_FRAME_TERMINAL, 0, 0, &image_terminal,
					  sizeof(image_terminal), deadline_ns),
			    0);
	if (rf_frame_expect(fd, RF_FRAME_WELCOME, &image_welcome, sizeof(image_welcome),
			    deadline_ns, "the node", report)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool send_image(int fd, const struct image *image)
{
	for (unsigned i = 0; i < image->count; i++) {
		struct image_record *record = &image->records[i];
		struct rf_record_header header = record->header;

		header.sequence = i;
		header.payload_digest = rf_digest64(record->payload, header.length_bytes);
		header.header_digest = rf_digest64(&header, 24);
		/* A node that has refused no longer reads: its sentence waits for us. */
		if (send(fd, &header, sizeof(header), MSG_NOSIGNAL | MSG_MORE) < 0 ||
		    rf_io_write_full(fd, record->payload, header.length_bytes,
				     rf_io_deadline_ns(TEST_DEADLINE_MS)))
			return false;
	}
	return true;
}

static int await_outcome(int fd, struct rf_report *report)
{
	static unsigned char payload[RF_FRAME_MAX_BYTES];
	struct rf_frame_header header;
	uint32_t status;
	int result;

	for (;;) {
		result = rf_frame_receive(fd, &header, payload, sizeof(payload),
					  rf_io_deadline_ns(TEST_DEADLINE_MS));
		if (result)
			return -result;
		if (header.type == RF_FRAME_REFUSED)
			return -rf_frame_refused(payload, header.length_bytes, report);
		if (header.type == RF_FRAME_EXITED)
			break;
	}
	CHECK_EQUAL(header.length_bytes, sizeof(status));
	memcpy(&status, payload, sizeof(status));
	CHECK_EQUAL(status, 23 << 8);
	return 0;
}

int image_offer(const struct image *image, const struct node *node, struct rf_report *report)
{
	int fd, result;

	memset(report, 0, sizeof(*report));
	fd = image_connect(node, &image->request, report);
	if (fd < 0)
		return report->error;
	send_image(fd, image);
	result = await_outcome(fd, report);
	close(fd);
	return result;
}

int image_run(const struct image *image, const struct node *node)
{
	struct rf_frame_running running;
	struct rf_report report = { 0 };
	int fd = image_connect(node, &image->request, &report);

	CHECK(fd >= 0 && send_image(fd, image));
	for (;;) {
		static unsigned char payload[RF_FRAME_MAX_BYTES];
		struct rf_frame_header header;

		CHECK_EQUAL(rf_frame_receive(fd, &header, payload, sizeof(payload),
					     rf_io_deadline_ns(TEST_DEADLINE_MS)),
			    0);
		if (header.type == RF_FRAME_RUNNING) {
			CHECK_EQUAL(header.length_bytes, sizeof(running));
			return fd;
		}
		CHECK_EQUAL(header.type, RF_FRAME_NEED);
	}
}

void image_expect_refusal(const struct image *image, const struct node *node, const char *what,
			  void (*change)(struct image *), int error)
{
	struct rf_report report;
	struct image copy;
	int result;

	image_copy(&copy, image);
	change(&copy);
	result = image_offer(&copy, node, &report);
	dprintf(2, "%s: %s: %s\n", what, strerror(result), report.sentence);
	if (result != error)
		test_fail(__FILE__, __LINE__, "%s: the node says %d (%s), not %d (%s)", what,
			  result, strerror(result), error, strerror(error));
	CHECK(strlen(report.sentence) > 10);
	image_free(&copy);
}
