/* SPDX-License-Identifier: MIT */
/*
 * Page connections come and go, and so may the device.  Called by pages.c when there are events; any
 * request is a stranger's until its hello has been checked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "rdma/pages.h"

/* -- connections -------------------------------------------------------------------------------- */

static int find_connection(const struct pages *pages, const struct rdma_cm_id *id)
{
	for (int i = 0; i < (int)RF_ROAD_MAX_CONNECTIONS; i++)
		if (pages->connections[i] == id)
			return i;
	return -1;
}

/* 0 or an errno. */
static int make_queue_pair(struct pages *pages, struct rdma_cm_id *id)
{
	/* it only answers: what is posted here is nothing */
	struct ibv_qp_init_attr attributes = {
		.send_cq = pages->queue,
		.recv_cq = pages->queue,
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	return rdma_create_qp(id, pages->domain, &attributes) < 0 ? errno : 0;
}

/* 0 or an errno; the identifier is destroyed by who called if it fails. */
static int accept_request(struct pages *pages, struct rdma_cm_id *id,
			  const struct rdma_conn_param *asked)
{
	struct rdma_conn_param granted = {
		.responder_resources = asked->responder_resources < pages->responder_resources
					       ? asked->responder_resources
					       : pages->responder_resources,
		.rnr_retry_count = 7,
	};
	int error;

	/* of another device, which has not registered the ring */
	if (id->verbs != pages->listener->verbs)
		return EXDEV;
	error = make_queue_pair(pages, id);
	if (error)
		return error;
	if (rdma_accept(id, &granted) == 0)
		return 0;
	error = errno;
	rdma_destroy_qp(id);
	return error;
}

/* A connection that has not come to stand may be tried again, one that has may not. */
static void hear_request(struct pages *pages, const struct rdma_cm_event *event)
{
	const struct rdma_conn_param *asked = &event->param.conn;
	int index = pages_check_hello(asked->private_data, asked->private_data_len, &pages->order,
				      pages->states);

	if (index >= 0 && accept_request(pages, event->id, asked) == 0) {
		pages->connections[index] = event->id;
		pages->states[index] = PAGES_ACCEPTED;
		return;
	}
	rdma_reject(event->id, NULL, 0);
}

/* -- events of the manager ---------------------------------------------------------------------- */

/* Acts upon an event; true if its identifier is to be destroyed, once the event has been acknowledged. */
static bool act(struct pages *pages, const struct rdma_cm_event *event)
{
	int index = find_connection(pages, event->id);

	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		hear_request(pages, event);
		return find_connection(pages, event->id) < 0;
	case RDMA_CM_EVENT_ESTABLISHED:
		if (index >= 0)
			pages->states[index] = PAGES_STANDING;
		return false;
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_REJECTED:
		if (index < 0)
			return false;
		pages->connections[index] = NULL;
		if (pages->states[index] == PAGES_ACCEPTED)
			pages->states[index] = PAGES_UNUSED;
		return true;
	case RDMA_CM_EVENT_DISCONNECTED:
		/* at its end, or because it has failed: the node says so */
		rdma_disconnect(event->id);
		return false;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		pages_lose(ENODEV, "the RDMA device was removed");
	default:
		return false;
	}
}

void pages_hear_manager(struct pages *pages)
{
	struct rdma_cm_event *event;

	while (rdma_get_cm_event(pages->events, &event) == 0) {
		struct rdma_cm_id *id = event->id;
		bool is_done = act(pages, event);

		rdma_ack_cm_event(event);
		if (!is_done)
			continue;
		if (id->qp)
			rdma_destroy_qp(id);
		rdma_destroy_id(id);
	}
	if (errno != EAGAIN && errno != EINTR)
		pages_lose(errno, "the RDMA connection manager: %s", strerror(errno));
}

/* -- events of the device ----------------------------------------------------------------------- */

static void judge(const struct pages *pages, const struct ibv_async_event *event)
{
	const char *name = ibv_get_device_name(pages->listener->verbs->device);

	switch (event->event_type) {
	case IBV_EVENT_DEVICE_FATAL:
		pages_lose(ENODEV, "the RDMA device %s has failed, or was removed", name);
	case IBV_EVENT_PORT_ERR:
		/* others of the device may go and come */
		if (event->element.port_num != pages->listener->port_num)
			return;
		pages_lose(ENETDOWN, "port %d of the RDMA device %s is down",
			   event->element.port_num, name);
	case IBV_EVENT_QP_ACCESS_ERR:
		pages_lose(EACCES, "the node has asked for memory that was not offered to it");
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_CQ_ERR:
		pages_lose(EIO, "a page connection has failed: %s",
			   ibv_event_type_str(event->event_type));
	default:
		return;
	}
}

void pages_hear_device(struct pages *pages)
{
	struct ibv_context *device = pages->listener->verbs;
	struct ibv_async_event event;

	while (ibv_get_async_event(device, &event) == 0) {
		judge(pages, &event);
		ibv_ack_async_event(&event);
	}
}
