/* SPDX-License-Identifier: MIT */
/*
 * The one writer of images.  Called by the ghost after the capture point: must not
 * allocate, touch errno or write to anything but the writer and its bounce memory.
 */
#define _GNU_SOURCE
#include "rfork/image_writer.h"

#include <errno.h>
#include <string.h>

#include "rfork/digest.h"
#include "rfork/drop.h"
#include "rfork/io.h"
#include "rfork/sys.h"
#include "rfork/zero_page.h"

#define PAGE_BYTES 4096u

void rf_image_writer_init(struct rf_image_writer *writer, int fd, int64_t deadline_ns)
{
	writer->fd = fd;
	writer->deadline_ns = deadline_ns;
	writer->memory_fd = -1;
	writer->is_placed = false;
	writer->sequence = 0;
	writer->data_pages = 0;
	writer->used = 0;
	writer->pages = (struct rf_image_pages){ 0 };
	writer->carrier = NULL;
	writer->drop = NULL;
	writer->packer = NULL;
	writer->keeps_zeros = false;
	writer->gathered_pages = 0;
	writer->bounced_pages = 0;
	writer->bounce = NULL;
}

void rf_image_writer_place(struct rf_image_writer *writer, uint64_t offset)
{
	writer->is_placed = true;
	writer->offset = offset;
}

void rf_image_writer_continue(struct rf_image_writer *writer, int64_t deadline_ns, int memory_fd,
			      void *bounce)
{
	writer->deadline_ns = deadline_ns;
	writer->memory_fd = memory_fd;
	writer->bounce = bounce;
}

/* Modifies iov. */
static int put(struct rf_image_writer *writer, struct iovec *iov, int count)
{
	size_t bytes = 0;
	int error;

	if (!writer->is_placed)
		return rf_io_writev_full(writer->fd, iov, count, writer->deadline_ns);
	for (int i = 0; i < count; i++)
		bytes += iov[i].iov_len;
	error = rf_io_pwritev_full(writer->fd, iov, count, writer->offset);
	writer->offset += bytes;
	return error;
}

static bool is_optional(uint16_t type)
{
	return type == RF_RECORD_FORECAST || type == RF_RECORD_ORIGIN ||
	       type == RF_RECORD_MACHINE || type == RF_RECORD_LOST || type == RF_RECORD_CLOCKS ||
	       type == RF_RECORD_IDENTITY;
}

static struct rf_record_header make_header(struct rf_image_writer *writer, uint16_t type,
					   size_t length_bytes, uint64_t payload_digest)
{
	struct rf_record_header header = {
		.type = type,
		.flags = is_optional(type) ? RF_RECORD_OPTIONAL : 0,
		.length_bytes = (uint32_t)length_bytes,
		.sequence = writer->sequence++,
		.payload_digest = payload_digest,
	};

	header.header_digest =
		rf_digest64(&header, offsetof(struct rf_record_header, header_digest));
	return header;
}

static int send_buffer(struct rf_image_writer *writer)
{
	struct iovec iov = { writer->buffer, writer->used };

	writer->used = 0;
	return put(writer, &iov, 1);
}

static int write_record(struct rf_image_writer *writer, enum rf_record_type type,
			const struct iovec *pieces, int count)
{
	struct rf_record_header header;
	struct iovec iov[5];
	size_t bytes = 0;
	int error;

	for (int i = 0; i < count; i++)
		bytes += pieces[i].iov_len;
	if (bytes > RF_RECORD_MAX_BYTES || count > 4)
		return -EMSGSIZE;
	header = make_header(writer, (uint16_t)type, bytes, rf_digest64_iov(pieces, count));
	if (writer->used + sizeof(header) + bytes > sizeof(writer->buffer)) {
		error = send_buffer(writer);
		if (error < 0)
			return error;
	}
	if (sizeof(header) + bytes > sizeof(writer->buffer)) {
		iov[0] = (struct iovec){ &header, sizeof(header) };
		memcpy(&iov[1], pieces, (size_t)count * sizeof(*pieces));
		return put(writer, iov, count + 1);
	}
	memcpy(writer->buffer + writer->used, &header, sizeof(header));
	writer->used += sizeof(header);
	for (int i = 0; i < count; i++) {
		memcpy(writer->buffer + writer->used, pieces[i].iov_base, pieces[i].iov_len);
		writer->used += pieces[i].iov_len;
	}
	return 0;
}

