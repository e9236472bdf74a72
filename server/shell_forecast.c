/* SPDX-License-Identifier: MIT */
/*
 * What the shell does while the caller forks: maps what the forecast names, where its home is free,
 * and finds memory for the pages that will probably come.  Whatever the layout does not confirm
 * is unmapped again, so that nothing of a forecast can be seen in the child.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/sys.h"
#include "server/shell.h"

#define PAGE_BYTES 4096u

/* Linux 5.14, include/uapi/asm-generic/mman-common.h; missing in older headers. */
#define ADVICE_POPULATE_WRITE 23

/* Maps one mapping of the forecast at its home; what fails is left to the layout. */
static void try_map(struct rf_shell *shell, const struct rf_shell_memory *memory, size_t index)
{
	const struct rf_image_mapping *mapping = &memory->image->mappings[index];

	if (mapping->kind == RF_MAPPING_FILE && !rf_shell_has_file(shell, memory, mapping))
		return;
	memory->places[index].address = mapping->start;
	if (rf_shell_map(shell, memory, index) < 0) {
		memory->places[index].address = 0;
		shell->report = (struct rf_report){ 0 };
	}
}

/* Without it the pages are found one fault at a time, as they arrive. */
static void populate(const struct rf_shell_forecast *forecast, const struct rf_image_run *run)
{
	uint64_t bytes = (uint64_t)run->pages * PAGE_BYTES;
	size_t index =
		rf_image_find_mapping(&forecast->said.image, run->address, run->address + bytes);

	if (index != SIZE_MAX && forecast->places[index].address &&
	    forecast->places[index].protection & RF_PROTECTION_WRITE)
		rf_sys_madvise(run->address, bytes, ADVICE_POPULATE_WRITE);
}

void rf_shell_follow_forecast(struct rf_shell *shell)
{
	struct rf_shell_forecast *forecast = &shell->forecast;
	const struct rf_image *image = &forecast->said.image;
	struct rf_shell_memory memory = { .image = image,
					  .places = forecast->places,
					  .files = forecast->files };

	for (uint32_t i = 0; i < image->head.mappings; i++)
		try_map(shell, &memory, i);
	for (uint32_t i = 0; i < image->head.files; i++)
		rf_shell_close_file(&forecast->files[i]);
	for (uint32_t i = 0; i < forecast->said.run_count; i++)
		populate(forecast, &forecast->said.runs[i]);
}

static bool is_same_file(const struct rf_reader_file *a, const struct rf_reader_file *b)
{
	struct rf_image_file other = b->image;

	other.index = a->image.index;
	return memcmp(&a->image, &other, sizeof(other)) == 0 && strcmp(a->path, b->path) == 0;
}

/* Whether the layout says what the forecast said. */
static bool is_confirmed(const struct rf_image *said, const struct rf_image_mapping *expected,
			 const struct rf_image *image, const struct rf_image_mapping *mapping)
{
	return expected->start == mapping->start && expected->end == mapping->end &&
	       expected->protection == mapping->protection && expected->flags == mapping->flags &&
	       expected->kind == mapping->kind && expected->file_offset == mapping->file_offset &&
	       memcmp(expected->digest, mapping->digest, sizeof(mapping->digest)) == 0 &&
	       (mapping->kind != RF_MAPPING_FILE ||
		(memcmp(said->head.boot_id, image->head.boot_id, sizeof(image->head.boot_id)) ==
			 0 &&
		 is_same_file(&said->files[expected->file], &image->files[mapping->file])));
}

/* The layout's mapping from `from` on that confirms what is expected; SIZE_MAX if none does. */
static size_t find_confirmation(const struct rf_shell *shell, size_t expected, size_t *from)
{
	const struct rf_image *said = &shell->forecast.said.image;
	const struct rf_image *image = &shell->image;

	while (*from < image->head.mappings &&
	       image->mappings[*from].start < said->mappings[expected].start)
		(*from)++;
	return *from < image->head.mappings && is_confirmed(said, &said->mappings[expected], image,
							    &image->mappings[*from])
		       ? *from
		       : SIZE_MAX;
}

void rf_shell_confirm_forecast(struct rf_shell *shell)
{
	struct rf_shell_forecast *forecast = &shell->forecast;
	const struct rf_image *said = &forecast->said.image;
	size_t from = 0;

	for (uint32_t i = 0; i < said->head.mappings; i++) {
		const struct rf_place *place = &forecast->places[i];
		size_t index;

		if (!place->address)
			continue;
		index = rf_shell_is_small(&shell->image) ? find_confirmation(shell, i, &from)
							 : SIZE_MAX;
		if (index != SIZE_MAX)
			forecast->confirmed[index] = place;
		else
			rf_sys_munmap(place->address,
				      said->mappings[i].end - said->mappings[i].start);
	}
}

const struct rf_place *rf_shell_confirmed(const struct rf_shell *shell, size_t index)
{
	return index < RF_FORECAST_MAX_MAPPINGS ? shell->forecast.confirmed[index] : NULL;
}

/* Up to here an image's tables come from the heap that the shell had when it was ready. */
bool rf_shell_is_small(const struct rf_image *image)
{
	const uint32_t most = RF_FORECAST_MAX_MAPPINGS;

	return image->head.mappings <= most && image->head.files <= most &&
	       image->head.descriptors <= most && image->timer_count <= most &&
	       image->pending_count <= most && image->pipe_count == 0;
}
