/* SPDX-License-Identifier: MIT */
/*
 * From the host's name to a node that knows us: address, connection, proof of the key, facts of
 * both machines.  Called by rfork.c and send.c, before anything is forked or sent.
 */
#define _GNU_SOURCE
#include "rfork/approach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rfork.h>

#include "rfork/arrival.h"
#include "rfork/auth.h"
#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/key.h"
#include "rfork/machine_facts.h"
#include "rfork/sys.h"
#include "rfork/transport.h"

static uint16_t default_port(void)
{
	const char *text = secure_getenv("RFORK_PORT");
	char *end;
	unsigned long port = text ? strtoul(text, &end, 10) : 0;

	return text && *text && !*end && port > 0 && port <= UINT16_MAX ? (uint16_t)port
									: RFORK_DEFAULT_PORT;
}

/* Proves who we are, and asks with the facts of this machine and of its terminal. */
static int authenticate(struct rf_flight *flight, const struct rf_frame_hello *hello,
			const struct rf_machine_facts *facts, const struct rf_terminal *terminal,
			const struct rf_options *options, const char *host,
			struct rf_report *report)
{
	struct rf_machine_facts request = *facts;
	struct rf_key key;
	int error;

	request.flags = terminal->device ? RF_FACTS_TERMINAL : 0;
	rf_sys_prctl(PR_GET_NAME, (unsigned long)request.program, 0, 0, 0);
	rf_state_lock();
	error = rf_key_load(&key, options->key_file, report);
	rf_state_unlock();
	if (error < 0)
		return error;
	error = rf_auth_caller(flight->connection, hello, &key, &request, options->deadline_ns,
			       host, report);
	rf_key_wipe(&key);
	if (error < 0 || !terminal->device)
		return error;
	error = rf_frame_send(flight->connection, RF_FRAME_TERMINAL, 0, 0, &terminal->state,
			      sizeof(terminal->state), options->deadline_ns);
	/* A node that has refused us closes: its sentence is read next. */
	if (error == 0 || error == -EPIPE || error == -ECONNRESET)
		return 0;
	return rf_report(report, -error, "connection to %s: %m", host);
}

int rf_approach_agree(struct rf_flight *flight, const struct rf_options *options, const char *host,
		      const struct rf_machine_facts *facts, struct rf_machine_facts *node,
		      struct rf_report *report)
{
	int error = rf_frame_expect(flight->connection, RF_FRAME_WELCOME, node, sizeof(*node),
				    options->deadline_ns, host, report);

	if (error == 0)
		error = rf_machine_facts_compare(facts, node, report);
	rf_report_sanitize(report); /* words of the node's may be in it */
	return error;
}

static int reach_node(struct rf_flight *flight, const char *host, const struct rf_options *options,
		      struct rf_frame_hello *hello, struct rf_report *report)
{
	struct rf_address address;
	int error = rf_address_parse(&address, host, default_port(), report);

	if (error < 0)
		return error;
	error = rf_transport_connect(&address, options->flags & RFORK_INSECURE_PLAINTEXT,
				     options->deadline_ns, &flight->connection, report);
	if (error < 0)
		return error;
	return rf_auth_hello(flight->connection, hello, options->deadline_ns, host, report);
}

/* The way of the ghost's word to the caller; on failure the flight closes what there is. */
static int open_status_pipe(struct rf_flight *flight, struct rf_report *report)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return rf_report(report, errno, "pipe: %m");
	flight->status_read = rf_io_above_stdio(ends[0]);
	flight->status_write = rf_io_above_stdio(ends[1]);
	if (flight->status_read < 0 || flight->status_write < 0)
		return rf_report(report, EMFILE, "pipe: %m");
	return 0;
}

/* Begins the ghost's order in the flight's arena.  The caller holds the lock.  NULL with a
 * report. */
static struct rf_ghost_order *begin_order(struct rf_flight *flight, const char *host,
					  const struct rf_options *options,
					  struct rf_report *report)
{
	struct rf_ghost_order *order;
	int error = rf_arena_map(&flight->arena, RF_ARENA_BYTES);

	if (error < 0) {
		rf_report(report, -error, "memory for the ghost: %m");
		return NULL;
	}
	order = rf_arena_take(&flight->arena, sizeof(*order));
	order->caller = getpid();
	order->connection = flight->connection;
	order->deadline_ns = options->deadline_ns;
	order->is_async = options->flags & RFORK_ASYNC;
	order->frozen = rf_frozen_check();
	rf_format(order->name, sizeof(order->name), "rfork:%s", host);
	rf_format(order->host, sizeof(order->host), "%s", host);
	order->request.flags = options->flags;
	order->request.fds = &order->fds;
	order->writer = rf_arena_take(&flight->arena, sizeof(*order->writer));
	rf_image_writer_init(order->writer, flight->connection, options->deadline_ns);
	/* Not permitted to a process that has changed its uid; then the ghost does it. */
	rf_procstate_read_ranges(&order->request.ranges, NULL);
	return open_status_pipe(flight, report) < 0 ? NULL : order;
}

struct rf_ghost_order *rf_approach(struct rf_flight *flight, const char *host,
				   const struct rf_options *options,
				   const struct rf_machine_facts *facts, struct rf_report *report)
{
	struct rf_frame_hello hello;
	struct rf_ghost_order *order;
	int error = reach_node(flight, host, options, &hello, report);

	if (error < 0)
		return NULL;
	if (!facts)
		facts = rf_state_facts(&error);
	if (!facts) {
		rf_report(report, -error, "the facts of this machine: %m");
		return NULL;
	}
	/* The node makes its challenge meanwhile. */
	rf_state_lock();
	order = begin_order(flight, host, options, report);
	if (order)
		rf_terminal_find(&order->terminal);
	rf_state_unlock();
	if (!order)
		return NULL;
	if (authenticate(flight, &hello, facts, &order->terminal, options, host, report) < 0)
		return NULL;
	return order;
}
