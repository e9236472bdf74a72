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
#include <sys/utsname.h>
#include <unistd.h>

#include <rfork.h>

#include "rfork/arrival.h"
#include "rfork/auth.h"
#include "rfork/boot_id.h"
#include "rfork/drop.h"
#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/key.h"
#include "rfork/machine_facts.h"
#include "rfork/rdma_device.h"
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

/* -- the road of the pages ------------------------------------------------------------------ */

/* Of less than this the pages have arrived by the connection before another road is made: see
 * bench/README.md. */
#define ROAD_WORTH_BYTES ((uint64_t)64 << 20)

static uint64_t road_worth_bytes(void)
{
	const char *text = secure_getenv("RFORK_RDMA_MIN_BYTES");
	char *end;
	unsigned long long bytes = text ? strtoull(text, &end, 10) : 0;

	return text && *text >= '0' && *text <= '9' && !*end ? bytes : ROAD_WORTH_BYTES;
}

/* The bytes behind `name` in what proc_pid_status(5) describes, which counts KiB. */
static uint64_t find_bytes(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, 10) << 10 : 0;
}

/* The memory of this process that is not a file's: about what an image of it carries. */
static uint64_t own_data_bytes(void)
{
	char status[8192] = "";

	rf_state_lock();
	rf_io_read_file("/proc/self/status", status, sizeof(status)); /* the beginning will do */
	rf_state_unlock();
	return find_bytes(status, "\nRssAnon:") + find_bytes(status, "\nRssShmem:") +
	       find_bytes(status, "\nVmSwap:");
}

static bool has_device(void)
{
	bool found;

	rf_state_lock();
	found = rf_rdma_has_device();
	rf_state_unlock();
	return found;
}

/* Decides whether the node is asked for another road.  0, or -ENODEV with a report. */
static int choose_road(enum rf_road_wish *road, const char *host,
		       const struct rf_approach_image *image, struct rf_report *report)
{
	struct utsname names = { .nodename = "" };

	if (*road == RF_ROAD_UNWANTED)
		return 0;
	if (!has_device()) {
		uname(&names);
		if (*road == RF_ROAD_DEMANDED)
			return rf_report(report, ENODEV, "%s: this machine, %s, has no RDMA device",
					 host, names.nodename);
		*road = RF_ROAD_UNWANTED;
	} else if ((image ? image->data_bytes : own_data_bytes()) < road_worth_bytes()) {
		*road = RF_ROAD_UNWANTED;
	}
	return 0;
}

#ifndef RF_PAGES_DIRECTORY
#define RF_PAGES_DIRECTORY "/usr/local/libexec/rfork"
#endif

/* Where the ghost finds its helper; read here, where there is an environment. */
static const char *find_helper(struct rf_arena *arena)
{
	const char *given = secure_getenv("RFORK_PAGES_HELPER");
	const char *path = given && *given ? given : RF_PAGES_DIRECTORY "/rfork-pages";
	size_t bytes = strlen(path) + 1;
	char *copy = rf_arena_take(arena, bytes);

	return copy ? memcpy(copy, path, bytes) : NULL;
}

static bool is_this_machine(const struct rf_machine_facts *node)
{
	uint8_t boot_id[RF_BOOT_ID_BYTES];

	rf_state_lock();
	rf_boot_id_read(boot_id);
	rf_state_unlock();
	return rf_boot_id_is_same(boot_id, node->boot_id);
}

/* Takes the node's answer.  Who has not allowed plaintext has reached it by loopback; if it is
 * another machine all the same, that was a tunnel, which pages by RDMA would go around. */
