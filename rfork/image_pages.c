/* SPDX-License-Identifier: MIT */
/*
 * The second half of the image reader: PAGES records to FILLED and END.  Page data go from the
 * stream to where the caller says, and are digested there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "rfork/digest.h"
#include "rfork/image_record.h"
#include "rfork/io.h"
#include "rfork/page_road.h"

#define PAGE_BYTES 4096u

size_t rf_image_find_mapping(const struct rf_image *image, uint64_t start, uint64_t end)
{
	size_t low = 0;
	size_t high = image->head.mappings;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->mappings[middle].end <= start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < image->head.mappings && image->mappings[low].start <= start &&
	    end <= image->mappings[low].end)
		return low;
	return SIZE_MAX;
}

static int check_run(struct rf_reader *reader, const struct rf_image *image,
		     struct rf_page_record *record, uint32_t index, size_t *mapping)
{
	const struct rf_image_run *run = &record->runs[index];
	uint64_t bytes = (uint64_t)run->pages * PAGE_BYTES;

	if (run->pages == 0 || run->address % PAGE_BYTES || run->address > UINT64_MAX - bytes ||
	    run->kind > RF_RUN_GUARD)
		return rf_record_corrupt(reader, "a run of pages is malformed");
	if (index && run->address < run[-1].address + (uint64_t)run[-1].pages * PAGE_BYTES)
		return rf_record_corrupt(reader, "runs of pages are out of order");
	*mapping = rf_image_find_mapping(image, run->address, run->address + bytes);
	if (*mapping == SIZE_MAX)
		return rf_record_corrupt(reader, "pages lie outside the mappings");
	if (rf_mapping_is_shared_file(&image->mappings[*mapping]))
		return rf_record_corrupt(reader, "pages lie in a shared file");
	if (run->kind == RF_RUN_DATA) {
		if (run->pages > RF_PAGES_MAX_DATA_PAGES - record->data_pages)
			return rf_record_corrupt(reader, "it has too many pages");
		record->data_pages += run->pages;
	}
	return 0;
}

int rf_record_locate_runs(struct rf_reader *reader, const struct rf_image *image,
			  struct rf_page_record *record, rf_reader_locate locate, void *context)
{
	for (uint32_t i = 0; i < record->head.runs; i++) {
		const struct rf_image_run *run = &record->runs[i];
		uint64_t offset = 0;
		size_t mapping = SIZE_MAX;
		int error = check_run(reader, image, record, i, &mapping);

		if (error == 0)
			error = locate(context, mapping, run, &offset);
		if (error < 0)
			return error;
		record->is_of_file |= image->mappings[mapping].kind == RF_MAPPING_FILE ||
				      image->mappings[mapping].kind == RF_MAPPING_OBJECT;
		if (run->kind == RF_RUN_DATA)
			record->data[record->data_count++] =
				(struct iovec){ (void *)(uintptr_t)(run->address + offset),
						(size_t)run->pages * PAGE_BYTES };
	}
	return 0;
}

int rf_record_read_runs(struct rf_reader *reader, const struct rf_record_header *header,
			struct rf_page_record *record, size_t head_bytes)
{
	size_t table_bytes;
	int error;

	if (header->length_bytes < head_bytes)
		return rf_record_corrupt(reader, "it is too short");
	error = rf_record_read_bytes(reader, &record->head, head_bytes, 0);
	if (error < 0)
		return error;
	if (record->head.runs == 0 || record->head.runs > RF_PAGES_MAX_RUNS)
		return rf_record_corrupt(reader, "its number of runs is out of range");
	table_bytes = record->head.runs * sizeof(record->runs[0]);
	if (header->length_bytes - head_bytes < table_bytes)
		return rf_record_corrupt(reader, "it is too short");
	record->sequence = reader->sequence;
	record->payload_digest = header->payload_digest;
	record->head_bytes = (uint32_t)head_bytes;
	record->data_count = record->data_pages = 0;
	record->is_of_file = false;
	return rf_record_read_bytes(reader, record->runs, table_bytes, 0);
}

/* The digest of head, runs, and what follows them on the wire. */
static uint64_t digest_record(const struct rf_page_record *record, const struct iovec *rest,
			      uint32_t count)
{
	struct iovec all[RF_PAGES_MAX_RUNS + 2] = {
		{ (void *)(uintptr_t)&record->head, record->head_bytes },
		{ (void *)(uintptr_t)record->runs, record->head.runs * sizeof(record->runs[0]) },
	};

	memcpy(all + 2, rest, count * sizeof(all[0]));
	return rf_digest64_iov(all, 2 + (int)count);
}

