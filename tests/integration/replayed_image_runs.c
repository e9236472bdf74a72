/* SPDX-License-Identifier: MIT */
/*
 * Claim: the documents are enough: an image taken off the wire and offered again, with a handshake
 * written from doc/protocol.txt and digests from doc/image-format.txt, runs; an unknown optional
 * record in it is skipped, an unknown mandatory one is refused.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "tests/support/image.h"

static struct image image;

static void add_record(struct image *changed, unsigned flags)
{
	unsigned index = image_index(changed, RF_RECORD_PROCESS, 0);

	image_duplicate(changed, index);
	changed->records[index].header.type = 777;
	changed->records[index].header.flags = (uint16_t)flags;
}

static void add_mandatory(struct image *changed)
{
	add_record(changed, 0);
}

static void fix_end(struct image *changed)
{
	struct rf_image_end *end = (void *)image_find(changed, RF_RECORD_END, 0)->payload;

	end->records = changed->count;
}

int main(void)
{
	struct rf_report report;
	struct image changed;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	image_record_move(&image, &node);
	dprintf(2, "%u records\n", image.count);
	if (image_offer(&image, &node, &report))
		test_fail(__FILE__, __LINE__, "the same image again: %s", report.sentence);
	image_copy(&changed, &image);
	add_record(&changed, RF_RECORD_OPTIONAL);
	fix_end(&changed);
	if (image_offer(&changed, &node, &report))
		test_fail(__FILE__, __LINE__, "an optional record: %s", report.sentence);
	image_free(&changed);
	image_expect_refusal(&image, &node, "a mandatory record", add_mandatory, ENOTSUP);
	image_free(&image);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