static int settle_road(struct rf_ghost_order *order, const struct rf_options *options,
		       const struct rf_machine_facts *node, struct rf_report *report)
{
	char name[sizeof(node->host_name) + 1] = "";

	if (order->road == RF_ROAD_UNWANTED)
		return 0;
	memcpy(name, node->host_name, sizeof(node->host_name));
	if (!(node->flags & RF_FACTS_RDMA))
		rf_report(report, ENODEV,
			  "%s: the node, %s, has no RDMA device, or is told not to use it",
			  order->host, name);
	else if (!(options->flags & RFORK_INSECURE_PLAINTEXT) && !is_this_machine(node))
		rf_report(report, EPERM,
			  "%s: the node, %s, is another machine, and pages by RDMA are not "
			  "encrypted; RFORK_INSECURE_PLAINTEXT allows it",
			  order->host, name);
	else
		return 0;
	if (order->road == RF_ROAD_DEMANDED)
		return -report->error;
	*report = (struct rf_report){ 0 };
	order->road = RF_ROAD_UNWANTED;
	return 0;
}

/* -- the compression of the pages ------------------------------------------------------------ */

/* What the node is asked for. */
static uint32_t codec_flags(unsigned compression)
{
	switch (compression) {
	case RFORK_COMPRESS_LZ4:
		return RF_FACTS_LZ4;
	case RFORK_COMPRESS_ZSTD:
		return RF_FACTS_ZSTD;
	case RFORK_COMPRESS_AUTO:
		return RF_FACTS_LZ4 | RF_FACTS_ZSTD;
	}
	return 0;
}

/* Takes the node's answer.  A codec that was asked for by name must be had; within one machine none
 * could be quicker than no codec. */
static int settle_compression(struct rf_ghost_order *order, const struct rf_options *options,
			      const struct rf_machine_facts *node, struct rf_report *report)
{
	bool is_auto = options->compression == RFORK_COMPRESS_AUTO;
	uint32_t lacking = codec_flags(options->compression) & ~node->flags;
	char name[sizeof(node->host_name) + 1] = "";

	memcpy(name, node->host_name, sizeof(node->host_name));
	if (lacking && !is_auto)
		return rf_report(report, ENOTSUP, "%s: the node, %s, cannot unpack pages by %s",
				 order->host, name, lacking == RF_FACTS_LZ4 ? "LZ4" : "zstd");
	order->compression = options->compression;
	order->codecs = (node->flags & RF_FACTS_LZ4 ? RF_CODEC_BIT(RF_CODEC_LZ4) : 0) |
			(node->flags & RF_FACTS_ZSTD ? RF_CODEC_BIT(RF_CODEC_ZSTD) : 0);
	if (is_auto && (order->codecs == 0 ||
			(is_this_machine(node) && rf_transport_is_local(order->connection))))
		order->compression = RFORK_COMPRESS_NONE;
	return 0;
}

/* -- the handshake ---------------------------------------------------------------------------- */

/* Proves who we are, and asks with the facts of this machine and of its terminal. */
static int authenticate(struct rf_flight *flight, const struct rf_frame_hello *hello,
			const struct rf_machine_facts *facts, const struct rf_ghost_order *order,
			const struct rf_options *options, struct rf_report *report)
{
	const struct rf_terminal *terminal = &order->terminal;
	struct rf_machine_facts request = *facts;
	struct rf_key key;
	int error;

	request.flags = terminal->device ? RF_FACTS_TERMINAL : 0;
	if (order->road != RF_ROAD_UNWANTED)
		request.flags |= RF_FACTS_RDMA;
	if (options->is_check)
		request.flags |= RF_FACTS_CHECK;
	request.flags |= codec_flags(options->compression);
	rf_sys_prctl(PR_GET_NAME, (unsigned long)request.program, 0, 0, 0);
	rf_state_lock();
	error = rf_key_load(&key, options->key_file, report);
	rf_state_unlock();
	if (error < 0)
		return error;
	error = rf_auth_caller(flight->connection, hello, &key, &request, options->deadline_ns,
			       order->host, report);
	rf_key_wipe(&key);
	if (error < 0 || !terminal->device)
		return error;
	error = rf_frame_send(flight->connection, RF_FRAME_TERMINAL, 0, 0, &terminal->state,
			      sizeof(terminal->state), options->deadline_ns);
	/* A node that has refused us closes: its sentence is read next. */
	if (error == 0 || error == -EPIPE || error == -ECONNRESET)
		return 0;
	return rf_report(report, -error, "connection to %s: %m", order->host);
}

