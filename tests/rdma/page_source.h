/* SPDX-License-Identifier: MIT */
/*
 * A caller's side of page connections for the tests of the node, written from doc/protocol.txt 8:
 * memory that can be read, a listener that knows its token; and an image, recorded before, that
 * is offered by that road, as a ghost does it or as one that is broken.
 */
#ifndef TEST_RDMA_PAGE_SOURCE_H
#define TEST_RDMA_PAGE_SOURCE_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include "tests/support/image.h"

struct page_source {
	struct rf_image_road road;
	unsigned char *memory;
	size_t bytes;
	uint32_t key; /* of the memory */
	struct rdma_event_channel *events;
	struct rdma_cm_id *listener;
	struct ibv_pd *domain;
	struct ibv_cq *queue;
	struct ibv_mr *region;
	struct rdma_cm_id *connections[RF_ROAD_MAX_CONNECTIONS];
	unsigned accepted;
	unsigned rejections; /* so many requests are rejected first */
};

/* Listens at $RFORK_VM_ADDRESS, without which the test is skipped. */
void page_source_open(struct page_source *source, size_t bytes, unsigned connections);
void page_source_close(struct page_source *source);

/* Accepts all connections; each must come once, with the token. */
void page_source_accept(struct page_source *source);

/* Closes them, as a process does that ends. */
void page_source_hang_up(struct page_source *source);

/* Waits until the kernel says that the device goes, and lets go of the connections. */
void page_source_await_removal(struct page_source *source);

/* What became of an image by such a road. */
struct page_outcome {
	struct rf_report loss;	 /* what ROAD said; error 0 = it stood to the end */
	struct rf_report report; /* a refusal */
	unsigned taken;		 /* records */
	unsigned remote;	 /* records of REMOTE_PAGES that were sent */
	int result;		 /* as image_offer() */
};

/* What is wrong with an offer. */
struct page_faults {
	void (*break_record)(struct rf_image_remote_pages *head, unsigned nth);
	unsigned hang_up_after; /* records; 0 = never */
	/* comes after `surprise_after` records */
	void (*surprise)(struct page_source *source);
	unsigned surprise_after;
	bool is_alone;	 /* nobody accepts connections */
	bool gives_up;	 /* a lost road is the end: nothing is sent again */
	bool is_damaged; /* a byte changes after the digest was made */
};

/* Offers the image; pages of a lost road are sent again by the stream. */
void page_source_offer(struct page_source *source, const struct image *image,
		       const struct node *node, const struct page_faults *faults,
		       struct page_outcome *outcome);

#endif
