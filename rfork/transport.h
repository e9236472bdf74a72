/* SPDX-License-Identifier: MIT */
/*
 * From a host string to a connected descriptor.  All that follows works on any
 * stream descriptor; a new carrier is a new scheme here.
 */
#ifndef RF_TRANSPORT_H
#define RF_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/report.h"

enum rf_scheme { RF_SCHEME_TCP, RF_SCHEME_UNIX };

/* Whether pages are to take another road than the connection, which is RDMA. */
enum rf_road_wish {
	RF_ROAD_UNWANTED,
	RF_ROAD_IF_POSSIBLE, /* auto:// */
	RF_ROAD_DEMANDED,    /* rdma:// */
};

#define RF_HOST_MAX_BYTES 255

struct rf_address {
	enum rf_scheme scheme; /* of the connection */
	enum rf_road_wish road;
	uint16_t port;
	char name[RF_HOST_MAX_BYTES + 1]; /* host name, address, or path */
};

/*
 * Parses "name", "name:port", "[v6]:port", "tcp://...", "rdma://...", "auto://...", "unix:PATH".
 * default_port is taken where the string has none.  0, -EINVAL, or -ENOSYS for a scheme of a later
 * version, with a report.
 */
int rf_address_parse(struct rf_address *address, const char *host, uint16_t default_port,
		     struct rf_report *report);

/*
 * Connects; the descriptor is close-on-exec, blocking, without Nagle's delay and with keep-alive.
 * beyond_loopback allows addresses of other machines.
 * The descriptor is in *connection, -1 before, from its creation on and under rf_state_lock(): a
 * fork child of another thread can close it.
 * 0, or a negative errno of rfork(3) with a report; then *connection is -1.
 */
int rf_transport_connect(const struct rf_address *address, bool beyond_loopback,
			 int64_t deadline_ns, int *connection, struct rf_report *report);

/* Whether a connection is of AF_UNIX or loopback, and so leaves this machine by a tunnel, if at
 * all. */
bool rf_transport_is_local(int connection);

#endif
