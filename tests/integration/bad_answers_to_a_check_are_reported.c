/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node that does not answer a check as it should leaves nothing behind, and is no refusal
 * but an error: one that hangs up, says that a child runs, sends frames that are malformed, or
 * refusals that are none, or says nothing until the time is over.  What it does refuse is counted,
 * be it ENOTSUP or a CPU that lacks a feature, also if it hangs up nowhere but behind.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/scripted_node.h"

static unsigned char key[32];

static void put_refusal(int connection, unsigned flags, int32_t error, const char *sentence)
{
	char payload[256];

	memcpy(payload, &error, sizeof(error));
	memcpy(payload + sizeof(error), sentence, strlen(sentence));
	scripted_node_put(connection, RF_FRAME_REFUSED, flags, 0, payload,
			  (uint32_t)(sizeof(error) + strlen(sentence)));
}

static void refuse_two(int connection)
{
	put_refusal(connection, RF_REFUSED_MORE, ENOTSUP, "descriptor 7: one\nthing");
	put_refusal(connection, RF_REFUSED_MORE, ENOEXEC, "another");
	scripted_node_put(connection, RF_FRAME_CHECKED, 0, 0, NULL, 0);
}

static void refuse_at_last(int connection)
{
	put_refusal(connection, RF_REFUSED_MORE, ENOTSUP, "first");
	put_refusal(connection, 0, ENOTSUP, "last");
}

static void fail_at_last(int connection)
{
	put_refusal(connection, RF_REFUSED_MORE, ENOTSUP, "first");
	put_refusal(connection, 0, EIO, "the disk is broken");
}

static void fail_with_more(int connection)
{
	put_refusal(connection, RF_REFUSED_MORE, ENOMEM, "no memory");
	scripted_node_put(connection, RF_FRAME_CHECKED, 0, 0, NULL, 0);
}

static void say_that_it_runs(int connection)
{
	const struct rf_frame_running running = { .pid = 1 };

	scripted_node_put(connection, RF_FRAME_RUNNING, 0, 0, &running, sizeof(running));
}

static void say_too_much(int connection)
{
	scripted_node_put(connection, RF_FRAME_CHECKED, 0, 0, "x", 1);
}

static void use_unknown_flag(int connection)
{
	put_refusal(connection, 2, ENOTSUP, "flagged");
}

static void refuse_without_a_word(int connection)
{
	put_refusal(connection, RF_REFUSED_MORE, ENOTSUP, "");
}

static void hang_up(int connection)
{
	shutdown(connection, SHUT_RDWR);
}

static void say_nothing(int connection)
{
	(void)connection;
}

/* result: the number of refusals, or a negative errno. */
static void expect(void (*script)(int connection), int result, const char *list)
{
	struct rfork_options options = { .size = sizeof(options), .timeout_ms = 300 };
	static struct footprint before;
	struct scripted_node scripted;
	char got[1024];
	int count;

	if (script != say_nothing)
		options.timeout_ms = 0;
	scripted_node_start_at_end(&scripted, key, script);
	footprint_take(&before);
	footprint_take(&before);
	count = rfork_check(scripted.host, &options, got, sizeof(got));
	if (count < 0) {
		count = -errno;
		dprintf(2, "%s\n", rfork_error());
	}
	CHECK_EQUAL(count, result);
	if (list)
		CHECK_TEXT(got, list);
	footprint_expect(&before);
	scripted_node_finish(&scripted);
}

/* A machine whose CPU can do nothing. */
static void check_features(void)
{
	char list[2048] = "", host[96];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), connection;
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/rfork-test-%d.socket",
		 (int)getpid());
	snprintf(host, sizeof(host), "unix:%s", address.sun_path);
	unlink(address.sun_path);
	CHECK_CALL(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	CHECK_CALL(listen(fd, 1));
	pid = CHECK_CALL(fork());
	if (!pid) {
		connection = CHECK_CALL(accept(fd, NULL, NULL));
		scripted_node_is_without_features = true;
		scripted_node_shake_hands(connection, key);
		_exit(0);
	}
	close(fd);
	CHECK_EQUAL(rfork_check(host, NULL, list, sizeof(list)), 1);
	dprintf(2, "%s", list);
	CHECK(strstr(list, "lacks ") && strstr(list, "sse"));
	test_expect_exit(pid, 0);
	CHECK_CALL(unlink(address.sun_path));
}

int main(void)
{
	struct node node;

	test_begin();
	node_prepare(&node);
	memcpy(key, node.key, sizeof(key));
	expect(refuse_two, 2, "descriptor 7: one?thing\nanother\n");
	expect(refuse_at_last, 2, "first\nlast\n");
	expect(fail_at_last, -EIO, NULL);
	expect(fail_with_more, -ENOMEM, NULL);
	expect(say_that_it_runs, -EBADMSG, NULL);
	expect(say_too_much, -EBADMSG, NULL);
	expect(use_unknown_flag, -EBADMSG, NULL);
	expect(refuse_without_a_word, -EBADMSG, NULL);
	expect(hang_up, -ECONNRESET, NULL);
	expect(say_nothing, -ETIMEDOUT, NULL);
	check_features();
	test_remove_directory(node.directory);
	return test_end();
}
