/* SPDX-License-Identifier: MIT */
/*
 * A real image, recorded on its way, that a test can change and offer again: every digest is
 * made anew, so that only the reader's checks of fields stand between it and the node.
 */
#ifndef TEST_SUPPORT_IMAGE_H
#define TEST_SUPPORT_IMAGE_H

#include "rfork/image_format.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "tests/support/node.h"

#define IMAGE_MAX_RECORDS 8192

struct image_record {
	struct rf_record_header header;
	unsigned char *payload;
};

struct image {
	struct rf_machine_facts request;
	struct image_record *records;
	unsigned count;
};

/* Moves a child that exits with 23, and keeps what the caller sent. */
void image_record_move(struct image *image, const struct node *node);

/* The same with a child that does something first. */
void image_record_work(struct image *image, const struct node *node, void (*child)(void));

/* The same with a child that may live for ever: it is ended once it runs. */
void image_record_child(struct image *image, const struct node *node, void (*child)(void));

/* A process that calls rfork_move() in `body`, and exits with 0 on the node. */
void image_record_mover(struct image *image, const struct node *node,
			int (*body)(const struct node *node));

/* A copy that may be changed and freed. */
void image_copy(struct image *copy, const struct image *image);
void image_free(struct image *image);

/* The n-th record of a type; fails the test if there is none. */
struct image_record *image_find(struct image *image, enum rf_record_type type, unsigned nth);

/* The number of that record in the image. */
unsigned image_index(const struct image *image, enum rf_record_type type, unsigned nth);

/* The n-th mapping of the image, wherever its record stands; NULL past the last. */
struct rf_image_mapping *image_mapping(struct image *image, unsigned nth);

/* Gives a record another length; new bytes are zero. */
void image_resize(struct image_record *record, uint32_t bytes);
void image_remove(struct image *image, unsigned index);
void image_duplicate(struct image *image, unsigned index);

/*
 * Offers the image as a caller who knows the key.  Returns 0 if the child ran and exited with
 * 23; else the errno of the REFUSED frame with its sentence in the report; ECONNRESET if the
 * node closed without one.
 */
int image_offer(const struct image *image, const struct node *node, struct rf_report *report);

/* Offers the image and returns the connection once the child runs, for a test that plays the
 * ghost. */
int image_run(const struct image *image, const struct node *node);

/* Changes nothing but what `change` does, and expects EBADMSG or `error` and a sentence. */
void image_expect_refusal(const struct image *image, const struct node *node, const char *what,
			  void (*change)(struct image *), int error);

/* What is sent behind a request that has RF_FACTS_TERMINAL. */
extern struct rf_frame_terminal image_terminal;

/* A connection that has authenticated and sent REQUEST; WELCOME has been read, to image_welcome. */
extern struct rf_machine_facts image_welcome;
int image_connect(const struct node *node, const struct rf_machine_facts *request,
		  struct rf_report *report);

#endif