int rf_image_write(struct rf_image_writer *writer, enum rf_record_type type,
		   const struct iovec *pieces, int count)
{
	struct iovec left;
	int result;

	/* a forecast is a hint: it may say what the image does not */
	if (!writer->drop || type == RF_RECORD_FORECAST)
		return write_record(writer, type, pieces, count);
	result = rf_drop_record(writer->drop, writer->is_placed ? writer->fd : -1, type, pieces,
				count, &left);
	if (result == RF_DROP_UNCHANGED)
		return write_record(writer, type, pieces, count);
	return result > 0 ? write_record(writer, type, &left, 1) : result;
}

/* A part that tests leave out is looked for in bytes as they are. */
int rf_image_write_content(struct rf_image_writer *writer, uint32_t object, uint64_t offset,
			   const void *data, size_t bytes)
{
	const struct rf_image_packer *packer = writer->drop ? NULL : writer->packer;
	struct rf_image_content head = { .object = object,
					 .offset = offset,
					 .bytes = (uint32_t)bytes };
	struct iovec all = { (void *)data, bytes }, packed;
	const struct rf_image_carried record = { .data = &all,
						 .data_count = 1,
						 .data_bytes = bytes };
	struct iovec pieces[] = { { &head, sizeof(head) }, all };

	if (packer)
		head.codec = packer->pack(packer->context, &record, &packed);
	if (head.codec != RF_CODEC_NONE)
		pieces[1] = packed;
	return rf_image_write(writer, RF_RECORD_CONTENT, pieces, 2);
}

/* Sends the buffered records and one of pages in one system call: PAGES with its data, or, with a
 * digest, REMOTE_PAGES without. */
static int put_pages(struct rf_image_writer *writer, const void *head, size_t head_bytes,
		     const struct rf_image_carried *record, const uint64_t *remote_digest)
{
	struct iovec iov[4 + RF_PAGES_MAX_RUNS];
	struct iovec *payload = iov + 2;
	struct rf_record_header header;
	size_t run_bytes = record->run_count * sizeof(record->runs[0]);
	size_t buffered = writer->used;
	int count = 2;

	payload[0] = (struct iovec){ (void *)head, head_bytes };
	payload[1] = (struct iovec){ (void *)record->runs, run_bytes };
	if (remote_digest) {
		header = make_header(writer, RF_RECORD_REMOTE_PAGES, head_bytes + run_bytes,
				     *remote_digest);
	} else {
		memcpy(payload + 2, record->data,
		       (size_t)record->data_count * sizeof(record->data[0]));
		count += record->data_count;
		header = make_header(writer, RF_RECORD_PAGES,
				     head_bytes + run_bytes + record->data_bytes,
				     rf_digest64_iov(payload, count));
	}
	iov[0] = (struct iovec){ writer->buffer, buffered };
	iov[1] = (struct iovec){ &header, sizeof(header) };
	writer->used = 0;
	return put(writer, iov, count + 2);
}

/* Sends a record of pages with its data, packed where that makes it smaller. */
static int put_by_stream(struct rf_image_writer *writer, const struct rf_image_carried *record)
{
	const struct rf_image_packer *packer = record->data_bytes ? writer->packer : NULL;
	struct rf_image_pages head = { .runs = record->run_count };
	struct rf_image_carried sent = *record;
	struct iovec packed;

	if (packer)
		head.codec = packer->pack(packer->context, record, &packed);
	if (head.codec != RF_CODEC_NONE) {
		sent.data = &packed;
		sent.data_count = 1;
		sent.data_bytes = packed.iov_len;
	}
	return put_pages(writer, &head, sizeof(head), &sent, NULL);
}

int rf_image_write_again(struct rf_image_writer *writer, const struct rf_image_carried *record)
{
	return put_by_stream(writer, record);
}

/* Lists where the data of the gathered runs lie. */
static struct rf_image_carried gather(const struct rf_image_writer *writer,
				      struct iovec data[RF_PAGES_MAX_RUNS])
{
	struct rf_image_carried record = { .runs = writer->runs,
					   .run_count = writer->pages.runs,
					   .data = data };

	for (uint32_t i = 0; i < writer->pages.runs; i++) {
		size_t bytes = (size_t)writer->runs[i].pages * PAGE_BYTES;

		if (writer->runs[i].kind != RF_RUN_DATA)
			continue;
		data[record.data_count++] = (struct iovec){ (void *)writer->run_data[i], bytes };
		record.data_bytes += bytes;
	}
	return record;
}