int rf_approach_agree(struct rf_flight *flight, const struct rf_options *options,
		      struct rf_ghost_order *order, const struct rf_machine_facts *facts,
		      struct rf_machine_facts *node, struct rf_report *report)
{
	int error = rf_frame_expect(flight->connection, RF_FRAME_WELCOME, node, sizeof(*node),
				    options->deadline_ns, order->host, report);

	if (error == 0)
		error = rf_machine_facts_compare(facts, node, report);
	if (error == 0)
		error = settle_road(order, options, node, report);
	if (error == 0)
		error = settle_compression(order, options, node, report);
	rf_report_sanitize(report); /* words of the node's may be in it */
	return error;
}

static int reach_node(struct rf_flight *flight, const char *host, const struct rf_options *options,
		      const struct rf_approach_image *image, struct rf_frame_hello *hello,
		      enum rf_road_wish *road, struct rf_report *report)
{
	struct rf_address address;
	int error = rf_address_parse(&address, host, default_port(), report);

	if (error == 0)
		error = choose_road(&address.road, host, image, report);
	if (error < 0)
		return error;
	*road = address.road;
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
	const char *scheme = strstr(host, "://");
	const char *name = scheme ? scheme + strlen("://") : host;
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
	rf_format(order->name, sizeof(order->name), "rfork:%s", name);
	rf_format(order->host, sizeof(order->host), "%s", host);
	order->request.flags = options->flags;
	order->request.fds = &order->fds;
	order->request.refusals = &order->refusals;
	rf_refusals_begin(&order->refusals, rf_arena_take(&flight->arena, RF_REFUSALS_BYTES),
			  RF_REFUSALS_BYTES);
	order->writer = rf_arena_take(&flight->arena, sizeof(*order->writer));
	rf_image_writer_init(order->writer, flight->connection, options->deadline_ns);
	if (rf_drop_choose(&order->writer->drop, &flight->arena, report) < 0)
		return NULL;
	rf_attributes_collect(&order->attributes);
	order->request.attributes = &order->attributes;
	/* Not permitted to a process that has changed its uid; then the ghost does it. */
	rf_procstate_read_ranges(&order->request.ranges, NULL);
	return open_status_pipe(flight, report) < 0 ? NULL : order;
}

struct rf_ghost_order *rf_approach(struct rf_flight *flight, const char *host,
				   const struct rf_options *options,
				   const struct rf_approach_image *image, struct rf_report *report)
{
	const struct rf_machine_facts *facts;
	struct rf_frame_hello hello;
	struct rf_ghost_order *order;
	enum rf_road_wish road;
	int error = reach_node(flight, host, options, image, &hello, &road, report);

	if (error < 0)
		return NULL;
	facts = image ? image->facts : rf_state_facts(&error);
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
	order->road = road;
	if (road != RF_ROAD_UNWANTED)
		order->pages_helper = find_helper(&flight->arena);
	if (road != RF_ROAD_UNWANTED && !order->pages_helper) {
		rf_report(report, ENAMETOOLONG, "RFORK_PAGES_HELPER: %m");
		return NULL;
	}
	if (authenticate(flight, &hello, facts, order, options, report) < 0)
		return NULL;
	return order;
}

struct rf_ghost_order *rf_approach_nobody(struct rf_flight *flight,
					  const struct rf_options *options,
					  struct rf_report *report)
{
	struct rf_ghost_order *order;

	rf_state_lock();
	order = begin_order(flight, "nobody", options, report);
	if (order) {
		rf_terminal_find(&order->terminal);
		order->request.same_boot = true; /* nobody wants digests */
	}
	rf_state_unlock();
	return order;
}
