/* SPDX-License-Identifier: MIT */
/*
 * Claim: without a common protocol version the caller gets EPROTONOSUPPORT, and a node says so to
 * a caller of the future; a node that picks a version nobody offered is not followed.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "tests/support/fake_node.h"
#include "tests/support/node.h"
#include "tests/support/proxy.h"

static void check_caller(const struct node *node, enum fake_manner manner, const char *names)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	struct fake_node fake;

	fake_node_start(&fake, manner, node->key);
	CHECK_EQUAL(rfork_with(fake.host, &options), -1);
	CHECK_EQUAL(errno, EPROTONOSUPPORT);
	dprintf(2, "refused: %s\n", rfork_error());
	CHECK(strstr(rfork_error(), names));
	CHECK_EQUAL(fake_node_finish(&fake), 0);
}

static void check_node(const struct node *node)
{
	struct rf_frame_hello hello = { .version_min = 7, .version_max = 9 };
	int fd = proxy_connect(node->port);
	struct rf_report report = { .error = 0 };
	char challenge[sizeof(struct rf_frame_challenge)];

	memcpy(hello.magic, RF_PROTOCOL_MAGIC, sizeof(hello.magic));
	CHECK_EQUAL(rf_frame_send(fd, RF_FRAME_HELLO, 0, 0, &hello, sizeof(hello),
				  rf_io_deadline_ns(TEST_DEADLINE_MS)),
		    0);
	CHECK_EQUAL(rf_frame_expect(fd, RF_FRAME_CHALLENGE, challenge, sizeof(challenge),
				    rf_io_deadline_ns(TEST_DEADLINE_MS), "the node", &report),
		    -EPROTONOSUPPORT);
	dprintf(2, "refused: %s\n", report.sentence);
	close(fd);
}

int main(void)
{
	struct node_load load;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	check_caller(&node, FAKE_OTHER_VERSION, "7 to 9");
	check_caller(&node, FAKE_CHOSE_99, "99");
	check_node(&node);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
