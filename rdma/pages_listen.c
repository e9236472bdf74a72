/* SPDX-License-Identifier: MIT */
/*
 * Finds the device that has an address, registers the ring with it, and listens.  Called by pages.c
 * once.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "rdma/pages.h"

#define MEBIBYTE ((size_t)1 << 20)

/* -- the address ------------------------------------------------------------------------------- */

/* An IPv4 address in the clothes of IPv6 is none to RDMA. */
static void undress(struct sockaddr_storage *address)
{
	const struct sockaddr_in6 in6 = *(const struct sockaddr_in6 *)address;
	struct sockaddr_in *in = (struct sockaddr_in *)address;

	if (in6.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return;
	memset(address, 0, sizeof(*address));
	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, &in6.sin6_addr.s6_addr[12], sizeof(in->sin_addr));
}

/* The connection manager chooses the port. */
static void clear_port(struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		((struct sockaddr_in *)address)->sin_port = 0;
	else
		((struct sockaddr_in6 *)address)->sin6_port = 0;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* Binds a new identifier to an address; false, with errno, unless a device has it. */
static bool bind_to(struct pages *pages, const struct sockaddr *address)
{
	if (rdma_create_id(pages->events, &pages->listener, NULL, RDMA_PS_TCP) < 0)
		pages_lose(errno, "the RDMA connection manager: %s", strerror(errno));
	if (rdma_bind_addr(pages->listener, (struct sockaddr *)address) == 0) {
		if (pages->listener->verbs)
			return true;
		errno = ENODEV;
	}
	rdma_destroy_id(pages->listener);
	pages->listener = NULL;
	return false;
}

/* No device has a loopback address; who is reached by it is reached by any other of this
 * machine. */
static bool bind_to_any_own(struct pages *pages)
{
	struct ifaddrs *list, *own;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (own = list; own && !found; own = own->ifa_next)
		found = own->ifa_addr && !(own->ifa_flags & IFF_LOOPBACK) &&
			(own->ifa_addr->sa_family == AF_INET ||
			 own->ifa_addr->sa_family == AF_INET6) &&
			bind_to(pages, own->ifa_addr);
	freeifaddrs(list);
	return found;
}

static void bind_listener(struct pages *pages)
{
	struct sockaddr_storage *address = &pages->order.address;
	char text[INET6_ADDRSTRLEN] = "?";
	int error;

	undress(address);
	clear_port(address);
	if (bind_to(pages, (struct sockaddr *)address))
		return;
	error = errno;
	if (is_loopback(address) && bind_to_any_own(pages))
		return;
	inet_ntop(address->ss_family,
		  address->ss_family == AF_INET
			  ? (void *)&((struct sockaddr_in *)address)->sin_addr
			  : (void *)&((struct sockaddr_in6 *)address)->sin6_addr,
		  text, sizeof(text));
	pages_lose(error, "no RDMA device of this machine has the address %s: %s", text,
		   strerror(error));
}

/* -- the memory -------------------------------------------------------------------------------- */

_Noreturn static void lose_region(struct pages *pages, int error)
{
	struct rlimit limit = { 0, 0 };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (error == ENOMEM && limit.rlim_cur != RLIM_INFINITY)
		pages_lose(
			error,
			"%zu MiB cannot be locked for RDMA: the limit (RLIMIT_MEMLOCK, ulimit -l) "
			"is %zu KiB",
			pages->order.ring_bytes / MEBIBYTE, (size_t)limit.rlim_cur / 1024);
	pages_lose(error, "%zu MiB cannot be registered with %s: %s",
		   pages->order.ring_bytes / MEBIBYTE,
		   ibv_get_device_name(pages->listener->verbs->device), strerror(error));
}

/* What is read through it can be read, and nothing else be done. */
static void register_ring(struct pages *pages)
{
	struct ibv_context *device = pages->listener->verbs;
	size_t bytes = pages->order.ring_bytes;

	/* before Linux 6.2 memory is pinned as if it were to be written, even for remote reads */
	pages->ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, RF_PAGES_RING_FD, 0);
	if (pages->ring == MAP_FAILED)
		pages_lose(errno, "memory for pages: %s", strerror(errno));
	pages->domain = ibv_alloc_pd(device);
	pages->queue = pages->domain ? ibv_create_cq(device, 1, NULL, NULL, 0) : NULL;
	if (!pages->queue)
		pages_lose(errno, "%s: %s", ibv_get_device_name(device->device), strerror(errno));
	pages->region = ibv_reg_mr(pages->domain, pages->ring, bytes, IBV_ACCESS_REMOTE_READ);
	if (!pages->region)
		lose_region(pages, errno);
}

static void look_at_device(struct pages *pages)
{
	struct ibv_context *device = pages->listener->verbs;
	struct ibv_device_attr facts;
	int error = ibv_query_device(device, &facts);

	if (error)
		pages_lose(error, "%s: %s", ibv_get_device_name(device->device), strerror(error));
	pages->responder_resources =
		(uint8_t)(facts.max_qp_rd_atom < UINT8_MAX ? facts.max_qp_rd_atom : UINT8_MAX);
}

void pages_listen(struct pages *pages)
{
	pages->events = rdma_create_event_channel();
	if (!pages->events)
		pages_lose(errno, "the RDMA connection manager: %s", strerror(errno));
	bind_listener(pages);
	look_at_device(pages);
	register_ring(pages);
	/* those of a port scan must not take the place of the node's */
	if (rdma_listen(pages->listener, 4 * RF_ROAD_MAX_CONNECTIONS) < 0)
		pages_lose(errno, "listening for page connections: %s", strerror(errno));
}