uint64_t rf_page_record_digest(const struct rf_page_record *record)
{
	return digest_record(record, record->data, record->data_count);
}

/* Reads page data straight to where they belong; modifies iov. */
static int read_data(struct rf_reader *reader, struct iovec *iov, int count)
{
	int error;

	for (; count; iov++, count--) {
		size_t done = rf_record_take_buffered(reader, iov->iov_base, iov->iov_len);

		if (done < iov->iov_len) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= done;
			break;
		}
	}
	error = rf_io_readv_full(reader->fd, iov, count, &reader->is_trickling);
	return error < 0 ? rf_record_read_failed(reader, error) : 0;
}

static int take_plain(struct rf_reader *reader, const struct rf_page_record *record, size_t bytes)
{
	struct iovec remaining[RF_PAGES_MAX_RUNS];
	int error;

	if (bytes != (size_t)record->data_pages * PAGE_BYTES)
		return rf_record_corrupt(reader, "PAGES has another length");
	memcpy(remaining, record->data, record->data_count * sizeof(remaining[0]));
	error = read_data(reader, remaining, (int)record->data_count);
	if (error < 0)
		return error;
	if (record->payload_digest != rf_page_record_digest(record))
		return rf_record_corrupt(reader, "the pages' digest is wrong");
	return 0;
}

/* The digest is of what is on the wire: what has been changed there never reaches the codec. */
static int take_packed(struct rf_reader *reader, const struct rf_page_record *record, size_t bytes)
{
	const struct rf_page_unpacker *unpacker = reader->unpacker;
	const struct iovec packed = { reader->payload, bytes };
	int error;

	if (bytes == 0 || bytes >= (size_t)record->data_pages * PAGE_BYTES)
		return rf_record_corrupt(reader, "PAGES has another length");
	error = rf_record_read_bytes(reader, reader->payload, bytes, RF_RECORD_END_BYTES);
	if (error < 0)
		return error;
	if (record->payload_digest != digest_record(record, &packed, 1))
		return rf_record_corrupt(reader, "the pages' digest is wrong");
	error = unpacker->unpack(unpacker->context, (enum rf_codec)record->head.pages.codec,
				 &packed, record->data, record->data_count, record->is_of_file);
	if (error == -EFAULT)
		return rf_record_corrupt(reader, "pages lie behind the end of a mapped file");
	return error < 0 ? rf_record_corrupt(reader, "its pages cannot be unpacked") : 0;
}

bool rf_record_is_agreed(const struct rf_reader *reader, uint32_t codec)
{
	return codec == RF_CODEC_NONE || (reader->unpacker && codec <= RF_CODEC_LAST &&
					  reader->unpacker->codecs & RF_CODEC_BIT(codec));
}

static int read_pages(struct rf_reader *reader, const struct rf_image *image,
		      const struct rf_record_header *header, struct rf_page_record *record,
		      rf_reader_locate locate, void *context)
{
	size_t bytes;
	int error = rf_record_read_runs(reader, header, record, sizeof(record->head.pages));

	if (error == 0 && !rf_record_is_agreed(reader, record->head.pages.codec))
		error = rf_record_corrupt(reader, "nobody has agreed on its codec");
	if (error == 0)
		error = rf_record_locate_runs(reader, image, record, locate, context);
	if (error < 0)
		return error;
	bytes = header->length_bytes - sizeof(record->head.pages) -
		record->head.runs * sizeof(record->runs[0]);
	error = record->head.pages.codec == RF_CODEC_NONE ? take_plain(reader, record, bytes)
							  : take_packed(reader, record, bytes);
	if (error < 0)
		return error;
	reader->data_pages += record->data_pages;
	reader->has_pages = true;
	return 0;
}

