/* SPDX-License-Identifier: MIT */
/*
 * undump --bt: every thread's backtrace, from the image alone; files only add names of functions
 * that the image itself does not have.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/symbols.h"
#include "tools/undump.h"
#include "tools/unwinder.h"

struct backtrace {
	struct rf_image_memory memory;
	struct rf_objects objects;
	struct rf_unwinder *unwinder;
};

static int begin(struct backtrace *backtrace, struct rf_source *source)
{
	int error = rf_image_memory_init(&backtrace->memory, source);

	if (error == 0)
		error = rf_objects_find(&backtrace->objects, &backtrace->memory);
	if (error < 0)
		return error;
	backtrace->unwinder = rf_unwinder_new(&backtrace->objects);
	return backtrace->unwinder ? 0 : -ENOMEM;
}

static void end(struct backtrace *backtrace)
{
	rf_unwinder_free(backtrace->unwinder);
	rf_objects_release(&backtrace->objects);
	rf_image_memory_release(&backtrace->memory);
}

/* The function that holds an address, whose symbols are loaded when first asked for. */
static const char *find_function(struct backtrace *backtrace, uint64_t address, uint64_t *offset)
{
	struct rf_object *object = rf_objects_at(&backtrace->objects, address);

	if (!object)
		return NULL;
	if (!object->symbols)
		object->symbols = rf_symbols_load(&backtrace->objects, object);
	return object->symbols ? rf_symbols_find(object->symbols, address, offset) : NULL;
}

/* A call that never returns may be the last instruction of its function: what counts is where it
 * was. */
static void print_frame(struct backtrace *backtrace, unsigned number, const struct rf_frame *frame)
{
	const uint64_t address = frame->address - (frame->is_exact ? 0 : 1);
	const char *object = rf_objects_name(&backtrace->objects, address);
	uint64_t offset;
	const char *function = find_function(backtrace, address, &offset);

	printf("#%-3u 0x%016" PRIx64, number, frame->address);
	if (frame->is_signal)
		printf(" <signal handler called>");
	else if (function)
		printf(" %s+0x%" PRIx64, function, offset + (frame->address - address));
	else
		printf(" ?");
	if (*object)
		printf(" (%s)", object);
	putchar('\n');
}

static void print_thread(struct backtrace *backtrace, uint32_t index)
{
	const struct rf_image *image = &backtrace->memory.source->image;
	const struct rf_image_thread *thread = &image->threads[index].image;
	struct rf_frame frames[RF_UNWINDER_MAX_FRAMES];
	unsigned count = rf_unwinder_walk(backtrace->unwinder, thread, frames);

	printf("%sThread %" PRIu32, index ? "\n" : "", thread->tid);
	/* the process has the name of its main thread; those of others are not in the image */
	if (index == 0 && image->process.comm[0])
		printf(" (%.*s)", (int)sizeof(image->process.comm), image->process.comm);
	printf("\n");
	for (unsigned i = 0; i < count; i++)
		print_frame(backtrace, i, &frames[i]);
}

int undump_backtrace(const struct undump_request *request, struct rf_report *report)
{
	struct backtrace *backtrace;
	struct rf_source source;
	int error = undump_open(&source, request->file, report);

	if (error < 0)
		return error;
	backtrace = calloc(1, sizeof(*backtrace));
	error = backtrace ? begin(backtrace, &source) : -ENOMEM;
	for (uint32_t i = 0; error == 0 && i < source.image.head.threads; i++)
		print_thread(backtrace, i);
	if (backtrace)
		end(backtrace);
	free(backtrace);
	rf_source_close(&source);
	return error < 0 ? rf_report(report, -error, "%s: %m", request->file) : 0;
}
