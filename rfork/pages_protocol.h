/* SPDX-License-Identifier: MIT */
/*
 * Between a ghost and its helper rfork-pages, over a SOCK_SEQPACKET socket: first an order, then
 * what the helper has to say.  Both are of one build; the end of the socket ends the helper.
 */
#ifndef RF_PAGES_PROTOCOL_H
#define RF_PAGES_PROTOCOL_H

#include <stdint.h>
#include <sys/socket.h>

#include "rfork/image_format.h"
#include "rfork/report.h"

/* The helper's descriptors, besides three of /dev/null. */
#define RF_PAGES_SOCKET_FD 3
#define RF_PAGES_RING_FD 4

struct rf_pages_order {
	struct sockaddr_storage address; /* where to listen; the port is the kernel's to choose */
	uint64_t ring_bytes;
	uint32_t connections;
	uint8_t token[RF_ROAD_TOKEN_BYTES];
};

enum rf_pages_word {
	RF_PAGES_READY, /* it listens: comes first, unless LOST does */
	RF_PAGES_LOST,	/* no page can be had by this road any more; the helper ends */
};

struct rf_pages_message {
	enum rf_pages_word word;
	/* READY: what ROAD and REMOTE_PAGES are to say */
	uint16_t family;
	uint16_t port;
	uint8_t address[16];
	uint32_t remote_key;
	uint64_t remote_address; /* of the ring's first byte */
	/* LOST */
	struct rf_report report;
};

#endif