static int take_end(struct rf_reader *reader, const struct rf_record_header *header)
{
	struct rf_image_end end;
	int error;

	if (header->length_bytes != sizeof(end))
		return rf_record_corrupt(reader, "END has another length");
	error = rf_record_read_payload(reader, header, 0);
	if (error == 0 && !reader->is_filled)
		error = rf_record_finish_road(reader);
	if (error < 0)
		return error;
	memcpy(&end, reader->payload, sizeof(end));
	if (end.records != reader->sequence + 1 || end.data_pages != reader->data_pages)
		return rf_record_corrupt(reader, "END counts otherwise");
	reader->has_ended = true;
	return 0;
}

static int take_marks(struct rf_reader *reader, struct rf_image *image,
		      const struct rf_record_header *header)
{
	int error = rf_record_read_payload(reader, header, RF_RECORD_END_BYTES);

	return error < 0 ? error : rf_record_take_marks(reader, image, header->length_bytes);
}

/* FILLED: the road has no more to bring, and nothing but marks may follow. */
static int take_filled(struct rf_reader *reader, const struct rf_record_header *header)
{
	int error;

	if (header->length_bytes)
		return rf_record_corrupt(reader, "FILLED has another length");
	error = rf_record_read_payload(reader, header, RF_RECORD_END_BYTES);
	if (error == 0)
		error = rf_record_finish_road(reader);
	if (error == 0)
		reader->is_filled = true;
	return error;
}

static bool is_filling(const struct rf_record_header *header)
{
	return header->type == RF_RECORD_PAGES || header->type == RF_RECORD_CONTENT ||
	       header->type == RF_RECORD_ROAD || header->type == RF_RECORD_REMOTE_PAGES ||
	       header->type == RF_RECORD_FILLED;
}

/* Reads one record that is not END. */
static int take_record(struct rf_reader *reader, struct rf_image *image,
		       const struct rf_record_header *header, struct rf_page_record *record,
		       rf_reader_locate locate, void *context)
{
	if (reader->is_filled && is_filling(header))
		return rf_record_corrupt(reader, "it is out of order");
	switch (header->type) {
	case RF_RECORD_PAGES:
		return read_pages(reader, image, header, record, locate, context);
	case RF_RECORD_CONTENT:
		return rf_record_take_content(reader, image, header);
	case RF_RECORD_MARKS:
		return take_marks(reader, image, header);
	case RF_RECORD_ROAD:
		return rf_record_take_road(reader, header);
	case RF_RECORD_REMOTE_PAGES:
		return rf_record_take_remote_pages(reader, image, header, record, locate, context);
	case RF_RECORD_FILLED:
		return take_filled(reader, header);
	}
	if (header->type && header->type <= RF_RECORD_LAST)
		return rf_record_corrupt(reader, "it is out of order");
	return rf_record_skip(reader, header);
}

/* Reads the next record. */
static int take_next(struct rf_reader *reader, struct rf_image *image,
		     struct rf_page_record *record, rf_reader_locate locate, void *context)
{
	struct rf_record_header header;
	int error = rf_record_await(reader);

	if (error == 0)
		error = rf_record_read_header(reader, &header, RF_RECORD_END_BYTES);
	if (error == 0 && header.type == RF_RECORD_END)
		return take_end(reader, &header);
	if (error == 0)
		error = take_record(reader, image, &header, record, locate, context);
	reader->sequence += error == 0;
	return error;
}

int rf_reader_fill(struct rf_reader *reader, struct rf_image *image, rf_reader_locate locate,
		   void *context)
{
	struct rf_page_record record;
	int error = 0;

	if (image->parent_path)
		return rf_report(reader->report, ENOTSUP,
				 "the image is incremental, and its parent (%s) is not in it",
				 image->parent_path);
	while (error == 0 && !reader->is_filled && !reader->has_ended)
		error = take_next(reader, image, &record, locate, context);
	return error;
}

int rf_reader_pages(struct rf_reader *reader, struct rf_image *image, rf_reader_locate locate,
		    void *context)
{
	struct rf_page_record record;
	int error = rf_reader_fill(reader, image, locate, context);

	while (error == 0 && !reader->has_ended)
		error = take_next(reader, image, &record, locate, context);
	return error;
}
