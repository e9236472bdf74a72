/* SPDX-License-Identifier: MIT */
/*
 * Makes the forecast.  Called by rfork.c before the fork; reads what the ghost will read
 * again, for only that is the truth.
 */
#define _GNU_SOURCE
#include "rfork/forecast.h"

#include <string.h>

#include "rfork/file_identity.h"
#include "rfork/snapshot.h"

#define PAGE_BYTES 4096u
#define HUGE_PAGE_BYTES ((uint64_t)2 << 20)
/* More pages than these arrive while the first of them are put in place. */
#define MOST_PAGES 256u

/* What is collected before the payload can be laid out. */
struct draft {
	const struct rf_snapshot *survey;
	struct rf_pagemap pagemap;
	struct rf_pagemap_walk walk; /* here, as each page of the caller's stack travels */
	struct rf_image_mapping mappings[RF_FORECAST_MAX_MAPPINGS];
	struct rf_page_run runs[RF_FORECAST_MAX_RUNS];
	size_t mapping_count, run_count;
	uint64_t pages;
};

static bool is_small(const struct rf_image_mapping *image)
{
	return image->end - image->start < HUGE_PAGE_BYTES;
}

static bool is_foreseeable(const struct rf_snapshot_mapping *mapping)
{
	return mapping->source == RF_SOURCE_PRIVATE && mapping->image.kind != RF_MAPPING_OBJECT &&
	       (mapping->image.kind == RF_MAPPING_FILE || is_small(&mapping->image));
}

/* Whether own pages are likely in a mapping: where it can be written to, and in what the loader has
 * relocated, which ends where the data of its file begin. */
static bool is_probably_written(const struct rf_snapshot *snapshot, size_t index)
{
	const struct rf_image_mapping *image = &snapshot->mappings[index].image;

	return is_foreseeable(&snapshot->mappings[index]) && is_small(image) &&
	       (image->protection & RF_PROTECTION_WRITE ||
		(image->kind == RF_MAPPING_FILE && index + 1 < snapshot->mapping_count &&
		 image->end == snapshot->mappings[index + 1].image.start &&
		 image->file == snapshot->mappings[index + 1].image.file &&
		 snapshot->mappings[index + 1].image.protection & RF_PROTECTION_WRITE));
}

/* The end of the mappings from number `first` on that one scan serves.  It must not walk over what
 * is large, or has many pages of files. */
static uint64_t find_stretch(const struct rf_snapshot *snapshot, size_t first)
{
	size_t last = first;

	while (last + 1 < snapshot->mapping_count && is_probably_written(snapshot, last + 1))
		last++;
	return snapshot->mappings[last].image.end;
}

/* Adds the runs of a mapping's pages, as far as there is room. */
static void add_runs(struct draft *draft, struct rf_image_mapping *mapping)
{
	struct rf_page_run *runs = &draft->runs[draft->run_count];
	uint64_t next;
	long count;

	if (draft->pages >= MOST_PAGES)
		return;
	count = rf_pagemap_walk_runs(&draft->walk, mapping->start, mapping->end, runs,
				     RF_FORECAST_MAX_RUNS - draft->run_count, &next);
	for (long i = 0; i < count; i++) {
		if (runs[i].kind == RF_PAGES_GUARD)
			continue;
		draft->runs[draft->run_count++] = runs[i];
		mapping->data_pages += (runs[i].end - runs[i].start) / PAGE_BYTES;
	}
	draft->pages += mapping->data_pages;
}

static void add_mappings(struct draft *draft)
{
	const struct rf_snapshot *survey = draft->survey;
	struct rf_pagemap_walk *walk = &draft->walk;

	for (size_t i = 0; i < survey->mapping_count; i++) {
		struct rf_image_mapping *mapping = &draft->mappings[draft->mapping_count];

		if (!is_foreseeable(&survey->mappings[i]) ||
		    draft->mapping_count == RF_FORECAST_MAX_MAPPINGS)
			continue;
		*mapping = survey->mappings[i].image;
		draft->mapping_count++;
		if (!is_probably_written(survey, i))
			continue;
		if (mapping->end > walk->limit)
			rf_pagemap_walk_begin(walk, &draft->pagemap, mapping->start,
					      find_stretch(survey, i));
		add_runs(draft, mapping);
	}
}

