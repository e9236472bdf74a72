/* SPDX-License-Identifier: MIT */
/*
 * Makes the page connections, all at a time: address, route, queue pair, connect request with the
 * token; and takes everything down again.  What fails here makes the road lost; only the caller's
 * end is an error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "rfork/io.h"
#include "server/road.h"

#define RESOLVE_MS 3000
/* A listener rejects while it is being set up, or out of backlog. */
#define RETRY_NS 20000000

#define RETRIES 7 /* the most that a queue pair can be told */

/* -- addresses ---------------------------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage storage;
};

/* An IPv4 address in IPv6's clothes, as a socket that takes both has them. */
static void unmap(union address *address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (address->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
		return;
	memcpy(&v4.sin_addr, address->v6.sin6_addr.s6_addr + 12, sizeof(v4.sin_addr));
	address->v4 = v4;
}

/* The address at which the caller has reached this node, if RDMA could start from there. */
static bool find_own_address(const struct rf_road *road, union address *own)
{
	socklen_t bytes = sizeof(*own);

	if (getsockname(road->shell->connection, &own->any, &bytes) < 0)
		return false;
	unmap(own);
	if (own->any.sa_family != road->where.family)
		return false;
	if (own->any.sa_family == AF_INET) {
		own->v4.sin_port = 0;
		return ntohl(own->v4.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
	}
	own->v6.sin6_port = 0;
	return !IN6_IS_ADDR_LOOPBACK(&own->v6.sin6_addr);
}

/* Where ROAD says.  An address of one link is on that by which the caller has come. */
static union address find_address(const struct rf_road *road)
{
	const struct rf_image_road *where = &road->where;
	union address address = { .any = { .sa_family = where->family } }, peer;
	socklen_t bytes = sizeof(peer);

	if (where->family == AF_INET) {
		address.v4.sin_port = htons(where->port);
		memcpy(&address.v4.sin_addr, where->address, sizeof(address.v4.sin_addr));
		return address;
	}
	address.v6.sin6_port = htons(where->port);
	memcpy(&address.v6.sin6_addr, where->address, sizeof(address.v6.sin6_addr));
	if (IN6_IS_ADDR_LINKLOCAL(&address.v6.sin6_addr) &&
	    getpeername(road->shell->connection, &peer.any, &bytes) == 0 &&
	    peer.any.sa_family == AF_INET6)
		address.v6.sin6_scope_id = peer.v6.sin6_scope_id;
	return address;
}

/* -- steps of a connection -------------------------------------------------------------------- */

static void drop_connection(struct rf_road_connection *connection)
{
	if (connection->id && connection->id->qp)
		rdma_destroy_qp(connection->id);
	if (connection->id)
		rdma_destroy_id(connection->id);
	*connection = (struct rf_road_connection){ .not_before_ns = connection->not_before_ns };
}

static void start(struct rf_road *road, struct rf_road_connection *connection)
{
	union address own, address = find_address(road);
	bool has_own = find_own_address(road, &own);

	connection->state = RF_ROAD_RESOLVING;
	if (rdma_create_id(road->events, &connection->id, connection, RDMA_PS_TCP) < 0) {
		connection->id = NULL;
		rf_road_lose(road, errno, "a page connection: %m");
	} else if (rdma_resolve_addr(connection->id, has_own ? &own.any : NULL, &address.any,
				     RESOLVE_MS) < 0) {
		rf_road_lose(road, errno, "no RDMA device of the node reaches the caller: %m");
	}
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* What all connections share. */
static int open_device(struct rf_road *road, struct rdma_cm_id *id)
{
	struct ibv_device_attr device;
	struct ibv_port_attr port;
	int error = ibv_query_device(id->verbs, &device);
	int entries;

	if (error == 0)
		error = ibv_query_port(id->verbs, id->port_num, &port);
	if (error)
		return -error;
	road->max_read_bytes = port.max_msg_sz;
	road->reads_per_connection = RF_ROAD_READS;
	if (device.max_qp_wr < (int)RF_ROAD_READS)
		road->reads_per_connection = (uint32_t)device.max_qp_wr;
	entries = (int)(road->where.connections * road->reads_per_connection);
	if (entries > device.max_cqe)
		return -ENOSPC;
	road->domain = ibv_alloc_pd(road->device);
	if (road->domain)
		road->completions = ibv_create_comp_channel(road->device);
	if (road->completions)
		road->queue = ibv_create_cq(road->device, entries, NULL, road->completions, 0);
	if (!road->queue)
		return -errno;
	error = set_nonblocking(road->completions->fd);
	return error < 0 ? error : set_nonblocking(road->device->async_fd);
}

static int make_queue_pair(struct rf_road *road, struct rdma_cm_id *id)
{
	struct ibv_qp_init_attr attributes = {
		.send_cq = road->queue,
		.recv_cq = road->queue,
		.cap = { .max_send_wr = road->reads_per_connection,
			 .max_recv_wr = 1, /* none comes, but some providers want one */
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
	};

	return rdma_create_qp(id, road->domain, &attributes) < 0 ? -errno : 0;
}

static int request(struct rf_road *road, const struct rf_road_connection *connection)
{
	struct rf_road_hello hello = { .magic = { 'R', 'F', 'O', 'R', 'K', 'R', 'D', '1' },
				       .index = (uint32_t)(connection - road->connections) };
	struct rdma_conn_param parameters = {
		.private_data = &hello,
		.private_data_len = sizeof(hello),
		.initiator_depth = RDMA_MAX_INIT_DEPTH, /* as many READs as the device can */
		.retry_count = RETRIES,
		.rnr_retry_count = RETRIES,
	};

	memcpy(hello.token, road->where.token, sizeof(hello.token));
	return rdma_connect(connection->id, &parameters) < 0 ? -errno : 0;
}

/* The address has been resolved: a device reaches it. */
static void find_route(struct rf_road *road, struct rf_road_connection *connection)
{
	const char *name = ibv_get_device_name(connection->id->verbs->device);

	if (!road->device)
		road->device = connection->id->verbs;
	if (road->device_name[0] && strcmp(name, road->device_name) != 0)
		rf_road_lose(road, ENODEV,
			     "the node reaches the caller by RDMA device %s, not by %s", name,
			     road->device_name);
	else if (road->device != connection->id->verbs)
		rf_road_lose(road, ENODEV, "the node reaches the caller by several RDMA devices");
	else if (rdma_resolve_route(connection->id, RESOLVE_MS) < 0)
		rf_road_lose(road, errno, "the route of a page connection: %m");
}

static void connect_to_peer(struct rf_road *road, struct rf_road_connection *connection)
{
	int error = road->queue ? 0 : open_device(road, connection->id);

	if (error == 0)
		error = make_queue_pair(road, connection->id);
	if (error == 0)
		error = request(road, connection);
	connection->state = RF_ROAD_CONNECTING;
	if (error < 0)
		rf_road_lose(road, -error, "a queue pair on RDMA device %s of the node: %m",
			     ibv_get_device_name(connection->id->verbs->device));
}

/* Acts upon an event that has been taken; status is the event's. */
static void take_step(struct rf_road *road, struct rf_road_connection *connection,
		      enum rdma_cm_event_type type, int status)
{
	switch (type) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		find_route(road, connection);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		connect_to_peer(road, connection);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		connection->state = RF_ROAD_CONNECTED;
		break;
	case RDMA_CM_EVENT_REJECTED:
		drop_connection(connection);
		connection->not_before_ns = rf_io_now_ns() + RETRY_NS;
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
		rf_road_lose(road, status < 0 ? -status : EHOSTUNREACH,
			     "no RDMA device of the node reaches the caller: %m");
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		rf_road_lose(road, ECONNRESET, "a page connection was closed at the caller's end");
		break;
	default:
		rf_road_lose(road, status < 0 ? -status : EHOSTUNREACH, "a page connection: %s: %m",
			     rdma_event_str(type));
	}
}

static void take_event(struct rf_road *road)
{
	struct rdma_cm_event *event;
	struct rf_road_connection *connection;
	enum rdma_cm_event_type type;
	int status;

	if (rdma_get_cm_event(road->events, &event) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			rf_road_lose(road, errno, "the RDMA connection manager: %m");
		return;
	}
	connection = event->id->context;
	type = event->event;
	status = event->status;
	/* before anything else, for an identifier is not destroyed while an event of its is held */
	rdma_ack_cm_event(event);
	take_step(road, connection, type, status);
}

/* -- all of them ------------------------------------------------------------------------------ */

/* Starts what is idle and may; how many stand, and when the next idle one may start. */
static uint32_t start_idle(struct rf_road *road, int64_t *next_ns)
{
	int64_t now_ns = rf_io_now_ns();
	uint32_t connected = 0;

	for (uint32_t i = 0; i < road->where.connections; i++) {
		struct rf_road_connection *connection = &road->connections[i];

		connected += connection->state == RF_ROAD_CONNECTED;
		if (connection->state != RF_ROAD_IDLE)
			continue;
		if (connection->not_before_ns <= now_ns)
			start(road, connection);
		else if (connection->not_before_ns < *next_ns)
			*next_ns = connection->not_before_ns;
	}
	return connected;
}

/* Waits for an event until a time.  That the caller closes its connection is the end. */
static int await_event(struct rf_road *road, int64_t until_ns)
{
	struct pollfd polled[] = { { .fd = road->events->fd, .events = POLLIN },
				   { .fd = road->shell->connection, .events = POLLRDHUP } };
	int64_t left_ns = until_ns - rf_io_now_ns();
	struct timespec left = { .tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000 };

	if (left_ns <= 0)
		return 0;
	if (ppoll(polled, 2, &left, NULL) < 0 && errno != EINTR)
		return rf_report(&road->shell->report, errno, "waiting for page connections: %m");
	if (polled[1].revents)
		return rf_report(&road->shell->report, ECONNRESET,
				 "the caller closed the connection");
	if (polled[0].revents)
		take_event(road);
	return 0;
}

int rf_road_connect(struct rf_road *road)
{
	int64_t deadline_ns = rf_io_deadline_ns((int)road->where.connect_ms);
	int error = 0;

	road->events = rdma_create_event_channel();
	if (!road->events || set_nonblocking(road->events->fd) < 0)
		rf_road_lose(road, errno, "the RDMA connection manager of the node: %m");
	while (error == 0 && !rf_road_is_lost(road)) {
		int64_t next_ns = deadline_ns;

		if (start_idle(road, &next_ns) == road->where.connections)
			return rf_road_open_memory(road);
		if (rf_io_now_ns() >= deadline_ns)
			rf_road_lose(road, ETIMEDOUT, "page connections cannot be made: %m");
		else if (!rf_road_is_lost(road))
			error = await_event(road, next_ns);
	}
	return error;
}

/* A queue pair that is destroyed writes no more; only then memory may be given back. */
void rf_road_disconnect(struct rf_road *road)
{
	for (uint32_t i = 0; i < RF_ROAD_MAX_CONNECTIONS; i++)
		drop_connection(&road->connections[i]);
	for (uint32_t i = 0; i < RF_ROAD_PIECES; i++) {
		if (road->pieces[i].record)
			rf_road_give_memory(road, &road->pieces[i], false);
		road->pieces[i].record = NULL;
	}
	rf_road_close_memory(road);
	if (road->queue)
		ibv_destroy_cq(road->queue);
	if (road->completions)
		ibv_destroy_comp_channel(road->completions);
	if (road->domain)
		ibv_dealloc_pd(road->domain);
	if (road->events)
		rdma_destroy_event_channel(road->events);
	/* librdmacm has opened it, and would keep it open as long as the program runs */
	if (road->device)
		ibv_close_device(road->device);
	road->queue = NULL;
	road->completions = NULL;
	road->domain = NULL;
	road->events = NULL;
	road->device = NULL;
}
