/* SPDX-License-Identifier: MIT */
/*
 * Reads the forecast of an image.  A part of the reader of images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"

#define PAGE_BYTES 4096u
#define HUGE_PAGE_BYTES ((uint64_t)2 << 20)

static bool is_foreseeable(const struct rf_image_mapping *mapping)
{
	return !(mapping->flags & RF_MAPPING_SHARED) &&
	       (mapping->kind == RF_MAPPING_FILE ||
		mapping->end - mapping->start < HUGE_PAGE_BYTES);
}

/* Takes the runs; each must lie within one of the mappings. */
static int take_expected_runs(struct rf_reader *reader, struct rf_reader_forecast *forecast,
			      const unsigned char *source, uint32_t count)
{
	uint64_t last_end = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct rf_image_run *run = &forecast->runs[i];
		uint64_t end;

		memcpy(run, source + i * sizeof(*run), sizeof(*run));
		end = run->address + (uint64_t)run->pages * PAGE_BYTES;
		if (run->pages == 0 || run->address % PAGE_BYTES || run->kind != RF_RUN_DATA ||
		    run->address < last_end || end < run->address ||
		    rf_image_find_mapping(&forecast->image, run->address, end) == SIZE_MAX)
			return rf_record_corrupt(reader, "a run of FORECAST is out of range");
		last_end = end;
	}
	forecast->run_count = count;
	return 0;
}

static int take_expected_files(struct rf_reader *reader, struct rf_image *image,
			       const unsigned char *source, const char *path, size_t path_bytes)
{
	for (uint32_t i = 0; i < image->head.files; i++) {
		size_t length = strnlen(path, path_bytes);
		struct rf_image_file fields;
		int error;

		if (length == path_bytes)
			return rf_record_corrupt(reader, "a path of FORECAST has no end");
		memcpy(&fields, source + i * sizeof(fields), sizeof(fields));
		error = rf_record_add_file(reader, image, &fields, path, length);
		if (error < 0)
			return error;
		path += length + 1;
		path_bytes -= length + 1;
	}
	return path_bytes ? rf_record_corrupt(reader, "FORECAST has another length") : 0;
}

static int take_forecast(struct rf_reader *reader, struct rf_reader_forecast *forecast,
			 size_t bytes)
{
	struct rf_image *image = &forecast->image;
	struct rf_image_forecast head;
	const unsigned char *files = reader->payload + sizeof(head), *mappings, *runs, *paths;
	int error;

	if (bytes < sizeof(head) || bytes > RF_FORECAST_MAX_BYTES)
		return rf_record_corrupt(reader, "FORECAST has another length");
	memcpy(&head, reader->payload, sizeof(head));
	if (head.files > RF_FORECAST_MAX_FILES || head.mappings > RF_FORECAST_MAX_MAPPINGS ||
	    head.runs > RF_FORECAST_MAX_RUNS || head.path_bytes > bytes)
		return rf_record_corrupt(reader, "a count of FORECAST is over its limit");
	mappings = files + head.files * sizeof(struct rf_image_file);
	runs = mappings + head.mappings * sizeof(struct rf_image_mapping);
	paths = runs + head.runs * sizeof(struct rf_image_run);
	if (paths + head.path_bytes != reader->payload + bytes)
		return rf_record_corrupt(reader, "FORECAST has another length");
	memcpy(image->head.boot_id, head.boot_id, sizeof(head.boot_id));
	image->head.files = head.files;
	image->head.mappings = head.mappings;
	image->files = calloc(head.files + 1, sizeof(*image->files));
	image->mappings = calloc(head.mappings + 1, sizeof(*image->mappings));
	if (!image->files || !image->mappings)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	error = take_expected_files(reader, image, files, (const char *)paths, head.path_bytes);
	if (error == 0)
		error = rf_record_add_mappings(reader, image, mappings, head.mappings);
	for (uint32_t i = 0; i < head.mappings && error == 0; i++)
		if (!is_foreseeable(&image->mappings[i]))
			error = rf_record_corrupt(reader, "a mapping cannot be forecast");
	return error < 0 ? error : take_expected_runs(reader, forecast, runs, head.runs);
}

void rf_reader_release_forecast(struct rf_reader_forecast *forecast)
{
	rf_image_release(&forecast->image);
}

int rf_reader_forecast(struct rf_reader *reader, struct rf_reader_forecast *forecast)
{
	struct rf_record_header header;
	size_t left;
	int error;

	memset(forecast, 0, sizeof(*forecast));
	left = rf_record_least_left(reader, &forecast->image);
	error = rf_record_read_header(reader, &header, left);
	if (error < 0)
		return error;
	if (header.type != RF_RECORD_FORECAST) {
		reader->next -= sizeof(header); /* for whoever reads the layout */
		return 0;
	}
	error = rf_record_read_payload(reader, &header, left);
	if (error == 0)
		error = take_forecast(reader, forecast, header.length_bytes);
	if (error == 0)
		reader->sequence++;
	return error;
}