static size_t total_path_bytes(const struct rf_snapshot *survey)
{
	size_t bytes = 0;

	for (size_t i = 0; i < survey->file_count; i++)
		bytes += strlen(survey->files[i].path) + 1;
	return bytes;
}

static void lay_out(struct rf_forecast *forecast, const struct draft *draft, size_t path_bytes)
{
	const struct rf_snapshot *survey = draft->survey;
	struct rf_image_run *runs;
	char *path;

	*forecast->head = (struct rf_image_forecast){
		.files = (uint32_t)survey->file_count,
		.mappings = (uint32_t)draft->mapping_count,
		.runs = (uint32_t)draft->run_count,
		.path_bytes = (uint32_t)path_bytes,
	};
	forecast->files = (struct rf_image_file *)(forecast->head + 1);
	forecast->mappings = (struct rf_image_mapping *)(forecast->files + survey->file_count);
	runs = (struct rf_image_run *)(forecast->mappings + draft->mapping_count);
	path = (char *)(runs + draft->run_count);
	for (size_t i = 0; i < survey->file_count; i++) {
		forecast->files[i] = survey->files[i].image;
		path = stpcpy(path, survey->files[i].path) + 1;
	}
	memcpy(forecast->mappings, draft->mappings,
	       draft->mapping_count * sizeof(draft->mappings[0]));
	for (size_t i = 0; i < draft->run_count; i++)
		runs[i] = (struct rf_image_run){
			.address = draft->runs[i].start,
			.pages = (uint32_t)((draft->runs[i].end - draft->runs[i].start) /
					    PAGE_BYTES),
			.kind = RF_RUN_DATA,
		};
}

void rf_forecast_make(struct rf_forecast *forecast, struct rf_arena *arena,
		      const struct rf_snapshot *survey)
{
	struct draft *draft = rf_arena_take(arena, sizeof(*draft));
	size_t path_bytes = total_path_bytes(survey), bytes;

	*forecast = (struct rf_forecast){ 0 };
	if (!draft || survey->file_count > RF_FORECAST_MAX_FILES ||
	    rf_pagemap_open(&draft->pagemap) < 0)
		return;
	draft->survey = survey;
	add_mappings(draft);
	rf_pagemap_close(&draft->pagemap);
	bytes = sizeof(*forecast->head) + survey->file_count * sizeof(*forecast->files) +
		draft->mapping_count * sizeof(*forecast->mappings) +
		draft->run_count * sizeof(struct rf_image_run) + path_bytes;
	forecast->head = bytes > RF_FORECAST_MAX_BYTES ? NULL : rf_arena_take(arena, bytes);
	if (!forecast->head)
		return;
	forecast->bytes = bytes;
	lay_out(forecast, draft, path_bytes);
}

static void add_digest(struct rf_image_mapping *mapping, const struct rf_image_file *file,
		       const struct rf_digest_cache *digests)
{
	uint64_t bytes =
		rf_file_visible_bytes(file, mapping->file_offset, mapping->end - mapping->start);

	if (rf_digest_cache_find(digests, file, mapping->file_offset, bytes, mapping->digest))
		mapping->flags |= RF_MAPPING_DIGEST;
}

int rf_forecast_send(struct rf_forecast *forecast, struct rf_image_writer *writer,
		     const uint8_t boot_id[16], const struct rf_digest_cache *digests)
{
	struct iovec piece = { forecast->head, forecast->bytes };
	int error;

	if (!forecast->head)
		return 0;
	memcpy(forecast->head->boot_id, boot_id, sizeof(forecast->head->boot_id));
	for (uint32_t i = 0; digests && i < forecast->head->mappings; i++) {
		struct rf_image_mapping *mapping = &forecast->mappings[i];

		if (mapping->kind == RF_MAPPING_FILE)
			add_digest(mapping, &forecast->files[mapping->file], digests);
	}
	error = rf_image_write(writer, RF_RECORD_FORECAST, &piece, 1);
	return error < 0 ? error : rf_image_writer_flush(writer);
}
