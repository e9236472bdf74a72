/* SPDX-License-Identifier: MIT */
/*
 * The listener's event loop: accepts connections for the sessions, reaps them, and cleans
 * up after those that died.
 */
#ifndef RF_MONITOR_H
#define RF_MONITOR_H

#include "rfork/key.h"
#include "server/listener.h"
#include "server/sessions.h"

struct rf_monitor {
	const struct rf_config *config;
	struct rf_listener *listener;
	struct rf_sessions *sessions;
	struct rf_key *key;
	int signals; /* signalfd */
	int poll;    /* epoll */
	uint32_t last_connection_id;
	bool accepting; /* the listening sockets are in the epoll set */
	bool starved;	/* no descriptor or memory for a connection: pause */
	bool ending;	/* after the first SIGTERM */
};

/* Blocks the signals, opens signalfd and epoll, becomes a subreaper; a report on failure. */
int rf_monitor_prepare(struct rf_monitor *monitor, struct rf_report *report);

/* Runs until SIGTERM or SIGINT and the end of all children; 0 or a negative errno. */
int rf_monitor_run(struct rf_monitor *monitor, struct rf_report *report);

#endif
