/* SPDX-License-Identifier: MIT */
/*
 * Claim: a thread that is cancelled in rfork() finishes the call first: no descriptor is left, and
 * later forks and moves work.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "tests/support/fake_node.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"

static int calls[2]; /* a byte comes when the thread is about to call */

static void *move_to_silence(void *host)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = RFORK_CLOSE_OTHERS,
					 .timeout_ms = 300 };

	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* the call, not the writing */
	test_write(calls[1], "", 1);
	pthread_setcancelstate(state, &state);
	CHECK_EQUAL(rfork_with(host, &options), -1);
	CHECK_EQUAL(errno, ETIMEDOUT);
	pthread_testcancel();
	return NULL;
}

int main(void)
{
	struct fake_node fake;
	struct node node;
	pthread_t thread;
	void *result;
	char byte;
	int before;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(calls));
	fake_node_start(&fake, FAKE_SILENT, NULL);
	before = dup(0);
	close(before);
	CHECK_EQUAL(pthread_create(&thread, NULL, move_to_silence, fake.host), 0);
	CHECK_EQUAL(test_read(calls[0], &byte, 1), 1);
	CHECK_EQUAL(pthread_cancel(thread), 0);
	CHECK_EQUAL(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	CHECK_EQUAL(dup(0), before);
	close(before);
	fake_node_finish(&fake);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
