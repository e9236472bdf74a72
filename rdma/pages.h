/* SPDX-License-Identifier: MIT */
/*
 * rfork-pages: holds the memory from which a ghost's pages are read by RDMA.  What its parts share.
 */
#ifndef RDMA_PAGES_H
#define RDMA_PAGES_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>

#include "rfork/pages_protocol.h"
#include "rfork/protocol.h"

/* What is known of a page connection. */
enum pages_connection {
	PAGES_UNUSED,	/* its index has not been asked for */
	PAGES_ACCEPTED, /* it may still fail, and be tried again */
	PAGES_STANDING, /* or has stood: never again */
};

struct pages {
	struct rf_pages_order order;
	struct rdma_event_channel *events;
	struct rdma_cm_id *listener;
	struct ibv_pd *domain;
	struct ibv_cq *queue; /* nothing is ever completed here, but queue pairs need one */
	struct ibv_mr *region;
	void *ring;
	struct rdma_cm_id *connections[RF_ROAD_MAX_CONNECTIONS];
	enum pages_connection states[RF_ROAD_MAX_CONNECTIONS];
	uint8_t responder_resources; /* READs of one connection that the device serves at a time */
};

/* Tells the ghost that no page can be had any more, and ends. */
_Noreturn void pages_lose(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* pages_listen.c: listens at the ordered address, on the device that has it. */
void pages_listen(struct pages *pages);

/* pages_accept.c: acts upon events of the connection manager, and of the device, until there is
 * none. */
void pages_hear_manager(struct pages *pages);
void pages_hear_device(struct pages *pages);

/* pages_hello.c: whether the private data of a request are those of a connection that may be made,
 * and of which; looks at the token in constant time.  Any other: -1. */
int pages_check_hello(const void *data, size_t bytes, const struct rf_pages_order *order,
		      const enum pages_connection states[RF_ROAD_MAX_CONNECTIONS]);

#endif
