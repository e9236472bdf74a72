/* SPDX-License-Identifier: MIT */
/*
 * Who may make a page connection (doc/protocol.txt, 8).  Called by pages_accept.c with what a
 * stranger has sent.
 */
#include <stddef.h>
#include <string.h>

#include "rdma/pages.h"

static bool is_equal(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	volatile uint8_t difference = 0;

	for (size_t i = 0; i < bytes; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

int pages_check_hello(const void *data, size_t bytes, const struct rf_pages_order *order,
		      const enum pages_connection states[RF_ROAD_MAX_CONNECTIONS])
{
	struct rf_road_hello hello;

	/* the manager may have padded it */
	if (!data || bytes < sizeof(hello))
		return -1;
	memcpy(&hello, data, sizeof(hello));
	if (memcmp(hello.magic, RF_ROAD_MAGIC, sizeof(hello.magic)) || hello.reserved ||
	    !is_equal(hello.token, order->token, sizeof(hello.token)))
		return -1;
	if (hello.index >= order->connections || hello.index >= RF_ROAD_MAX_CONNECTIONS ||
	    states[hello.index] != PAGES_UNUSED)
		return -1;
	return (int)hello.index;
}