/* Sends the gathered pages, by whatever road. */
static int send_pages(struct rf_image_writer *writer)
{
	struct iovec data[RF_PAGES_MAX_RUNS];
	struct rf_image_carried record = gather(writer, data);
	const struct rf_image_carrier *carrier = record.data_bytes ? writer->carrier : NULL;
	struct rf_image_remote_pages remote = { .runs = record.run_count };
	uint64_t digest;
	int error = carrier ? carrier->carry(carrier->context, &record, &remote, &digest) : 0;

	if (error < 0)
		return error;
	writer->data_pages += writer->gathered_pages;
	writer->gathered_pages = 0;
	writer->bounced_pages = 0;
	error = error ? put_pages(writer, &remote, sizeof(remote), &record, &digest)
		      : put_by_stream(writer, &record);
	writer->pages.runs = 0;
	return error;
}

int rf_image_writer_flush(struct rf_image_writer *writer)
{
	if (writer->pages.runs)
		return send_pages(writer);
	return writer->used ? send_buffer(writer) : 0;
}

/* Makes room for one more run that does not continue the last one. */
static int open_run(struct rf_image_writer *writer, uint64_t address, const void *data,
		    enum rf_run_kind kind)
{
	struct rf_image_run *last;

	if (writer->pages.runs) {
		size_t bytes;

		last = &writer->runs[writer->pages.runs - 1];
		bytes = (size_t)last->pages * PAGE_BYTES;
		if (writer->may_join && last->kind == kind && last->address + bytes == address &&
		    (kind != RF_RUN_DATA ||
		     (const char *)writer->run_data[writer->pages.runs - 1] + bytes == data))
			return 0;
		/* ascending within a record, doc/image-format.txt 12 */
		if (writer->pages.runs == RF_PAGES_MAX_RUNS || address < last->address) {
			int error = send_pages(writer);

			if (error < 0)
				return error;
		}
	}
	writer->may_join = true;
	writer->run_data[writer->pages.runs] = data;
	writer->runs[writer->pages.runs++] =
		(struct rf_image_run){ .address = address, .kind = (uint32_t)kind };
	return 0;
}

/* Adds pages of data, which lie at `data` and belong at `address`, to the PAGES record. */
static int add_data(struct rf_image_writer *writer, uint64_t address, const void *data,
		    uint32_t pages)
{
	while (pages) {
		uint32_t room = RF_PAGES_MAX_DATA_PAGES - writer->gathered_pages;
		uint32_t take = pages < room ? pages : room;
		int error = 0;

		if (!room)
			error = send_pages(writer);
		else
			error = open_run(writer, address, data, RF_RUN_DATA);
		if (error < 0)
			return error;
		if (!room)
			continue;
		/* open_run() may have sent what was gathered, which only makes room */
		writer->runs[writer->pages.runs - 1].pages += take;
		writer->gathered_pages += take;
		address += (uint64_t)take * PAGE_BYTES;
		data = (const char *)data + (size_t)take * PAGE_BYTES;
		pages -= take;
	}
	return 0;
}

/* Pages are looked at one line each, too far apart for the CPU to foresee: it is told which are
 * next.  Where no memory is, that does nothing. */
#define PAGES_FORESEEN 16u

/* Whether a page need not travel. */
static bool is_left_out(const struct rf_image_writer *writer, const void *page)
{
	__builtin_prefetch((const char *)page + PAGES_FORESEEN * PAGE_BYTES);
	return !writer->keeps_zeros && rf_is_zero_page(page);
}

int rf_image_write_data(struct rf_image_writer *writer, uint64_t address, const void *data,
			uint64_t pages)
{
	const char *next = data;
	const char *end = next + pages * PAGE_BYTES;

	writer->may_join = false;
	if (writer->drop && rf_drop_has_data(writer->drop, address))
		return 0;
	while (next < end) {
		const char *start, *limit;
		int error;

		while (next < end && is_left_out(writer, next))
			next += PAGE_BYTES;
		start = next;
		/* a record's worth at a time: what was just looked at is still in the cache */
		limit = end - start < RF_PAGES_MAX_DATA_PAGES * PAGE_BYTES
				? end
				: start + RF_PAGES_MAX_DATA_PAGES * PAGE_BYTES;
		while (next < limit && !is_left_out(writer, next))
			next += PAGE_BYTES;
		error = add_data(writer, address + (uint64_t)(start - (const char *)data), start,
				 (uint32_t)((uint64_t)(next - start) / PAGE_BYTES));
		if (error < 0)
			return error;
	}
	return 0;
}

int rf_image_write_pages(struct rf_image_writer *writer, uint64_t address, uint64_t pages)
{
	return rf_image_write_data(writer, address, (const void *)address, pages);
}

