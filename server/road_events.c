/* SPDX-License-Identifier: MIT */
/*
 * What happens on the road: completed READs, the connection manager's news, and those of the
 * device.  Sleeps rather than looks again and again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>

#include "server/road.h"

static const char *const gone = "the RDMA device of the node is gone";

/* News of the queue wake us once for each time that it was armed. */
static void take_queue_event(struct rf_road *road)
{
	struct ibv_cq *queue;
	void *context;

	if (ibv_get_cq_event(road->completions, &queue, &context) == 0)
		ibv_ack_cq_events(queue, 1);
	else if (errno != EAGAIN && errno != EINTR)
		rf_road_lose(road, errno, "waiting for RDMA on the node: %m");
}

static void take_device_event(struct rf_road *road)
{
	struct ibv_async_event event;

	if (ibv_get_async_event(road->device, &event) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			rf_road_lose(road, ENODEV, "%s: %s", gone, strerrordesc_np(errno));
		return;
	}
	switch (event.event_type) {
	case IBV_EVENT_PORT_ERR:
		if (event.element.port_num != road->connections[0].id->port_num)
			break;
		/* fall through */
	case IBV_EVENT_DEVICE_FATAL:
	case IBV_EVENT_CQ_ERR:
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
		rf_road_lose(road, EIO, "the RDMA device of the node says: %s",
			     ibv_event_type_str(event.event_type));
		break;
	default: /* changes that do not end a connection */
		break;
	}
	ibv_ack_async_event(&event);
}

static void take_manager_event(struct rf_road *road)
{
	struct rdma_cm_event *event;
	enum rdma_cm_event_type type;

	if (rdma_get_cm_event(road->events, &event) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			rf_road_lose(road, errno, "the RDMA connection manager: %m");
		return;
	}
	type = event->event;
	rdma_ack_cm_event(event);
	if (type == RDMA_CM_EVENT_DISCONNECTED)
		rf_road_lose(road, ECONNRESET, "a page connection was closed at the caller's end");
	else if (type == RDMA_CM_EVENT_DEVICE_REMOVAL)
		rf_road_lose(road, ENODEV, "%s", gone);
}

int rf_road_wait(struct rf_road *road, int stream)
{
	struct pollfd polled[] = { { .fd = stream, .events = POLLIN },
				   { .fd = road->completions->fd, .events = POLLIN },
				   { .fd = road->device->async_fd, .events = POLLIN },
				   { .fd = road->events->fd, .events = POLLIN } };
	int done = rf_road_complete(road);

	/* What is completed between that look and the arming wakes nobody. */
	if (done == 0 && !rf_road_is_lost(road)) {
		if (ibv_req_notify_cq(road->queue, 0) != 0)
			rf_road_lose(road, EIO, "waiting for RDMA on the node: %m");
		done = rf_road_complete(road);
	}
	if (done < 0)
		return done;
	if (poll(polled, 4, done || rf_road_is_lost(road) ? 0 : -1) < 0)
		return errno == EINTR
			       ? 0
			       : rf_report(&road->shell->report, errno, "waiting for pages: %m");
	if (polled[1].revents)
		take_queue_event(road);
	if (polled[2].revents)
		take_device_event(road);
	if (polled[3].revents)
		take_manager_event(road);
	return polled[0].revents != 0;
}
