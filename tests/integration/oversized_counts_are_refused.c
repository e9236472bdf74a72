/* SPDX-License-Identifier: MIT */
/*
 * Claim: counts and lengths over their limits, or that do not agree with the records, are refused
 * as corrupt, whatever allocation they ask for.
 */
#define _GNU_SOURCE
#include "tests/support/image.h"

static struct image image;

#define CHANGE(name, type, nth, structure, statement)                                              \
	static void name(struct image *changed)                                                    \
	{                                                                                          \
		struct image_record *record = image_find(changed, type, nth);                      \
		structure *part = (void *)record->payload;                                         \
                                                                                                   \
		statement;                                                                         \
	}

#define HEAD(name, statement) CHANGE(name, RF_RECORD_IMAGE, 0, struct rf_image_head, statement)
HEAD(no_thread, part->threads = 0)
HEAD(many_threads, part->threads = 2)
HEAD(many_files, part->files = RF_IMAGE_MAX_FILES + 1)
HEAD(most_files, part->files = UINT32_MAX)
HEAD(one_file_more, part->files++)
HEAD(one_file_less, part->files--)
HEAD(many_descriptors, part->descriptors = RF_IMAGE_MAX_DESCRIPTORS + 1)
HEAD(one_descriptor_more, part->descriptors++)
HEAD(many_mappings, part->mappings = RF_IMAGE_MAX_MAPPINGS + 1)
HEAD(most_mappings, part->mappings = UINT32_MAX)
HEAD(one_mapping_more, part->mappings++)
HEAD(one_mapping_less, part->mappings--)
HEAD(reserved_head, part->reserved1 = 1)

#define PROCESS(name, statement)                                                                   \
	CHANGE(name, RF_RECORD_PROCESS, 0, struct rf_image_process, statement)
PROCESS(long_auxv, part->auxv_bytes = RF_IMAGE_MAX_AUXV_BYTES + 16)
PROCESS(most_auxv, part->auxv_bytes = 0xfffffff0u)
PROCESS(odd_auxv, part->auxv_bytes -= 8)
PROCESS(long_cwd, part->cwd_bytes = 4096)
PROCESS(most_cwd, part->cwd_bytes = UINT32_MAX)
PROCESS(wide_umask, part->umask = 01000)

#define THREAD(name, statement) CHANGE(name, RF_RECORD_THREAD, 0, struct rf_image_thread, statement)
THREAD(large_xsave, part->xsave_bytes = RF_IMAGE_MAX_XSAVE_BYTES + 1)
THREAD(absent_xsave, part->xsave_bytes = 2696)

#define PAGES(name, statement) CHANGE(name, RF_RECORD_PAGES, 0, struct rf_image_pages, statement)
#define RUN(name, statement)                                                                       \
	CHANGE(                                                                                    \
		name, RF_RECORD_PAGES, 0,                                                          \
		struct {                                                                           \
			struct rf_image_pages pages;                                               \
			struct rf_image_run runs[1];                                               \
		},                                                                                 \
		statement)
PAGES(no_runs, part->runs = 0)
PAGES(many_runs, part->runs = RF_PAGES_MAX_RUNS + 1)
PAGES(most_runs, part->runs = UINT32_MAX)
RUN(no_pages, part->runs[0].pages = 0)
RUN(many_pages, part->runs[0].pages += 1)
RUN(most_pages, part->runs[0].pages = UINT32_MAX)
RUN(unknown_run, part->runs[0].kind = 9)

#define END(name, statement) CHANGE(name, RF_RECORD_END, 0, struct rf_image_end, statement)
END(wrong_end_records, part->records++)
END(wrong_end_pages, part->data_pages--)

static void short_head(struct image *changed)
{
	image_resize(image_find(changed, RF_RECORD_IMAGE, 0), 63);
}

static void long_head(struct image *changed)
{
	image_resize(image_find(changed, RF_RECORD_IMAGE, 0), 72);
}

static void long_record(struct image *changed)
{
	image_resize(image_find(changed, RF_RECORD_PROCESS, 0), RF_RECORD_MAX_BYTES + 1);
}

static void no_process(struct image *changed)
{
	image_remove(changed, image_index(changed, RF_RECORD_PROCESS, 0));
}

static void second_process(struct image *changed)
{
	image_duplicate(changed, image_index(changed, RF_RECORD_PROCESS, 0));
}

static void unknown_flags(struct image *changed)
{
	image_find(changed, RF_RECORD_PROCESS, 0)->header.flags = 2;
}

static void not_an_image(struct image *changed)
{
	image_find(changed, RF_RECORD_IMAGE, 0)->payload[0] ^= 1;
}

static void other_version(struct image *changed)
{
	((struct rf_image_head *)image_find(changed, RF_RECORD_IMAGE, 0)->payload)->version = 2;
}

static void other_architecture(struct image *changed)
{
	((struct rf_image_head *)image_find(changed, RF_RECORD_IMAGE, 0)->payload)->architecture =
		2;
}

static const struct {
	const char *what;
	void (*change)(struct image *);
	int error;
} cases[] = {
#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name, EBADMSG                                                               \
	}
	CASE(many_files),
	CASE(most_files),
	CASE(one_file_more),
	CASE(one_file_less),
	CASE(many_descriptors),
	CASE(one_descriptor_more),
	CASE(many_mappings),
	CASE(most_mappings),
	CASE(one_mapping_more),
	CASE(one_mapping_less),
	CASE(reserved_head),
	CASE(long_auxv),
	CASE(most_auxv),
	CASE(odd_auxv),
	CASE(long_cwd),
	CASE(most_cwd),
	CASE(wide_umask),
	CASE(large_xsave),
	CASE(absent_xsave),
	CASE(no_runs),
	CASE(many_runs),
	CASE(most_runs),
	CASE(no_pages),
	CASE(many_pages),
	CASE(most_pages),
	CASE(unknown_run),
	CASE(wrong_end_records),
	CASE(wrong_end_pages),
	CASE(short_head),
	CASE(long_head),
	CASE(long_record),
	CASE(no_process),
	CASE(second_process),
	CASE(unknown_flags),
	CASE(not_an_image),
	{ "no_thread", no_thread, 0 },
	{ "many_threads", many_threads, 0 },
	{ "other_version", other_version, 0 },
	{ "other_architecture", other_architecture, 0 },
};

/* Where the documents say "unsupported" rather than "corrupt", either errno will do. */
static void expect_any_refusal(const struct node *node, const char *what,
			       void (*change)(struct image *))
{
	struct rf_report report;
	struct image copy;
	int error;

	image_copy(&copy, &image);
	change(&copy);
	error = image_offer(&copy, node, &report);
	if (error != EBADMSG && error != ENOTSUP && error != ENOEXEC && error != EPROTONOSUPPORT)
		test_fail(__FILE__, __LINE__, "%s: the node says %d", what, error);
	image_free(&copy);
}

int main(void)
{
	struct node_load load;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	image_record_move(&image, &node);
	load = node_settle(&node);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].error)
			image_expect_refusal(&image, &node, cases[i].what, cases[i].change,
					     cases[i].error);
		else
			expect_any_refusal(&node, cases[i].what, cases[i].change);
	}
	image_free(&image);
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
