/* SPDX-License-Identifier: MIT */
/*
 * Claim: a caller whose CPU, page size or architecture the node cannot serve is told ENOEXEC, with
 * what differs, before a byte of its image is read; and so is one that has another vdso and does
 * not send it.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "tests/support/image.h"

static struct image image;

static void expect(const struct node *node, const char *what, const struct rf_machine_facts *facts)
{
	struct rf_report report = { .error = 0 };

	CHECK_EQUAL(image_connect(node, facts, &report), -1);
	dprintf(2, "%s: %s\n", what, report.sentence);
	CHECK_EQUAL(report.error, ENOEXEC);
	CHECK(strlen(report.sentence) > 10);
}

/* The node asks for it in REQUEST's answer; a caller may not have heard. */
static void expect_vdso(const struct node *node)
{
	struct rf_report report = { .error = 0 };
	struct image copy;

	image_copy(&copy, &image);
	((struct rf_image_vdso *)image_find(&copy, RF_RECORD_VDSO, 0)->payload)->digest ^= 1;
	CHECK_EQUAL(image_offer(&copy, node, &report), ENOEXEC);
	dprintf(2, "vdso: %s\n", report.sentence);
	CHECK(strstr(report.sentence, "vdso"));
	image_free(&copy);
}

int main(void)
{
	struct rf_machine_facts facts;
	struct node_load load;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	image_record_move(&image, &node);
	load = node_settle(&node);
	facts = image.request;
	facts.architecture = 77;
	expect(&node, "architecture", &facts);
	facts = image.request;
	facts.page_bytes = 65536;
	expect(&node, "page size", &facts);
	facts = image.request;
	for (unsigned i = 0; i < facts.cpu_words && i < RF_CPU_WORDS; i++)
		facts.cpu[i] = UINT32_MAX;
	expect(&node, "CPU features", &facts);
	facts = image.request;
	facts.xcr0 |= 1ull << 62;
	expect(&node, "state components", &facts);
	expect_vdso(&node);
	node_expect_load(&node, load);
	image_free(&image);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
