/* SPDX-License-Identifier: MIT */
/*
 * What undump --info says of how memory is marked, by madvise(2), mseal(2) and pkey_mprotect(2).
 * Called by info.c and info_json.c.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "tools/info.h"
#include "tools/text.h"

static const struct {
	uint32_t flag;
	const char *name;
} names[] = {
	{ RF_MAPPING_WIPEONFORK, "wipe-on-fork" },
	{ RF_MAPPING_DONTDUMP, "not-dumped" },
	{ RF_MAPPING_DONTFORK, "not-forked" },
	{ RF_MAPPING_HUGEPAGE, "huge-pages" },
	{ RF_MAPPING_NOHUGEPAGE, "no-huge-pages" },
	{ RF_MAPPING_MERGEABLE, "mergeable" },
	{ RF_MAPPING_SEALED, "sealed" },
	{ RF_MAPPING_RANDOM, "random" },
	{ RF_MAPPING_SEQUENTIAL, "sequential" },
	{ RF_MAPPING_DROPPABLE, "droppable" },
};
#define NAMES (sizeof(names) / sizeof(names[0]))

void undump_info_marks(const struct rf_image *image)
{
	if (image->mark_count)
		printf("\nMarks: %u range%s\n", image->mark_count, text_plural(image->mark_count));
	for (uint32_t i = 0; i < image->mark_count; i++) {
		const struct rf_image_mark *mark = &image->marks[i];

		printf("  %012lx-%012lx", mark->start, mark->end);
		for (size_t name = 0; name < NAMES; name++)
			if (mark->flags & names[name].flag)
				printf("  %s", names[name].name);
		if (mark->key)
			printf("  protection key %u", mark->key);
		putchar('\n');
	}
}

void undump_info_json_marks(struct json *json, const struct rf_image *image)
{
	json_open(json, "marks", '[');
	for (uint32_t i = 0; i < image->mark_count; i++) {
		const struct rf_image_mark *mark = &image->marks[i];

		json_open(json, NULL, '{');
		json_hex(json, "start", mark->start);
		json_hex(json, "end", mark->end);
		json_open(json, "marks", '[');
		for (size_t name = 0; name < NAMES; name++)
			if (mark->flags & names[name].flag)
				json_string(json, NULL, names[name].name);
		json_close(json, '[');
		json_number(json, "protection_key", mark->key);
		json_close(json, '{');
	}
	json_close(json, '[');
}
