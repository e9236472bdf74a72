/* SPDX-License-Identifier: MIT */
/*
 * Reads one statefile or executable: the note, then the records, by the one reader of images.
 * Called for each file of a chain, and by what restarts an executable; hostile bytes as ever.
 */
#define _GNU_SOURCE
#include "rfork/statefile_image.h"

#include <errno.h>
#include <string.h>

#include "rfork/image_record.h"

#define PAGE_BYTES 4096u

void rf_statefile_release(struct rf_statefile *file)
{
	rf_image_release(&file->image);
	rf_reader_release_index(&file->index);
}

/* ORIGIN may be missing; then the note's id is all that there is. */
static int check_origin(struct rf_statefile *file, struct rf_reader *reader)
{
	static const uint8_t none[RF_IMAGE_ID_BYTES];
	struct rf_image_origin *origin = &file->image.origin;

	if (memcmp(origin->id, none, sizeof(none)) == 0)
		memcpy(origin->id, file->note.id, sizeof(origin->id));
	return memcmp(origin->id, file->note.id, sizeof(origin->id)) == 0
		       ? 0
		       : rf_report(
				 reader->report, EBADMSG,
				 "the image is corrupt: ORIGIN and note have different identifiers");
}

static int read_records(struct rf_statefile *file, struct rf_reader *reader)
{
	uint64_t head_bytes = (uint64_t)file->note.head_pages * PAGE_BYTES;
	int error = rf_reader_layout(reader, &file->image);

	if (error == 0)
		error = check_origin(file, reader);
	if (error == 0)
		error = rf_reader_index(reader, &file->image, head_bytes, file->note.records_offset,
					&file->index);
	if (error < 0)
		return error;
	/* whatever was read ahead is behind END */
	if (reader->file_offset - (reader->filled - reader->next) != file->note.file_bytes)
		return rf_record_corrupt(reader, "END is not the end of the file");
	return 0;
}

int rf_statefile_read(struct rf_statefile *file, int fd, const char *path, uint64_t min_address,
		      uint64_t max_address, struct rf_report *report)
{
	struct rf_report detail = { 0 };
	struct rf_reader reader;
	int error;

	memset(file, 0, sizeof(*file));
	error = rf_statefile_find_note(fd, path, &file->note, &file->note_offset, report);
	if (error < 0)
		return error;
	error = rf_reader_init(&reader, fd, min_address, max_address, &detail);
	reader.is_at_rest = true;
	reader.file_offset = file->note.records_offset;
	if (error == 0)
		error = read_records(file, &reader);
	rf_reader_release(&reader);
	if (error == 0)
		return 0;
	rf_statefile_release(file);
	if (error == -ECONNRESET)
		error = -EBADMSG;
	return rf_report(report, -error, "%s: offset %lu: %s", path, reader.record_offset,
			 detail.sentence);
}
