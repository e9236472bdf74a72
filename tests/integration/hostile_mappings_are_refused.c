/* SPDX-License-Identifier: MIT */
/*
 * Claim: overlapping, unordered, unaligned, empty, kernel and impossible mappings, pages outside
 * of them, and foreign register values are refused as corrupt.
 */
#define _GNU_SOURCE
#include "tests/support/image.h"

static struct image image;

#define MAPPING(name, statement)                                                                   \
	static void name(struct image *changed)                                                    \
	{                                                                                          \
		struct rf_image_mapping *first = image_mapping(changed, 0);                        \
		struct rf_image_mapping *second = image_mapping(changed, 1);                       \
                                                                                                   \
		(void)first;                                                                       \
		(void)second;                                                                      \
		statement;                                                                         \
	}
MAPPING(overlap, first->end = second->start + TEST_PAGE_BYTES)
MAPPING(same_place, second->start = first->start)
MAPPING(unordered, struct rf_image_mapping swap = *first; *first = *second; *second = swap)
MAPPING(unaligned_start, first->start += 8)
MAPPING(unaligned_end, first->end -= 8)
MAPPING(empty, first->end = first->start)
MAPPING(backwards, first->end = first->start - TEST_PAGE_BYTES)
MAPPING(page_zero, first->start = 0)
MAPPING(kernel, first->start = 0xffff800000000000; first->end = 0xffff800000001000)
MAPPING(wrapping, first->start = 0xfffffffffffff000; first->end = 0)
MAPPING(unknown_protection, first->protection = 8)
MAPPING(unknown_flags, first->flags |= 0x80)
MAPPING(unknown_kind, first->kind = 7)
MAPPING(absent_file, first->kind = RF_MAPPING_FILE; first->file = RF_IMAGE_NONE - 1)
MAPPING(unaligned_offset, first->kind = RF_MAPPING_FILE; first->file = 0; first->file_offset = 9)
MAPPING(shared_anonymous, first->kind = RF_MAPPING_ANONYMOUS; first->file = RF_IMAGE_NONE;
	first->flags = RF_MAPPING_SHARED)

struct one_run {
	struct rf_image_pages pages;
	struct rf_image_run runs[1];
};

#define RUN(name, statement)                                                                       \
	static void name(struct image *changed)                                                    \
	{                                                                                          \
		struct one_run *part = (void *)image_find(changed, RF_RECORD_PAGES, 0)->payload;   \
                                                                                                   \
		statement;                                                                         \
	}
RUN(run_at_zero, part->runs[0].address = 0)
RUN(run_in_kernel, part->runs[0].address = 0xffff800000000000)
RUN(run_at_the_end, part->runs[0].address = 0xfffffffffffff000)
RUN(run_unaligned, part->runs[0].address += 1)
RUN(run_in_a_gap, part->runs[0].address = image_mapping(changed, 0)->start - TEST_PAGE_BYTES)

#define THREAD(name, statement)                                                                    \
	static void name(struct image *changed)                                                    \
	{                                                                                          \
		struct rf_image_thread *part =                                                     \
			(void *)image_find(changed, RF_RECORD_THREAD, 0)->payload;                 \
                                                                                                   \
		statement;                                                                         \
	}
THREAD(kernel_rip, part->registers.rip = 0xffffffff80000000)
THREAD(odd_rip, part->registers.rip = 0x8000000000000000)
THREAD(kernel_stack, part->registers.rsp = 0xffff800000000000)
THREAD(kernel_fs, part->registers.fs_base = 0xffff800000000000)
THREAD(kernel_segment, part->registers.cs = 0x10)
THREAD(reserved_mxcsr, part->mxcsr = 0xffffffff)

static const struct {
	const char *what;
	void (*change)(struct image *);
} cases[] = {
#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}
	CASE(overlap),
	CASE(same_place),
	CASE(unordered),
	CASE(unaligned_start),
	CASE(unaligned_end),
	CASE(empty),
	CASE(backwards),
	CASE(page_zero),
	CASE(kernel),
	CASE(wrapping),
	CASE(unknown_protection),
	CASE(unknown_flags),
	CASE(unknown_kind),
	CASE(absent_file),
	CASE(unaligned_offset),
	CASE(shared_anonymous),
	CASE(run_at_zero),
	CASE(run_in_kernel),
	CASE(run_at_the_end),
	CASE(run_unaligned),
	CASE(run_in_a_gap),
	CASE(kernel_rip),
	CASE(odd_rip),
	CASE(kernel_stack),
	CASE(kernel_fs),
	CASE(kernel_segment),
	CASE(reserved_mxcsr),
};

int main(void)
{
	struct node_load load;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	image_record_move(&image, &node);
	load = node_settle(&node);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		image_expect_refusal(&image, &node, cases[i].what, cases[i].change, EBADMSG);
	image_free(&image);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