static int add_guard(struct rf_image_writer *writer, uint64_t address, uint64_t pages)
{
	if (writer->drop && rf_drop_has_guards(writer->drop))
		return 0;
	while (pages) {
		uint32_t take = pages < UINT32_MAX / 2 ? (uint32_t)pages : UINT32_MAX / 2;
		int error = open_run(writer, address, NULL, RF_RUN_GUARD);

		if (error < 0)
			return error;
		writer->runs[writer->pages.runs - 1].pages += take;
		pages -= take;
		address += (uint64_t)take * PAGE_BYTES;
	}
	return 0;
}

int rf_image_write_guard(struct rf_image_writer *writer, uint64_t address, uint64_t pages)
{
	writer->may_join = false;
	return add_guard(writer, address, pages);
}

/*
 * Makes room for pages that are read into the bounce memory: afterwards up to *take of them fit in
 * the record that is being gathered, so that none is sent, and its slot used again, too early.
 */
static int reserve_bounce(struct rf_image_writer *writer, uint64_t address, uint32_t *take)
{
	uint32_t used = writer->bounced_pages > writer->gathered_pages ? writer->bounced_pages
								       : writer->gathered_pages;
	uint32_t runs = writer->pages.runs;
	int error = 0;

	if (used < RF_PAGES_MAX_DATA_PAGES && runs < RF_PAGES_MAX_RUNS &&
	    (!runs || address >= writer->runs[runs - 1].address)) {
		uint32_t room = RF_PAGES_MAX_DATA_PAGES - used;

		if (room > RF_PAGES_MAX_RUNS - runs)
			room = RF_PAGES_MAX_RUNS - runs;
		if (*take > room)
			*take = room;
		return 0;
	}
	error = rf_image_writer_flush(writer);
	writer->bounced_pages = 0;
	if (*take > RF_PAGES_MAX_DATA_PAGES)
		*take = RF_PAGES_MAX_DATA_PAGES;
	return error;
}

static int add_bounced(struct rf_image_writer *writer, uint64_t address, uint32_t count)
{
	const unsigned char *data = writer->bounce + (size_t)writer->bounced_pages * PAGE_BYTES;
	int error = 0;

	writer->bounced_pages += count;
	for (; count && !error; count--, data += PAGE_BYTES, address += PAGE_BYTES)
		if (!is_left_out(writer, data))
			error = add_data(writer, address, data, 1);
	return error;
}

static int write_unreadable(struct rf_image_writer *writer, uint64_t address,
			    enum rf_unreadable unreadable)
{
	switch (unreadable) {
	case RF_UNREADABLE_IS_GUARD:
		return add_guard(writer, address, 1);
	case RF_UNREADABLE_IS_LEFT_OUT:
		return 0;
	case RF_UNREADABLE_FAILS:
		break;
	}
	return -EFAULT;
}

int rf_image_write_pages_careful(struct rf_image_writer *writer, uint64_t address, uint64_t pages,
				 enum rf_unreadable unreadable)
{
	writer->may_join = false;
	if (writer->drop && rf_drop_has_data(writer->drop, address))
		return 0;
	while (pages) {
		uint32_t take = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
		int error = reserve_bounce(writer, address, &take);
		ssize_t got;

		if (error < 0)
			return error;
		got = rf_sys_pread(writer->memory_fd,
				   writer->bounce + (size_t)writer->bounced_pages * PAGE_BYTES,
				   (size_t)take * PAGE_BYTES, address);
		if (got == -EINTR)
			continue;
		if (got < 0 && got != -EIO && got != -EFAULT)
			return (int)got;
		take = got >= (ssize_t)PAGE_BYTES ? (uint32_t)((size_t)got / PAGE_BYTES) : 0;
		if (take) {
			error = add_bounced(writer, address, take);
		} else {
			take = 1;
			error = write_unreadable(writer, address, unreadable);
		}
		if (error < 0)
			return error;
		pages -= take;
		address += (uint64_t)take * PAGE_BYTES;
	}
	return 0;
}

int rf_image_write_end(struct rf_image_writer *writer)
{
	struct rf_image_end end;
	struct iovec piece = { &end, sizeof(end) };
	int error = rf_image_writer_flush(writer);

	if (error < 0)
		return error;
	end.records = writer->sequence + 1;
	end.data_pages = writer->data_pages;
	error = rf_image_write(writer, RF_RECORD_END, &piece, 1);
	return error < 0 ? error : rf_image_writer_flush(writer);
}
