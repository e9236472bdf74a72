/* SPDX-License-Identifier: MIT */
/*
 * What has a descriptor and no name.
 */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/state/row.h"

static int object = -1;

static void make_event(void)
{
	object = CHECK_CALL(eventfd(5, EFD_NONBLOCK));
}

static void see_event(void)
{
	uint64_t count = 0;

	CHECK_EQUAL(read(object, &count, sizeof(count)), sizeof(count));
	CHECK_EQUAL(count, 5);
}

const struct state_row state_object_rows[] = {
	{ "eventfd", make_event, see_event, .ways = STATE_ALL },
	{ .kind = NULL },
};
