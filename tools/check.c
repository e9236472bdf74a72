/* SPDX-License-Identifier: MIT */
/*
 * undump --check: whether a file is whole.  Of statefiles and executables all is read and
 * compared with digests, parents too; a core has none, so only its structure can be checked.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "rfork/statefile_reader.h"
#include "tools/check_core.h"
#include "tools/text.h"
#include "tools/undump.h"

static uint64_t data_bytes(const struct rf_source *source)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < source->segment_count; i++)
		if (source->segments[i].kind == RF_SEGMENT_DATA)
			bytes += source->segments[i].bytes;
	return bytes;
}

static void print_facts(const char *file, const char *kind, const struct rf_source *source)
{
	const struct rf_image_head *head = &source->image.head;
	size_t parents = source->chain_count ? source->chain_count - 1 : 0;
	char amount[TEXT_AMOUNT_BYTES];

	text_print(stdout, file);
	printf(": whole\n  %s of process %u (", kind, source->origin.pid);
	text_print(stdout, source->image.process.comm);
	printf("), %u thread%s, %u mappings, %s of memory carried", head->threads,
	       text_plural(head->threads), head->mappings, text_amount(amount, data_bytes(source)));
	if (parents)
		printf(", %zu parent%s", parents, text_plural(parents));
	putchar('\n');
}

int undump_check(const struct undump_request *request, struct rf_report *report)
{
	static const char *const names[] = { [UNDUMP_STATEFILE] = "statefile",
					     [UNDUMP_EXECUTABLE] = "executable",
					     [UNDUMP_STREAM] = "stream" };
	int kind = undump_recognise_file(request->file, report);
	struct rf_source source;
	int error;

	if (kind < 0)
		return kind;
	if (kind == UNDUMP_CORE)
		return undump_check_core(request->file, report);
	error = undump_open(&source, request->file, report);
	if (error < 0)
		return error;
	error = rf_statefile_check(&source, report);
	if (error == 0)
		print_facts(source.path, names[kind], &source);
	rf_source_close(&source);
	return error;
}
