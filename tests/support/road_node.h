/* SPDX-License-Identifier: MIT */
/*
 * A node to which pages come by a road that is none: the ghost's helper is page_helper.c, and this
 * process reads the ring as its memory.  What is the same with a device is tested so without one.
 */
#ifndef TEST_SUPPORT_ROAD_NODE_H
#define TEST_SUPPORT_ROAD_NODE_H

#include "rfork/pages_protocol.h"
#include "rfork/protocol.h"
#include "tests/support/test.h"

struct road_node {
	pid_t pid;
	char host[64];	    /* without a scheme */
	char directory[64]; /* of the helper */
};

/* What the node sees of a hand-over; begins as zeros but for the first two. */
struct road_view {
	int connection;
	int listener; /* for the helper */
	int helper;   /* to it */
	struct rf_pages_order order;
	const unsigned char *ring;
	struct rf_image_road road;
	unsigned char *image; /* of the memory that the test has named, as received */
	uint64_t sequence;
	uint64_t data_pages; /* of all that has been placed */
	/* the last record */
	struct rf_record_header header;
	unsigned char *payload;
};

/* Lets this process believe in a device, by a mount namespace of its own; skips the test where that
 * is not allowed.  Comes first. */
void road_node_have_device(void);

/*
 * Starts a node whose hand-overs `script` performs, behind WELCOME.  bytes at memory are what the
 * image is compared with, as they are now.
 */
void road_node_start(struct road_node *node, const unsigned char key[32], const void *memory,
		     size_t bytes, void (*script)(struct road_view *view));

/* The script has returned. */
void road_node_finish(struct road_node *node);

/* -- for scripts ------------------------------------------------------------------------------ */

/* Takes the helper's connection and its order, and says for it that it listens. */
void road_take_helper(struct road_view *view);
void road_say_ready(struct road_view *view);
/* Says for it that the road is lost. */
void road_say_lost(struct road_view *view, int error, const char *sentence);
/* It does nothing any more, but is there. */
void road_stop_helper(struct road_view *view);
/* It dies. */
void road_kill_helper(struct road_view *view);
/* The ghost has ended it. */
void road_expect_helper_ended(struct road_view *view);

/* Reads records up to LAYOUT. */
void road_read_layout(struct road_view *view);
/* Reads ROAD. */
void road_read_offer(struct road_view *view);
/* Reads any record; but not FILLED, over which it goes to the next. */
void road_read_record(struct road_view *view);
/* Reads PAGES or REMOTE_PAGES, as `type` says, and places what is the test's memory. */
void road_read_pages(struct road_view *view, uint16_t type);
/* Places what the last record has. */
void road_place(struct road_view *view);
/* Whether anything has been sent, or is before long. */
bool road_has_more(struct road_view *view);
void road_expect_silence(struct road_view *view);
/* Reads PAGES up to END. */
void road_read_rest(struct road_view *view);
/* The last record was END, and counts what has been placed, which is as the test had it. */
void road_check_end(struct road_view *view);

void road_answer(struct road_view *view, int error, const char *sentence); /* ROAD */
void road_say_taken(struct road_view *view, uint32_t records);
void road_need_nothing(struct road_view *view);
/* RUNNING and EXITED: the ghost exits 0. */
void road_say_ran(struct road_view *view);

#endif
