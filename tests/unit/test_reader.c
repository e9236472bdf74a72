/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/image_reader.c: a good image is accepted, and each way to break one
 * has its answer.  What is accepted is held against the rules of doc/image-format.txt by
 * image_sample.c.
 */
#define _GNU_SOURCE
#include "rfork/image_reader.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/image_changes.h"

#define PAGE SAMPLE_PAGE
/* Has neither a meaning in the format nor bits in common with what has. */
#define UNKNOWN_TYPE 4000

static void set_up(void)
{
	sample_make(&sample);
}

static void assert_accepted(void)
{
	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
}

static struct rf_image_descriptor *descriptor(unsigned index)
{
	return sample_payload(&sample, RF_RECORD_DESCRIPTOR, index);
}

static void witness(uint64_t offset, uint32_t status_flags)
{
	descriptor(4)->flags = RF_DESCRIPTOR_WITNESS;
	descriptor(4)->status_flags = status_flags;
	memset(descriptor(4)->digest, 0, sizeof(descriptor(4)->digest));
	descriptor(4)->witness = offset;
}

/* -- what is good -------------------------------------------------------------------------- */

START_TEST(good_image_is_accepted)
{
	struct rf_image_pages *pages = sample_payload(&sample, RF_RECORD_PAGES, 0);
	unsigned char *data = (unsigned char *)(sample_run(&sample, 0) + pages->runs);

	assert_accepted();
	ck_assert_uint_eq(reading.located, 3);
	ck_assert_mem_eq(reading.pages[SAMPLE_HEAP], data, 2 * PAGE);
	ck_assert_mem_eq(reading.pages[SAMPLE_STACK], data + 2 * PAGE, PAGE);
	ck_assert_str_eq(reading.image.cwd, "/home/user");
	ck_assert_uint_eq(reading.image.threads[0].image.tid, 4711);
	ck_assert_uint_eq(reading.image.vdso_areas[1].kind, RF_VDSO_CODE);
	ck_assert_int_eq(reading.report.error, 0);
}
END_TEST

START_TEST(sockets_that_keep_messages_are_accepted)
{
	struct rf_image_descriptor *socket = sample_payload(&sample, RF_RECORD_DESCRIPTOR, 3);

	socket->stream = (_i == 1 ? RF_STREAM_SEQPACKET : RF_STREAM_DATAGRAM) | RF_STREAM_READ;
	if (_i == 2)
		socket->stream |= RF_STREAM_WRITE | RF_STREAM_HAS_NO_PEER;
	socket->offset = INT32_MAX;
	assert_accepted();
}
END_TEST

START_TEST(listening_sockets_are_accepted)
{
	struct rf_image_descriptor *socket = sample_payload(&sample, RF_RECORD_DESCRIPTOR, 3);

	socket->stream = RF_STREAM_LISTENER | RF_STREAM_READ;
	socket->stream |= _i ? RF_STREAM_CONNECTIONS_KEEP_MESSAGES : 0;
	assert_accepted();
}
END_TEST

START_TEST(what_an_image_says_besides_is_read)
{
	assert_accepted();
	ck_assert_uint_eq(reading.image.origin.pid, 4711);
	ck_assert_ptr_null(reading.image.parent_path);
	ck_assert(reading.image.has_facts);
	ck_assert_str_eq(reading.image.facts.host_name, "somewhere");
	ck_assert(reading.image.has_clocks);
	ck_assert_uint_eq(reading.image.clocks.monotonic_ns, UINT64_C(7200000000123));
	ck_assert_uint_eq(reading.image.clocks.boottime_ns, UINT64_C(9000000000456));
	ck_assert_uint_eq(reading.image.clocks.time_namespace, UINT64_C(4026531834));
	ck_assert(reading.image.has_identity);
	ck_assert_uint_eq(reading.image.identity.hops, 2);
	ck_assert_str_eq(reading.image.identity.origin.host_name, "first");
	ck_assert_uint_eq(reading.image.identity.home.pid, 4711);
	ck_assert_str_eq(reading.image.connection, "tcp://n1");
	ck_assert(reading.image.has_rights);
	ck_assert_uint_eq(reading.image.rights.effective, ~(UINT64_C(1) << 21));
	ck_assert_uint_eq(reading.image.rights.bounding, ~(UINT64_C(1) << 24));
	ck_assert_uint_eq(reading.image.rights.root_inode, 131073);
	ck_assert_uint_eq(reading.image.lock_count, 2);
	ck_assert_uint_eq(reading.image.locks[0].start, 100);
	ck_assert_str_eq(reading.image.lost, "descriptor 5: /dev/sample\nthe rest of it\n");
}
END_TEST

static void share(struct rf_image_mapping *mapping, uint32_t number, uint64_t offset)
{
	mapping->flags = RF_MAPPING_SHARED;
	mapping->file = number;
	mapping->file_offset = offset;
}

START_TEST(marks_are_accepted)
{
	const struct rf_image_mapping *heap = sample_mapping(&sample, SAMPLE_HEAP);
	const struct rf_image_mark mark = { .start = heap->start,
					    .end = heap->end,
					    .flags = RF_MAPPING_MARKS &
						     ~(RF_MAPPING_NOHUGEPAGE | RF_MAPPING_RANDOM) };

	sample_insert(&sample, sample.count - 1, RF_RECORD_MARKS, 0, &mark, sizeof(mark));
	sample_recount(&sample);
	assert_accepted();
	ck_assert_uint_eq(reading.image.mark_count, 1);
	ck_assert_mem_eq(&reading.image.marks[0], &mark, sizeof(mark));
	ck_assert_uint_eq(reading.image.seal_count, 1);
	ck_assert(rf_image_is_marked(&reading.image, mark.end - PAGE, mark.end, RF_MAPPING_SEALED));
	ck_assert(
		!rf_image_is_marked(&reading.image, mark.end, mark.end + PAGE, RF_MAPPING_SEALED));
}
END_TEST

START_TEST(keys_are_accepted)
{
	const struct rf_image_mapping *heap = sample_mapping(&sample, SAMPLE_HEAP);
	const struct rf_image_mark mark = { .start = heap->start, .end = heap->end, .key = 15 };
	struct rf_image_process *process = sample_payload(&sample, RF_RECORD_PROCESS, 0);
	struct rf_image_thread *thread = sample_payload(&sample, RF_RECORD_THREAD, 0);

	process->protection_keys = 1 << 15 | 1 << 1;
	thread->flags |= RF_THREAD_KEY_RIGHTS;
	thread->key_rights = 0x55555551;
	sample_insert(&sample, sample.count - 1, RF_RECORD_MARKS, 0, &mark, sizeof(mark));
	sample_recount(&sample);
	assert_accepted();
	ck_assert_uint_eq(reading.image.marks[0].key, 15);
	ck_assert_uint_eq(reading.image.key_count, 1);
	ck_assert_uint_eq(reading.image.threads[0].image.key_rights, 0x55555551);
}
END_TEST

START_TEST(huge_pages_are_accepted)
{
	struct rf_image_mapping *heap = sample_mapping(&sample, SAMPLE_HEAP);

	heap->flags = RF_MAPPING_MIN_HUGE_BITS << RF_MAPPING_HUGE_SHIFT;
	assert_accepted();
	ck_assert_uint_eq(rf_mapping_huge_bytes(&reading.image.mappings[SAMPLE_HEAP]), 2 * PAGE);
}
END_TEST

START_TEST(shared_memory_is_accepted)
{
	share(sample_mapping(&sample, SAMPLE_HEAP), 0, 3 * PAGE);
	assert_accepted();
	ck_assert_uint_eq(reading.image.shared_read, 1);
	ck_assert_uint_eq(reading.image.shared[0].bytes,
			  3 * PAGE + reading.image.mappings[SAMPLE_HEAP].end -
				  reading.image.mappings[SAMPLE_HEAP].start);
}
END_TEST

START_TEST(kinds_of_images_at_rest_are_accepted)
{
	struct rf_image_mapping *heap = sample_mapping(&sample, SAMPLE_HEAP);

	heap->kind = RF_MAPPING_CONTENTS;
	heap->file = 1;
	heap->file_offset = 3 * PAGE;
	heap->flags = RF_MAPPING_LOCKED;
	sample_mapping(&sample, SAMPLE_SHARED)->flags |= RF_MAPPING_LOCKED;
	descriptor(4)->flags |= RF_DESCRIPTOR_BY_PATH | RF_DESCRIPTOR_AT_END;
	assert_accepted();
	ck_assert_uint_eq(reading.image.mappings[SAMPLE_HEAP].file, 1);
}
END_TEST

START_TEST(forecast_is_read_apart_from_the_layout)
{
	const struct rf_image *said = &reading.forecast.image;
	static struct rf_reader reader;
	struct sample_record first = sample.records[0];
	struct rf_report report = { 0 };
	size_t bytes;
	unsigned char *stream = sample_encode(&sample, &bytes);
	int fds[2];

	/* by itself: a reader must not wait for more before it acts on it */
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(rf_reader_init(&reader, fds[0], SAMPLE_MIN_ADDRESS, SAMPLE_MAX_ADDRESS,
					&report),
			 0);
	bytes = sizeof(struct rf_record_header) + first.bytes;
	ck_assert_int_eq(write(fds[1], stream, bytes), (ssize_t)bytes);
	ck_assert_int_eq(rf_reader_forecast(&reader, &reading.forecast), 0);
	ck_assert_uint_eq(said->files_read, 1);
	ck_assert_str_eq(said->files[0].path, "/usr/bin/sample");
	ck_assert_uint_eq(said->mappings_read, 3);
	ck_assert_uint_eq(said->mappings[1].data_pages, 2);
	ck_assert_uint_eq(reading.forecast.run_count, 2);
	ck_assert_uint_eq(reading.forecast.runs[0].pages, 2);
	rf_reader_release(&reader);
	rf_reader_release_forecast(&reading.forecast);
	close(fds[0]);
	close(fds[1]);
	free(stream);
	/* and an image without one has an empty one */
	sample_remove(&sample, 0);
	sample_recount(&sample);
	ck_assert_int_eq(read_sample(), 0);
	ck_assert_uint_eq(reading.forecast.run_count, 0);
	ck_assert_uint_eq(said->head.mappings, 0);
}
END_TEST

START_TEST(nothing_behind_the_end_is_read)
{
	size_t bytes;
	unsigned char *stream = sample_encode(&sample, &bytes);
	size_t longer = bytes + 3 * RF_READER_BUFFER_BYTES;

	/* What follows are frames: they belong to the session. */
	stream = realloc(stream, longer);
	memset(stream + bytes, 0xee, longer - bytes);
	ck_assert_int_eq(read_stream(stream, longer), 0);
	ck_assert_uint_eq(reading.consumed, bytes);
	free(stream);
}
END_TEST

struct dribble {
	int fd;
	const unsigned char *stream;
	size_t bytes, at_once;
};

/* Sends a stream in small pieces and leaves the socket open. */
static void *dribble(void *argument)
{
	const struct dribble *order = argument;

	for (size_t at = 0; at < order->bytes; at += order->at_once) {
		size_t rest = order->bytes - at;
		size_t take = rest < order->at_once ? rest : order->at_once;

		if (send(order->fd, order->stream + at, take, MSG_NOSIGNAL) != (ssize_t)take)
			abort();
	}
	return NULL;
}

static int put_in_place(void *context, size_t mapping, const struct rf_image_run *run,
			uint64_t *offset)
{
	unsigned char(*pages)[2 * PAGE] = context;

	if (run->kind == RF_RUN_DATA)
		*offset = (uintptr_t)pages[mapping] - run->address;
	return 0;
}

/* Reads from a socket that stays open: a reader that wants more than there is would hang. */
static void read_dribbled(size_t at_once)
{
	static unsigned char pages[SAMPLE_MAPPINGS][2 * PAGE];
	static struct rf_reader_forecast forecast;
	static struct rf_reader reader;
	static struct rf_image image;
	struct dribble order = { .at_once = at_once };
	struct rf_report report = { 0 };
	unsigned char *stream = sample_encode(&sample, &order.bytes);
	int ends[2];
	pthread_t thread;

	order.stream = stream;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	order.fd = ends[0];
	ck_assert_int_eq(pthread_create(&thread, NULL, dribble, &order), 0);
	ck_assert_int_eq(rf_reader_init(&reader, ends[1], SAMPLE_MIN_ADDRESS, SAMPLE_MAX_ADDRESS,
					&report),
			 0);
	ck_assert_msg(rf_reader_forecast(&reader, &forecast) == 0, "%s", report.sentence);
	ck_assert_msg(rf_reader_layout(&reader, &image) == 0, "%s", report.sentence);
	ck_assert_msg(rf_reader_pages(&reader, &image, put_in_place, pages) == 0, "%s",
		      report.sentence);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	rf_image_release(&image);
	rf_reader_release(&reader);
	rf_reader_release_forecast(&forecast);
	close(ends[0]);
	close(ends[1]);
	free(stream);
}

/* The reader does not ask for a byte behind FILLED before it is told to. */
START_TEST(image_is_filled_before_its_end_comes)
{
	static unsigned char pages[SAMPLE_MAPPINGS][2 * PAGE];
	static struct rf_reader_forecast forecast;
	static struct rf_reader reader;
	static struct rf_image image;
	struct rf_report report = { 0 };
	unsigned char *stream;
	size_t bytes, before_end;
	int ends[2];

	sample_insert(&sample, sample.count - 1, RF_RECORD_FILLED, 0, "", 0);
	sample_recount(&sample);
	stream = sample_encode(&sample, &bytes);
	before_end = bytes - sizeof(struct rf_record_header) - sizeof(struct rf_image_end);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(rf_reader_init(&reader, ends[1], SAMPLE_MIN_ADDRESS, SAMPLE_MAX_ADDRESS,
					&report),
			 0);
	ck_assert_int_eq(write(ends[0], stream, before_end), before_end);
	ck_assert_int_eq(rf_reader_forecast(&reader, &forecast), 0);
	ck_assert_int_eq(rf_reader_layout(&reader, &image), 0);
	ck_assert_msg(rf_reader_fill(&reader, &image, put_in_place, pages) == 0, "%s",
		      report.sentence);
	ck_assert(reader.is_filled && !reader.has_ended);
	ck_assert_int_eq(write(ends[0], stream + before_end, bytes - before_end),
			 bytes - before_end);
	ck_assert_msg(rf_reader_pages(&reader, &image, put_in_place, pages) == 0, "%s",
		      report.sentence);
	ck_assert(reader.has_ended);
	rf_image_release(&image);
	rf_reader_release(&reader);
	rf_reader_release_forecast(&forecast);
	close(ends[0]);
	close(ends[1]);
	free(stream);
}
END_TEST

START_TEST(image_may_come_in_pieces_of_any_size)
{
	static const size_t sizes[] = { 1, 7, 31, 32, 33, 1000, 4096, 20000 };

	read_dribbled(sizes[_i]);
}
END_TEST

START_TEST(terminal_may_have_been_opened_often)
{
	descriptor(1)->file = descriptor(3)->file = RF_IMAGE_TERMINAL_CHANNEL;
	descriptor(1)->stream = RF_STREAM_TERMINAL | RF_STREAM_WRITE;
	descriptor(3)->stream = RF_STREAM_TERMINAL | RF_STREAM_READ | RF_STREAM_WRITE;
	assert_accepted();
}
END_TEST

START_TEST(witness_is_accepted)
{
	witness(RF_WITNESS_FIRST, O_WRONLY);
	assert_accepted();
	witness(RF_WITNESS_END - 1, O_RDWR | O_APPEND);
	assert_accepted();
}
END_TEST

START_TEST(smallest_image_is_accepted)
{
	struct rf_image_mapping *mapping;

	sample_remove(&sample, sample_index(&sample, RF_RECORD_FORECAST, 0));
	for (int i = 0; i < 9; i++)
		sample_remove(&sample, sample_index(&sample, RF_RECORD_DESCRIPTOR, 0));
	sample_remove(&sample, sample_index(&sample, RF_RECORD_PIPE, 0));
	for (int i = 0; i < 6; i++)
		sample_remove(&sample, sample_index(&sample, RF_RECORD_OBJECT, 0));
	sample_remove(&sample, sample_index(&sample, RF_RECORD_WATCHES, 0));
	for (int i = 0; i < 2; i++)
		sample_remove(&sample, sample_index(&sample, RF_RECORD_FILE, 0));
	sample_remove(&sample, sample_index(&sample, RF_RECORD_VDSO, 0));
	sample_remove(&sample, sample_index(&sample, RF_RECORD_TIMERS, 0));
	sample_remove(&sample, sample_index(&sample, RF_RECORD_PENDING, 0));
	sample_remove(&sample, sample_index(&sample, RF_RECORD_STATE, 0));
	sample_remove(&sample, sample_index(&sample, RF_RECORD_THREAD_STATE, 0));
	for (uint16_t type = RF_RECORD_ORIGIN; type <= RF_RECORD_LOST; type++)
		sample_remove(&sample, sample_index(&sample, type, 0));
	sample_remove(&sample, sample_index(&sample, RF_RECORD_PAGES, 0));
	mapping = sample_mapping(&sample, SAMPLE_TEXT);
	*mapping = *sample_mapping(&sample, SAMPLE_HEAP);
	sample_resize(sample_find(&sample, RF_RECORD_MAPPING, 0), sizeof(*mapping));
	sample_head(&sample)->files = 0;
	sample_head(&sample)->objects = 0;
	sample_head(&sample)->descriptors = 0;
	sample_head(&sample)->mappings = 1;
	((struct rf_image_end *)sample_payload(&sample, RF_RECORD_END, 0))->data_pages = 0;
	sample_recount(&sample);
	assert_accepted();
}
END_TEST

START_TEST(mappings_may_come_in_several_records)
{
	struct sample_record *record = sample_find(&sample, RF_RECORD_MAPPING, 0);
	unsigned index = sample_index(&sample, RF_RECORD_MAPPING, 0);
	const size_t first = 3 * sizeof(struct rf_image_mapping);

	sample_insert(&sample, index + 1, RF_RECORD_MAPPING, 0, record->payload + first,
		      record->bytes - (uint32_t)first);
	sample_resize(sample_find(&sample, RF_RECORD_MAPPING, 0), (uint32_t)first);
	sample_recount(&sample);
	assert_accepted();
}
END_TEST

START_TEST(many_records_are_more_than_the_buffer)
{
	char path[RF_IMAGE_MAX_PATH_BYTES];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	for (uint32_t i = 0; i < 2; i++) {
		struct sample_record *record = sample_find(&sample, RF_RECORD_FILE, i);

		sample_resize(record, sizeof(struct rf_image_file) + sizeof(path));
		memcpy(record->payload + sizeof(struct rf_image_file), path, sizeof(path));
	}
	for (uint16_t i = 0; i < 20; i++)
		sample_insert(&sample, 4 + i % 10, UNKNOWN_TYPE + i, RF_RECORD_OPTIONAL, path,
			      sizeof(path));
	sample_recount(&sample);
	assert_accepted();
}
END_TEST

START_TEST(unknown_optional_record_is_skipped_anywhere)
{
	static const unsigned char noise[100] = { 1, 2, 3 };
	unsigned count = sample.count;

	for (unsigned index = sample_index(&sample, RF_RECORD_IMAGE, 0) + 1; index < count;
	     index++) {
		sample_insert(&sample, index, UNKNOWN_TYPE, RF_RECORD_OPTIONAL, noise,
			      index % 2 ? sizeof(noise) : 0);
		sample_recount(&sample);
		assert_accepted();
		sample_remove(&sample, index);
	}
}
END_TEST

START_TEST(largest_record_of_an_unknown_type_is_skipped)
{
	unsigned char *noise = calloc(1, RF_RECORD_MAX_BYTES);

	sample_insert(&sample, 3, UNKNOWN_TYPE, RF_RECORD_OPTIONAL, noise, RF_RECORD_MAX_BYTES);
	sample_recount(&sample);
	assert_accepted();
	free(noise);
}
END_TEST

START_TEST(vector_state_of_any_size_is_kept)
{
	/* what CPUs have: up to AVX, AMD's and Intel's AVX-512 with protection keys, AMX */
	static const uint32_t sizes[] = { 576, 832, 2440, 2696, 11008 };
	struct sample_record *record = sample_find(&sample, RF_RECORD_THREAD, 0);

	sample_resize(record, sizeof(struct rf_image_thread) + sizes[_i]);
	((struct rf_image_thread *)record->payload)->xsave_bytes = sizes[_i];
	record->payload[record->bytes - 1] = 77;
	assert_accepted();
	ck_assert_uint_eq(reading.image.threads[0].xsave[sizes[_i] - 1], 77);
}
END_TEST

START_TEST(mapping_is_found_by_any_of_its_ranges)
{
	struct rf_image_mapping mappings[] = {
		{ .start = 0x1000, .end = 0x3000 },
		{ .start = 0x3000, .end = 0x4000 },
		{ .start = 0x8000, .end = 0x9000 },
	};
	struct rf_image image = { .head.mappings = 3, .mappings = mappings };

	ck_assert_uint_eq(rf_image_find_mapping(&image, 0x1000, 0x3000), 0);
	ck_assert_uint_eq(rf_image_find_mapping(&image, 0x2ffc, 0x3000), 0);
	ck_assert_uint_eq(rf_image_find_mapping(&image, 0x3000, 0x3001), 1);
	ck_assert_uint_eq(rf_image_find_mapping(&image, 0x8fff, 0x9000), 2);
	ck_assert_uint_eq(rf_image_find_mapping(&image, 0x2000, 0x4000), SIZE_MAX);
	ck_assert_uint_eq(rf_image_find_mapping(&image, 0x0, 0x2000), SIZE_MAX);
	ck_assert_uint_eq(rf_image_find_mapping(&image, 0x4000, 0x5000), SIZE_MAX);
	ck_assert_uint_eq(rf_image_find_mapping(&image, 0x9000, 0xa000), SIZE_MAX);
	ck_assert_uint_eq(rf_image_find_mapping(&image, UINT64_MAX - 1, UINT64_MAX), SIZE_MAX);
}
END_TEST

/* -- what is broken ------------------------------------------------------------------------ */

START_TEST(every_flipped_byte_is_noticed)
{
	static const unsigned char masks[] = { 0x01, 0x80 };
	size_t bytes;
	unsigned char *stream = sample_encode(&sample, &bytes);

	for (size_t at = 0; at < bytes; at++) {
		int answer;

		stream[at] ^= masks[_i];
		answer = read_stream(stream, bytes);
		/* in a run table, lengths and addresses are used before the digest is known */
		ck_assert_msg(answer == -EBADMSG || answer == -ECONNRESET, "byte %zu: answer %d",
			      at, answer);
		stream[at] ^= masks[_i];
	}
	free(stream);
}
END_TEST

START_TEST(fields_are_checked_behind_good_digests)
{
	static const unsigned char masks[] = { 0x01, 0x02, 0x10, 0x80, 0xff };
	unsigned accepted = 0, refused = 0;

	for (unsigned i = 0; i < sample.count; i++) {
		struct sample_record *record = &sample.records[i];
		uint32_t bytes = record->bytes;

		/* the pages' own bytes mean nothing to the reader */
		if (record->type == RF_RECORD_PAGES)
			bytes -= 3 * PAGE;
		for (uint32_t at = 0; at < bytes; at++) {
			int answer;

			record->payload[at] ^= masks[_i];
			answer = read_sample(); /* which checks what is accepted */
			ck_assert_msg(answer == 0 || sample_is_refusal(answer),
				      "record %u, byte %u: answer %d", i, at, answer);
			accepted += answer == 0;
			refused += answer != 0;
			record->payload[at] ^= masks[_i];
		}
	}
	ck_assert_uint_gt(accepted, 500); /* such as registers */
	ck_assert_uint_gt(refused, 200);
}
END_TEST

START_TEST(headers_are_checked_behind_good_digests)
{
	for (unsigned i = 0; i < sample.count; i++) {
		struct sample_record *record = &sample.records[i];
		uint16_t type = record->type;

		record->flags = 0; /* else what is unknown is skipped */
		for (uint16_t other = 0; other < RF_RECORD_LAST + 2; other++) {
			record->type = other;
			ck_assert(other == type ? read_sample() == 0
						: sample_is_refusal(read_sample()));
		}
		record->type = type;
		for (unsigned bit = 1; bit < 16; bit++) {
			record->flags = (uint16_t)(1u << bit);
			ck_assert_int_eq(read_sample(), -EBADMSG);
		}
		record->flags = 0;
		for (int64_t error = -1; error <= 1; error += 2) {
			record->sequence_error = error;
			ck_assert_int_eq(read_sample(), -EBADMSG);
		}
		record->sequence_error = 0;
	}
	assert_accepted();
}
END_TEST

START_TEST(early_end_is_noticed_at_every_byte)
{
	size_t bytes;
	unsigned char *stream = sample_encode(&sample, &bytes);

	for (size_t left = 0; left < bytes; left++)
		ck_assert_msg(read_stream(stream, left) == -ECONNRESET, "%zu bytes: %s", left,
			      reading.report.sentence);
	free(stream);
}
END_TEST

START_TEST(records_come_in_one_order)
{
	/* Two neighbours of unlike types change places; after LAYOUT there is one order, too. */
	for (unsigned i = 0; i + 1 < sample.count; i++) {
		struct sample_record first = sample.records[i];

		if (first.type == sample.records[i + 1].type)
			continue;
		sample.records[i] = sample.records[i + 1];
		sample.records[i + 1] = first;
		ck_assert_msg(read_sample() == -EBADMSG, "record %u: %s", i,
			      reading.report.sentence);
		sample.records[i + 1] = sample.records[i];
		sample.records[i] = first;
	}
	assert_accepted();
}
END_TEST

static bool may_be_missing(uint16_t type)
{
	return type == RF_RECORD_VDSO || type == RF_RECORD_FORECAST || type == RF_RECORD_TIMERS ||
	       type == RF_RECORD_PENDING || type == RF_RECORD_ORIGIN || type == RF_RECORD_MACHINE ||
	       type == RF_RECORD_STATE || type == RF_RECORD_THREAD_STATE ||
	       type == RF_RECORD_CLOCKS || type == RF_RECORD_IDENTITY || type == RF_RECORD_RIGHTS ||
	       type == RF_RECORD_WATCHES || type == RF_RECORD_LOCKS || type == RF_RECORD_LOST;
}

START_TEST(no_record_may_be_missing)
{
	for (unsigned i = 0; i < sample.count; i++) {
		struct sample changed;
		uint16_t type = sample.records[i].type;
		size_t bytes;
		unsigned char *stream;
		int answer;

		sample_copy(&changed, &sample);
		sample_remove(&changed, i);
		if (type != RF_RECORD_END)
			sample_recount(&changed);
		stream = sample_encode(&changed, &bytes);
		answer = read_stream(stream, bytes);
		/* without END the stream ends early */
		ck_assert_msg(answer == (may_be_missing(type)	 ? 0
					 : type == RF_RECORD_END ? -ECONNRESET
								 : -EBADMSG),
			      "record %u: answer %d", i, answer);
		free(stream);
		sample_free(&changed);
	}
}
END_TEST

START_TEST(no_record_may_come_twice)
{
	unsigned count = sample.count;

	for (unsigned i = 0; i < count; i++) {
		struct sample_record *record = &sample.records[i];
		int answer;

		sample_insert(&sample, i, record->type, 0, record->payload, record->bytes);
		if (i + 1 < count)
			sample_recount(&sample);
		answer = read_sample();
		/* What follows END is not the image's; more signals may be pending, and more may be
		 * watched. */
		ck_assert_msg(answer == (i + 1 < count && record->type != RF_RECORD_PENDING &&
							 record->type != RF_RECORD_WATCHES
						 ? -EBADMSG
						 : 0),
			      "record %u: answer %d", i, answer);
		sample_remove(&sample, i);
		sample_recount(&sample);
	}
}
END_TEST

/* -- one change, one answer ---------------------------------------------------------------- */

static struct sample_forecast *forecast(void)
{
	return sample_forecast(&sample);
}

static struct rf_image_origin *origin(void)
{
	return sample_payload(&sample, RF_RECORD_ORIGIN, 0);
}

static char *origin_path(void)
{
	return (char *)(origin() + 1);
}

static void parent(const char *path)
{
	sample_resize(sample_find(&sample, RF_RECORD_ORIGIN, 0),
		      (uint32_t)(sizeof(*origin()) + strlen(path)));
	memcpy(origin_path(), path, strlen(path));
	origin()->path_bytes = (uint32_t)strlen(path);
	origin()->parent[0] = 'p';
}

static struct rf_machine_facts *machine(void)
{
	return sample_payload(&sample, RF_RECORD_MACHINE, 0);
}

static struct rf_image_clocks *clocks(void)
{
	return sample_payload(&sample, RF_RECORD_CLOCKS, 0);
}

static struct rf_image_rights *rights(void)
{
	return sample_payload(&sample, RF_RECORD_RIGHTS, 0);
}

static struct rf_image_identity *identity(void)
{
	return sample_payload(&sample, RF_RECORD_IDENTITY, 0);
}

static void lengthen_connection(uint32_t bytes)
{
	struct sample_record *record = sample_find(&sample, RF_RECORD_IDENTITY, 0);

	sample_resize(record, (uint32_t)sizeof(*identity()) + bytes);
	memset(identity() + 1, 'n', bytes);
	identity()->connection_bytes = bytes;
}

static struct rf_image_lock *lock(unsigned nth)
{
	return (struct rf_image_lock *)sample_payload(&sample, RF_RECORD_LOCKS, 0) + nth;
}

static void fill_lost(uint32_t bytes)
{
	struct sample_record *record = sample_find(&sample, RF_RECORD_LOST, 0);

	sample_resize(record, bytes);
	memset(record->payload, '\n', bytes);
}

/* The heap as what was a file. */
static struct rf_image_mapping *contents(void)
{
	struct rf_image_mapping *heap = sample_mapping(&sample, SAMPLE_HEAP);

	heap->kind = RF_MAPPING_CONTENTS;
	heap->file = 0;
	heap->file_offset = PAGE;
	return heap;
}

static struct rf_image_process *process(void)
{
	return sample_payload(&sample, RF_RECORD_PROCESS, 0);
}

static struct rf_image_thread *thread(void)
{
	return sample_payload(&sample, RF_RECORD_THREAD, 0);
}

static struct rf_image_state *state(void)
{
	return sample_payload(&sample, RF_RECORD_STATE, 0);
}

static struct rf_image_thread_state *thread_state(void)
{
	return sample_payload(&sample, RF_RECORD_THREAD_STATE, 0);
}

static void second_thread_state(void)
{
	struct sample_record *record = sample_find(&sample, RF_RECORD_THREAD_STATE, 0);

	sample_insert(&sample, sample_index(&sample, RF_RECORD_THREAD_STATE, 0),
		      RF_RECORD_THREAD_STATE, 0, record->payload, record->bytes);
	sample_recount(&sample);
}

static struct rf_image_timer *timer(unsigned nth)
{
	return (struct rf_image_timer *)sample_payload(&sample, RF_RECORD_TIMERS, 0) + nth;
}

static struct rf_image_pending *pending(unsigned nth)
{
	return (struct rf_image_pending *)sample_payload(&sample, RF_RECORD_PENDING, 0) + nth;
}

/* So many more than the sample's two, in a record of their own. */
static void many_pending(uint32_t count)
{
	struct rf_image_pending *more = calloc(count, sizeof(*more));

	for (uint32_t i = 0; i < count; i++)
		more[i].signal = 40;
	sample_insert(&sample, sample_index(&sample, RF_RECORD_PENDING, 0), RF_RECORD_PENDING, 0,
		      more, count * (uint32_t)sizeof(*more));
	sample_recount(&sample);
	free(more);
}

static struct rf_image_pipe *pipe_record(void)
{
	return sample_payload(&sample, RF_RECORD_PIPE, 0);
}

static uint32_t *packet_lengths(void)
{
	return (uint32_t *)(pipe_record() + 1);
}

/* So many behind the sample's own, with nothing in them. */
static void more_pipes(uint32_t count, uint32_t capacity)
{
	unsigned at = sample_index(&sample, RF_RECORD_PIPE, 0);

	for (uint32_t i = 1; i <= count; i++) {
		struct rf_image_pipe pipe = { .index = i, .capacity_bytes = capacity };

		sample_insert(&sample, at + i, RF_RECORD_PIPE, 0, &pipe, sizeof(pipe));
	}
	sample_recount(&sample);
}

static struct rf_image_object *object(unsigned index)
{
	return sample_payload(&sample, RF_RECORD_OBJECT, index);
}

static struct rf_object_event *event(void)
{
	return (struct rf_object_event *)(object(0) + 1);
}

static struct rf_object_timer *timerfd(void)
{
	return (struct rf_object_timer *)(object(1) + 1);
}

static struct rf_object_inotify *inotify(void)
{
	return (struct rf_object_inotify *)(object(5) + 1);
}

static struct rf_image_watched *watched(unsigned nth)
{
	return (struct rf_image_watched *)(inotify() + 1) + nth;
}

static struct rf_image_watches *watches(void)
{
	return sample_payload(&sample, RF_RECORD_WATCHES, 0);
}

static struct rf_image_watch *watch(unsigned nth)
{
	return (struct rf_image_watch *)(watches() + 1) + nth;
}

static struct rf_image_vdso *vdso(void)
{
	return sample_payload(&sample, RF_RECORD_VDSO, 0);
}

static struct rf_image_vdso_area *area(unsigned index)
{
	return (struct rf_image_vdso_area *)(vdso() + 1) + index;
}

static struct rf_image_file *file(unsigned index)
{
	return sample_payload(&sample, RF_RECORD_FILE, index);
}

static char *path(unsigned index)
{
	return (char *)(file(index) + 1);
}

static struct rf_image_pages *pages(void)
{
	return sample_payload(&sample, RF_RECORD_PAGES, 0);
}

static struct rf_image_end *end(void)
{
	return sample_payload(&sample, RF_RECORD_END, 0);
}

static void resize(uint16_t type, int change)
{
	struct sample_record *record = sample_find(&sample, type, 0);

	sample_resize(record, (uint32_t)((int)record->bytes + change));
}

/* Makes PAGES one run of data, with so many pages of data behind the table. */
static void one_run(uint64_t address, uint32_t run_pages, uint32_t data_pages)
{
	pages()->runs = 1;
	sample_resize(sample_find(&sample, RF_RECORD_PAGES, 0),
		      (uint32_t)(sizeof(struct rf_image_pages) + sizeof(struct rf_image_run)) +
			      data_pages * PAGE);
	*sample_run(&sample, 0) = (struct rf_image_run){ .address = address, .pages = run_pages };
}

#define HEAP (sample_mapping(&sample, SAMPLE_HEAP))
#define TEXT (sample_mapping(&sample, SAMPLE_TEXT))
#define SHARED (sample_mapping(&sample, SAMPLE_SHARED))
#define STACK (sample_mapping(&sample, SAMPLE_STACK))

/* Room for more pages than a record may hold. */
static void large_heap(void)
{
	SHARED->start += 0x400000;
	SHARED->end += 0x400000;
	HEAP->end += 0x200000;
}

static void two_runs(uint32_t first_pages, uint32_t second_pages)
{
	uint32_t data_pages = first_pages + second_pages;

	pages()->runs = 2;
	sample_resize(sample_find(&sample, RF_RECORD_PAGES, 0),
		      (uint32_t)(sizeof(struct rf_image_pages) + 2 * sizeof(struct rf_image_run)) +
			      data_pages * PAGE);
	*sample_run(&sample, 0) =
		(struct rf_image_run){ .address = HEAP->start, .pages = first_pages };
	*sample_run(&sample, 1) =
		(struct rf_image_run){ .address = HEAP->start + (uint64_t)first_pages * PAGE,
				       .pages = second_pages };
}

/* Marks before END, of the whole heap: two, the second of which is as the text. */
static struct rf_image_mark *mark(uint32_t flags)
{
	const struct rf_image_mapping *heap = HEAP;
	struct rf_image_mark marks[2] = {
		{ .start = heap->start, .end = heap->start + PAGE, .flags = flags },
		{ .start = heap->start + PAGE, .end = heap->end, .flags = flags },
	};

	sample_insert(&sample, sample.count - 1, RF_RECORD_MARKS, 0, marks, sizeof(marks));
	return sample_payload(&sample, RF_RECORD_MARKS, 0);
}

/* One for each page, of which there are more than mappings. */
static void key_page_by_page(void)
{
	enum { PAGES = 8 };
	struct rf_image_mark marks[PAGES];

	HEAP->start = HEAP->end - PAGES * PAGE;
	process()->protection_keys = 2;
	for (uint64_t i = 0; i < PAGES; i++)
		marks[i] = (struct rf_image_mark){ .start = HEAP->start + i * PAGE,
						   .end = HEAP->start + (i + 1) * PAGE,
						   .key = 1 };
	sample_insert(&sample, sample.count - 1, RF_RECORD_MARKS, 0, marks, sizeof(marks));
}

static void insert_filled(unsigned index, uint32_t bytes)
{
	sample_insert(&sample, index, RF_RECORD_FILLED, 0, "filled!", bytes);
	sample_recount(&sample);
}

/* clang-format off: one line for each change */
CORRUPT(cut_forecast, resize(RF_RECORD_FORECAST, -1))
CORRUPT(longer_forecast, resize(RF_RECORD_FORECAST, 1))
CORRUPT(tiny_forecast, sample_resize(sample_find(&sample, RF_RECORD_FORECAST, 0), 31))
CORRUPT(huge_forecast, resize(RF_RECORD_FORECAST, 32768); forecast()->head.path_bytes += 32768)
CORRUPT(too_many_expected_files, forecast()->head.files = 129)
CORRUPT(too_many_expected_mappings, forecast()->head.mappings = 129)
CORRUPT(too_many_expected_runs, forecast()->head.runs = 257)
CORRUPT(wrapping_expected_paths, forecast()->head.path_bytes = UINT32_MAX)
CORRUPT(one_expected_file_less, forecast()->head.files = 0; forecast()->head.path_bytes += 48)
CORRUPT(expected_path_without_end, forecast()->path[15] = 'x')
CORRUPT(expected_path_with_more_behind, forecast()->path[8] = '\0')
CORRUPT(relative_expected_path, forecast()->path[0] = 'u')
CORRUPT(expected_file_index, forecast()->files[0].index = 1)
CORRUPT(expected_mapping_of_no_file, forecast()->mappings[0].file = 1)
CORRUPT(expected_mapping_shared, forecast()->mappings[0].flags = RF_MAPPING_SHARED)
CORRUPT(expected_mapping_low, forecast()->mappings[0].start = 0)
CORRUPT(expected_mapping_kernel, forecast()->mappings[2].end = UINT64_C(0xffff800000000000))
CORRUPT(expected_mappings_overlap, forecast()->mappings[1].start -= PAGE)
CORRUPT(expected_mapping_large, forecast()->mappings[1].end += 0x200000)
CORRUPT(expected_run_of_guards, forecast()->runs[0].kind = RF_RUN_GUARD)
CORRUPT(expected_run_of_nothing, forecast()->runs[0].pages = 0)
CORRUPT(expected_run_unaligned, forecast()->runs[0].address += 8)
CORRUPT(expected_run_in_a_gap, forecast()->runs[1].address = STACK->start - PAGE)
CORRUPT(expected_run_too_long, forecast()->runs[0].pages = 6)
CORRUPT(expected_run_wrapping, forecast()->runs[1].pages = UINT32_MAX)
CORRUPT(expected_runs_overlap, forecast()->runs[1] = forecast()->runs[0])
CORRUPT(other_magic, sample_head(&sample)->magic[7] = 'g')
REFUSED(EPROTONOSUPPORT, other_version, sample_head(&sample)->version = 2)
REFUSED(ENOEXEC, other_architecture, sample_head(&sample)->architecture = 2)
REFUSED(ENOEXEC, other_page_size, sample_head(&sample)->page_bytes = 16384)
CORRUPT(head_reserved1, sample_head(&sample)->reserved1 = 1)
CORRUPT(no_thread, sample_head(&sample)->threads = 0)
CORRUPT(missing_thread, sample_head(&sample)->threads = 2)
CORRUPT(too_many_threads, sample_head(&sample)->threads = 4097)
CORRUPT(too_many_files, sample_head(&sample)->files = 65537)
CORRUPT(too_many_objects, sample_head(&sample)->objects = 65537)
CORRUPT(one_object_more, sample_head(&sample)->objects++)
CORRUPT(one_object_less, sample_head(&sample)->objects--)
CORRUPT(too_many_descriptors, sample_head(&sample)->descriptors = 65537)
CORRUPT(too_many_mappings, sample_head(&sample)->mappings = 262145)
CORRUPT(no_mapping, sample_head(&sample)->mappings = 0)
CORRUPT(largest_counts, sample_head(&sample)->files = 65536;
	sample_head(&sample)->descriptors = 65536; sample_head(&sample)->mappings = 262144)
CORRUPT(all_ones_counts, sample_head(&sample)->files = UINT32_MAX)
CORRUPT(one_file_more, sample_head(&sample)->files++)
CORRUPT(one_file_less, sample_head(&sample)->files--)
CORRUPT(one_descriptor_more, sample_head(&sample)->descriptors++)
CORRUPT(one_descriptor_less, sample_head(&sample)->descriptors--)
CORRUPT(one_mapping_more, sample_head(&sample)->mappings++)
CORRUPT(one_mapping_less, sample_head(&sample)->mappings--)
CORRUPT(longer_head, resize(RF_RECORD_IMAGE, 8))
CORRUPT(shorter_head, resize(RF_RECORD_IMAGE, -8))
CORRUPT(longer_process, resize(RF_RECORD_PROCESS, 1))
CORRUPT(shorter_process, resize(RF_RECORD_PROCESS, -1))
CORRUPT(cut_process, sample_resize(sample_find(&sample, RF_RECORD_PROCESS, 0), 127))
CORRUPT(too_much_auxv, process()->auxv_bytes = 1040)
CORRUPT(odd_auxv, process()->auxv_bytes -= 8; process()->cwd_bytes += 8)
CORRUPT(wrapping_auxv, process()->auxv_bytes = UINT32_MAX - 15)
CORRUPT(long_directory, process()->cwd_bytes = UINT32_MAX)
CORRUPT(no_directory, process()->cwd_bytes = 0; resize(RF_RECORD_PROCESS, -10))
CORRUPT(relative_directory, ((char *)process())[128 + 32] = 'x')
CORRUPT(zero_in_directory, ((char *)process())[128 + 35] = '\0')
CORRUPT(wide_umask, process()->umask = 01000)
CORRUPT(process_reserved, process()->reserved2 = 1)
CORRUPT(key_of_all_memory, process()->protection_keys = 1)
CORRUPT(more_keys_than_there_are, process()->protection_keys = 1 << 16)
CORRUPT(longer_actions, resize(RF_RECORD_SIGACTIONS, 32))
CORRUPT(shorter_actions, resize(RF_RECORD_SIGACTIONS, -32))
CORRUPT(cut_thread, resize(RF_RECORD_THREAD, -1))
CORRUPT(longer_thread, resize(RF_RECORD_THREAD, 64))
CORRUPT(missing_xsave, thread()->xsave_bytes = 576)
CORRUPT(too_much_xsave, resize(RF_RECORD_THREAD, 16448); thread()->xsave_bytes = 16448)
CORRUPT(too_little_xsave, resize(RF_RECORD_THREAD, 512); thread()->xsave_bytes = 512)
CORRUPT(kernel_segment, thread()->registers.cs = 0x10)
CORRUPT(kernel_stack_segment, thread()->registers.ss = 0x18)
CORRUPT(compatibility_segment, thread()->registers.cs = 0x23)
CORRUPT(data_segment, thread()->registers.ds = 0x2b)
CORRUPT(io_privilege, thread()->registers.eflags |= 0x3000)
CORRUPT(trap_flag, thread()->registers.eflags |= 0x100)
CORRUPT(kernel_address, thread()->registers.rip = UINT64_C(0xffffffff80000000))
CORRUPT(odd_address, thread()->registers.rip = UINT64_C(0x800000000000))
CORRUPT(kernel_stack, thread()->registers.rsp = UINT64_MAX)
CORRUPT(kernel_fs_base, thread()->registers.fs_base = UINT64_C(0xffff888000000000))
CORRUPT(kernel_gs_base, thread()->registers.gs_base = UINT64_C(0xffff888000000000))
CORRUPT(wide_mxcsr, thread()->mxcsr = 0x10000)
CORRUPT(kernel_rseq, thread()->rseq_address = UINT64_MAX - 15)
CORRUPT(wide_rseq, thread()->rseq_address = SAMPLE_MAX_ADDRESS - 16)
CORRUPT(kernel_tid_address, thread()->tid_address = UINT64_C(0xffff888000000000))
CORRUPT(odd_tid_address, thread()->tid_address += 2)
CORRUPT(rights_that_are_not_known, thread()->key_rights = 1)
CORRUPT(unknown_flag_of_a_thread, thread()->flags |= 4)
CORRUPT(cut_state, resize(RF_RECORD_STATE, -1))
CORRUPT(long_state, resize(RF_RECORD_STATE, 8))
CORRUPT(soft_limit_above_the_hard_one, state()->limits[7].soft = state()->limits[6].hard + 2;
	state()->limits[7].hard = 5)
CORRUPT(unknown_state, state()->known |= 32768)
CORRUPT(flag_of_nothing_known, state()->known &= ~RF_STATE_SUBREAPER)
CORRUPT(flag_of_a_number, state()->flags |= RF_STATE_DUMPABLE)
CORRUPT(wide_dumpable, state()->dumpable = 3)
CORRUPT(dumpable_that_is_not_known, state()->known &= ~RF_STATE_DUMPABLE)
CORRUPT(low_oom_score, state()->oom_score_adj = -1001)
CORRUPT(high_oom_score, state()->oom_score_adj = 1001)
CORRUPT(low_autogroup, state()->autogroup_nice = -21)
CORRUPT(wide_huge_pages, state()->huge_pages = 4)
CORRUPT(wide_memory_deny, state()->memory_deny = 4)
CORRUPT(death_signal_65, state()->death_signal = 65)
CORRUPT(unknown_barrier, state()->barriers |= 8)
CORRUPT(barriers_that_are_not_known, state()->known &= ~RF_STATE_BARRIERS)
CORRUPT(cut_thread_state, sample_resize(sample_find(&sample, RF_RECORD_THREAD_STATE, 0), 127))
CORRUPT(cut_cpus, resize(RF_RECORD_THREAD_STATE, -8))
CORRUPT(odd_cpus, thread_state()->cpu_bytes = 12; resize(RF_RECORD_THREAD_STATE, -4))
CORRUPT(too_many_cpus, thread_state()->cpu_bytes = 1032; resize(RF_RECORD_THREAD_STATE, 1032 - 16))
CORRUPT(too_many_nodes, thread_state()->node_bytes = 136; resize(RF_RECORD_THREAD_STATE, 136 - 8))
CORRUPT(wrapping_cpus, thread_state()->cpu_bytes = UINT32_MAX - 7; thread_state()->node_bytes = 32)
CORRUPT(cpus_that_are_not_known, thread_state()->known &= ~RF_THREAD_STATE_CPUS)
CORRUPT(nodes_that_are_not_known, thread_state()->known &= ~RF_THREAD_STATE_MEMORY_POLICY)
CORRUPT(state_of_no_thread, thread_state()->thread = 1)
CORRUPT(two_states_of_a_thread, second_thread_state())
CORRUPT(unknown_thread_state, thread_state()->known |= 2048)
CORRUPT(unknown_thread_flag, thread_state()->flags |= 1)
CORRUPT(short_schedule, thread_state()->schedule.bytes = 48)
CORRUPT(nice_of_20, thread_state()->schedule.nice = 20)
CORRUPT(wide_clamp, thread_state()->schedule.util_max = 1025)
CORRUPT(thread_state_reserved, thread_state()->reserved = 1)
CORRUPT(cut_timers, resize(RF_RECORD_TIMERS, -1))
CORRUPT(no_timer, sample_resize(sample_find(&sample, RF_RECORD_TIMERS, 0), 0))
CORRUPT(too_many_timers, sample_resize(sample_find(&sample, RF_RECORD_TIMERS, 0), 4097 * 48))
CORRUPT(unknown_timer, timer(2)->kind = 4)
CORRUPT(timer_thread, timer(0)->thread = 1)
CORRUPT(timer_for_no_thread, timer(1)->thread = 1)
CORRUPT(endless_timer, timer(0)->remaining_ns = UINT64_C(1) << 63)
CORRUPT(endless_interval, timer(1)->interval_ns = UINT64_MAX)
CORRUPT(timer_id_out_of_range, timer(2)->id = UINT32_C(1) << 31)
CORRUPT(interval_timer_with_a_signal, timer(0)->signal = 10)
CORRUPT(interval_timer_with_an_id, timer(0)->id = 1)
CORRUPT(interval_timer_with_a_value, timer(0)->value = 1)
CORRUPT(unknown_notification, timer(1)->notify = 2)
CORRUPT(timer_with_signal_65, timer(1)->signal = 65)
CORRUPT(timer_without_signal, timer(1)->signal = 0)
CORRUPT(clock_of_another_process, timer(1)->clock = (int32_t)(~UINT32_C(4711) << 3 | 2))
CORRUPT(clock_of_a_descriptor, timer(1)->clock = -5)
CORRUPT(descending_timers, timer(1)->id = 10)
CORRUPT(equal_timers, timer(1)->id = 9)
CORRUPT(equal_interval_timers, timer(1)->kind = 0; memset(timer(1), 0, 48))
CORRUPT(interval_timer_behind, *timer(2) = *timer(0))
CORRUPT(cut_pending, resize(RF_RECORD_PENDING, -1))
CORRUPT(nothing_pending, sample_resize(sample_find(&sample, RF_RECORD_PENDING, 0), 0))
CORRUPT(pending_flags, pending(0)->flags = 2)
CORRUPT(pending_thread, pending(1)->thread = 1)
CORRUPT(pending_for_no_thread, pending(0)->thread = 1)
CORRUPT(pending_zero, pending(0)->signal = 0)
CORRUPT(pending_negative, pending(0)->signal = -1)
CORRUPT(pending_65, pending(1)->signal = 65)
CORRUPT(pending_kill, pending(0)->signal = 9)
CORRUPT(pending_stop, pending(1)->signal = 19)
CORRUPT(too_many_pending, many_pending(8191))
CORRUPT(no_area, vdso()->areas = 0; resize(RF_RECORD_VDSO, -48))
CORRUPT(nine_areas, resize(RF_RECORD_VDSO, 7 * 24); vdso()->areas = 9)
CORRUPT(wrapping_areas, vdso()->areas = 0x0aaaaaac)
CORRUPT(two_vdsos, area(0)->kind = RF_VDSO_CODE)
CORRUPT(no_vdso_code, area(1)->kind = RF_VDSO_DATA)
CORRUPT(unknown_area, area(0)->kind = 3)
CORRUPT(unaligned_area, area(0)->start += 8)
CORRUPT(empty_area, area(0)->end = area(0)->start)
CORRUPT(overlapping_areas, area(0)->end += PAGE)
CORRUPT(kernel_area, area(1)->end = UINT64_C(0xffffffffff601000))
CORRUPT(low_area, area(0)->start = 0)
CORRUPT(area_reserved, area(0)->reserved = 1)
CORRUPT(cut_vdso, resize(RF_RECORD_VDSO, -24))
CORRUPT(swapped_files, file(0)->index = 1; file(1)->index = 0)
CORRUPT(relative_path, path(0)[0] = 'u')
CORRUPT(zero_in_path, path(0)[3] = '\0')
CORRUPT(no_path, sample_resize(sample_find(&sample, RF_RECORD_FILE, 0), 48))
CORRUPT(cut_file, sample_resize(sample_find(&sample, RF_RECORD_FILE, 0), 20))
CORRUPT(long_path, sample_resize(sample_find(&sample, RF_RECORD_FILE, 0), 48 + 4096))
CORRUPT(cut_descriptor, resize(RF_RECORD_DESCRIPTOR, -1))
CORRUPT(descending_descriptors, descriptor(4)->number = 1)
CORRUPT(equal_descriptors, descriptor(4)->number = 7)
CORRUPT(high_descriptor, descriptor(4)->number = RF_IMAGE_MAX_FD + 1)
CORRUPT(same_as_later, descriptor(1)->same_as = 9)
CORRUPT(same_as_itself, descriptor(4)->same_as = 9)
CORRUPT(same_as_a_copy, descriptor(4)->same_as = 2)
CORRUPT(digest_of_a_relay, descriptor(1)->flags |= RF_DESCRIPTOR_DIGEST)
CORRUPT(digest_of_a_duplicate, descriptor(2)->flags |= RF_DESCRIPTOR_DIGEST)
CORRUPT(digest_of_what_is_written, descriptor(4)->status_flags = O_RDWR)
CORRUPT(digest_of_a_path, descriptor(4)->status_flags = O_PATH)
CORRUPT(digest_without_its_flag, descriptor(4)->flags = RF_DESCRIPTOR_CLOEXEC)
CORRUPT(witness_of_what_is_read, witness(RF_WITNESS_FIRST, O_RDONLY))
CORRUPT(witness_of_no_access, witness(RF_WITNESS_FIRST, O_ACCMODE))
CORRUPT(witness_of_a_path, witness(RF_WITNESS_FIRST, O_RDWR | O_PATH))
CORRUPT(witness_within_files, witness(RF_WITNESS_FIRST - 1, O_RDWR))
CORRUPT(witness_behind_all, witness(RF_WITNESS_END, O_WRONLY))
CORRUPT(witness_of_a_duplicate, descriptor(2)->flags |= RF_DESCRIPTOR_WITNESS;
	descriptor(2)->witness = RF_WITNESS_FIRST)
CORRUPT(witness_without_its_flag, witness(RF_WITNESS_FIRST, O_RDWR);
	descriptor(4)->flags &= (uint16_t)~RF_DESCRIPTOR_WITNESS)
REFUSED(ENOTSUP, unknown_descriptor, descriptor(0)->kind = 6)
REFUSED(ENOTSUP, descriptor_kind_zero, descriptor(0)->kind = 0)
CORRUPT(relay_of_no_stream, descriptor(3)->stream = 0)
CORRUPT(relay_of_unknown_stream, descriptor(3)->stream = 6 | RF_STREAM_READ)
CORRUPT(seqpacket_without_a_peer, descriptor(3)->stream = RF_STREAM_SEQPACKET | 0xb00)
CORRUPT(without_a_peer_not_written, descriptor(3)->stream = RF_STREAM_DATAGRAM | 0x900)
CORRUPT(listener_written_to, descriptor(3)->stream = RF_STREAM_LISTENER | 0x300)
CORRUPT(listener_not_read, descriptor(3)->stream = RF_STREAM_LISTENER | 0x400)
CORRUPT(listener_with_a_send_buffer, descriptor(3)->stream = RF_STREAM_LISTENER | RF_STREAM_READ;
	descriptor(3)->offset = 4096)
CORRUPT(connections_of_no_listener, descriptor(3)->stream = RF_STREAM_SEQPACKET | 0x500)
CORRUPT(relay_with_an_offset, descriptor(3)->offset = 4096)
CORRUPT(relay_with_a_huge_send_buffer, descriptor(3)->stream = RF_STREAM_DATAGRAM | RF_STREAM_READ;
	descriptor(3)->offset = 0x80000000)
CORRUPT(relay_of_no_direction, descriptor(3)->stream = RF_STREAM_SOCKET)
CORRUPT(relay_of_unknown_direction, descriptor(3)->stream |= 0x400)
CORRUPT(relay_as_pipe_both_ways, descriptor(3)->stream = RF_STREAM_PIPE | 0x300)
CORRUPT(relay_on_a_high_channel, descriptor(3)->file = 1024)
CORRUPT(relay_on_a_used_channel, descriptor(3)->file = 1)
CORRUPT(relay_on_the_channel_of_the_terminal, descriptor(3)->file = 3)
CORRUPT(terminal_on_another_channel, descriptor(3)->stream = RF_STREAM_TERMINAL | RF_STREAM_READ)
CORRUPT(terminal_of_no_direction, descriptor(3)->file = 3;
	descriptor(3)->stream = RF_STREAM_TERMINAL)
CORRUPT(terminal_of_unknown_direction, descriptor(3)->file = 3;
	descriptor(3)->stream = RF_STREAM_TERMINAL | 0x500)
CORRUPT(terminal_with_an_offset, descriptor(3)->file = 3;
	descriptor(3)->stream = RF_STREAM_TERMINAL | RF_STREAM_READ; descriptor(3)->offset = 1)
CORRUPT(standard_input_written, descriptor(1)->file = 0)
CORRUPT(standard_output_read, descriptor(1)->stream = RF_STREAM_PIPE | RF_STREAM_READ)
CORRUPT(standard_channel_as_socket, descriptor(3)->file = 2)
CORRUPT(file_with_a_stream, descriptor(4)->stream = RF_STREAM_PIPE | RF_STREAM_READ)
CORRUPT(descriptor_of_no_file, descriptor(4)->file = 2)
CORRUPT(end_of_no_pipe, descriptor(5)->file = 1)
CORRUPT(end_of_no_direction, descriptor(5)->stream = RF_STREAM_PIPE)
CORRUPT(end_of_both_directions, descriptor(5)->stream |= RF_STREAM_READ)
CORRUPT(end_of_a_socket, descriptor(5)->stream = RF_STREAM_SOCKET | RF_STREAM_WRITE)
CORRUPT(end_twice, descriptor(6)->stream = descriptor(5)->stream)
CORRUPT(pipe_index, pipe_record()->index = 1)
CORRUPT(pipe_without_capacity, pipe_record()->capacity_bytes = 0)
CORRUPT(tiny_pipe, pipe_record()->capacity_bytes = 2048)
CORRUPT(odd_pipe, pipe_record()->capacity_bytes = 12288)
CORRUPT(huge_pipe, pipe_record()->capacity_bytes = 2097152)
CORRUPT(too_many_packets, pipe_record()->packets = 3)
CORRUPT(wrapping_packets, pipe_record()->packets = UINT32_C(1) << 30)
CORRUPT(more_than_capacity, resize(RF_RECORD_PIPE, 8192); pipe_record()->bytes += 8192)
CORRUPT(fewer_contents, resize(RF_RECORD_PIPE, -1))
CORRUPT(more_contents, resize(RF_RECORD_PIPE, 1))
CORRUPT(cut_pipe, sample_resize(sample_find(&sample, RF_RECORD_PIPE, 0), 15))
CORRUPT(empty_packet, packet_lengths()[0] = 0; packet_lengths()[1] = 6)
CORRUPT(large_packet, packet_lengths()[0] = 4097)
CORRUPT(packets_are_too_few, packet_lengths()[1] = 1)
CORRUPT(packets_are_too_many, packet_lengths()[1] = 3)
CORRUPT(too_many_pipes, more_pipes(1024, 4096))
CORRUPT(too_large_pipes, more_pipes(64, 1048576))
CORRUPT(descriptor_of_no_object, descriptor(7)->file = 6)
CORRUPT(object_with_a_stream, descriptor(7)->stream = RF_STREAM_PIPE | RF_STREAM_READ)
CORRUPT(object_of_two_descriptors, descriptor(6)->kind = RF_DESCRIPTOR_OBJECT;
	descriptor(6)->stream = 0)
CORRUPT(object_index, object(0)->index = 1)
CORRUPT(object_reserved, object(0)->reserved = 1)
REFUSED(ENOTSUP, object_of_no_kind, object(0)->kind = 0)
REFUSED(ENOTSUP, object_of_unknown_kind, object(0)->kind = 8)
CORRUPT(cut_object, sample_resize(sample_find(&sample, RF_RECORD_OBJECT, 0), 15))
CORRUPT(short_object, resize(RF_RECORD_OBJECT, -8))
CORRUPT(long_object, resize(RF_RECORD_OBJECT, 8))
CORRUPT(full_event_counter, event()->count = UINT64_MAX)
CORRUPT(event_counter_flags, event()->flags = 3)
CORRUPT(event_counter_reserved, event()->reserved = 1)
CORRUPT(timerfd_clock, timerfd()->clock = 2)
CORRUPT(timerfd_flags, timerfd()->flags = 5)
CORRUPT(timerfd_remaining, timerfd()->remaining_ns = UINT64_C(1) << 63)
CORRUPT(timerfd_interval, timerfd()->interval_ns = UINT64_C(1) << 63)
CORRUPT(timerfd_due_before_all, timerfd()->due_ns = -1)
CORRUPT(timerfd_due_unarmed, timerfd()->remaining_ns = 0)
CORRUPT(timerfd_due_by_no_wall_clock, timerfd()->clock = 1)
CORRUPT(timerfd_due_and_relative, timerfd()->flags = 2)
CORRUPT(short_signal_mask, sample_resize(sample_find(&sample, RF_RECORD_OBJECT, 2), 20))
CORRUPT(long_poll, sample_resize(sample_find(&sample, RF_RECORD_OBJECT, 3), 24))
CORRUPT(process_flags, ((struct rf_object_process *)(object(4) + 1))->flags = 2)
CORRUPT(process_object_reserved, ((struct rf_object_process *)(object(4) + 1))->reserved = 1)
CORRUPT(inotify_reserved, inotify()->reserved = 1)
CORRUPT(inotify_with_too_many_watches, inotify()->watched = 65537)
CORRUPT(inotify_with_one_watch_more, inotify()->watched = 3)
CORRUPT(inotify_with_one_watch_less, inotify()->watched = 1)
CORRUPT(cut_inotify, sample_resize(sample_find(&sample, RF_RECORD_OBJECT, 5), 20))
CORRUPT(long_inotify, sample_resize(sample_find(&sample, RF_RECORD_OBJECT, 5), 65))
CORRUPT(watch_zero, watched(0)->number = 0)
CORRUPT(watches_descend, watched(1)->number = 1)
CORRUPT(watch_of_no_events, watched(0)->mask = 0)
CORRUPT(watch_of_unknown_events, watched(0)->mask = 0x1000)
CORRUPT(watch_of_no_path, watched(0)->path_bytes = 0)
CORRUPT(watch_of_a_long_path, watched(1)->path_bytes = 4096)
CORRUPT(watch_of_a_relative_path, *(char *)(watched(0) + 2) = 'x')
CORRUPT(watch_of_a_cut_path, *((char *)(watched(0) + 2) + 2) = '\0')
CORRUPT(watches_of_no_object, watches()->object = 6)
CORRUPT(watches_of_a_timer, watches()->object = 1)
CORRUPT(watches_reserved, watches()->reserved = 1)
CORRUPT(no_watches, sample_resize(sample_find(&sample, RF_RECORD_WATCHES, 0), 8))
CORRUPT(cut_watches, resize(RF_RECORD_WATCHES, -8))
CORRUPT(watched_under_a_high_number, watch(0)->number = RF_IMAGE_MAX_FD + 1)
CORRUPT(watched_without_a_descriptor, watch(1)->descriptor = 8)
CORRUPT(watch_reserved, watch(1)->reserved = 1)
CORRUPT(descriptor_flags, descriptor(1)->flags = 16)
CORRUPT(unaligned_start, HEAP->start += 8)
CORRUPT(unaligned_end, HEAP->end += 2048)
CORRUPT(empty_mapping, HEAP->start = HEAP->end)
CORRUPT(reversed_mapping, HEAP->end = HEAP->start - PAGE)
CORRUPT(overlapping_mappings, HEAP->start -= PAGE)
CORRUPT(equal_mappings, HEAP->start = TEXT->start; HEAP->end = TEXT->end)
CORRUPT(descending_mappings, struct rf_image_mapping first = *HEAP; *HEAP = *SHARED;
	*SHARED = first)
CORRUPT(mapping_of_page_zero, TEXT->start = 0)
CORRUPT(low_mapping, TEXT->start = SAMPLE_MIN_ADDRESS - PAGE)
CORRUPT(high_mapping, STACK->end = SAMPLE_MAX_ADDRESS + PAGE)
CORRUPT(kernel_mapping, STACK->start = UINT64_C(0xffff800000000000); STACK->end = UINT64_MAX - 4095)
CORRUPT(mapping_over_the_vdso, SHARED->end = area(1)->start + PAGE)
CORRUPT(mapping_round_the_vdso, SHARED->end = area(1)->end + PAGE)
CORRUPT(mapping_in_the_vdso, SHARED->start = area(0)->start + PAGE; SHARED->end = area(0)->end)
CORRUPT(unknown_protection, HEAP->protection = 8)
CORRUPT(growing_protection, STACK->protection |= 0x01000000)
CORRUPT(unknown_mapping_flag, HEAP->flags = 16)
CORRUPT(unknown_mapping_kind, HEAP->kind = 3)
CORRUPT(contents_of_no_file, HEAP->kind = RF_MAPPING_CONTENTS)
CORRUPT(contents_at_unaligned_offset, contents()->file_offset = 1)
CORRUPT(shared_contents, contents()->flags = RF_MAPPING_SHARED)
CORRUPT(contents_with_digest, contents()->flags = RF_MAPPING_DIGEST)
CORRUPT(cut_origin, resize(RF_RECORD_ORIGIN, -1))
CORRUPT(longer_origin, resize(RF_RECORD_ORIGIN, 1))
CORRUPT(origin_without_id, memset(origin()->id, 0, 16))
CORRUPT(parent_without_path, origin()->parent[0] = 1)
CORRUPT(path_without_parent, parent("/p"); origin()->parent[0] = 0)
CORRUPT(parent_of_itself, parent("/p"); memcpy(origin()->parent, origin()->id, 16))
CORRUPT(parent_in_another_folder, parent("../p"))
CORRUPT(parent_above, parent(".."))
CORRUPT(parent_is_the_folder, parent("."))
CORRUPT(zero_in_path_of_parent, parent("/p"); origin_path()[1] = 0)
CORRUPT(endless_path_of_parent, origin()->path_bytes = UINT32_MAX)
CORRUPT(cut_machine, resize(RF_RECORD_MACHINE, -8))
CORRUPT(longer_machine, resize(RF_RECORD_MACHINE, 8))
CORRUPT(machine_of_another_kind, machine()->architecture = 2)
CORRUPT(machine_of_other_pages, machine()->page_bytes = 65536)
CORRUPT(too_many_cpu_words, machine()->cpu_words = 17)
CORRUPT(endless_kernel, memset(machine()->kernel_release, 'k', 64))
CORRUPT(endless_host, memset(machine()->host_name, 'h', 64))
CORRUPT(endless_program, memset(machine()->program, 'p', 44))
CORRUPT(cut_clocks, resize(RF_RECORD_CLOCKS, -8))
CORRUPT(longer_clocks, resize(RF_RECORD_CLOCKS, 8))
CORRUPT(monotonic_of_centuries, clocks()->monotonic_ns = (UINT64_C(1) << 62) + 1)
CORRUPT(boottime_of_centuries, clocks()->boottime_ns = UINT64_MAX)
CORRUPT(cut_identity, sample_resize(sample_find(&sample, RF_RECORD_IDENTITY, 0), 191))
CORRUPT(longer_identity, resize(RF_RECORD_IDENTITY, 1))
CORRUPT(identity_reserved, identity()->reserved = 1)
CORRUPT(origin_reserved, identity()->origin.reserved = 1)
CORRUPT(endless_origin, memset(identity()->origin.host_name, 'h', 64))
CORRUPT(endless_home, memset(identity()->home.host_name, 'h', 64))
CORRUPT(pid_of_nobody, identity()->home.pid = UINT32_C(1) << 31)
CORRUPT(ghost_of_nobody, identity()->ghost = UINT32_MAX)
CORRUPT(too_many_hops, identity()->hops = UINT32_MAX)
CORRUPT(endless_connection, identity()->connection_bytes = UINT32_MAX)
CORRUPT(long_connection, lengthen_connection(256))
CORRUPT(zero_in_connection, *(char *)(identity() + 1) = 0)
CORRUPT(cut_rights, resize(RF_RECORD_RIGHTS, -8))
CORRUPT(longer_rights, resize(RF_RECORD_RIGHTS, 8))
CORRUPT(rights_reserved, rights()->reserved = 1)
CORRUPT(no_lock, sample_resize(sample_find(&sample, RF_RECORD_LOCKS, 0), 0))
CORRUPT(cut_locks, resize(RF_RECORD_LOCKS, -1))
CORRUPT(too_many_locks, sample_resize(sample_find(&sample, RF_RECORD_LOCKS, 0), 32769 * 32))
CORRUPT(lock_of_no_descriptor, lock(0)->descriptor = 8)
CORRUPT(lock_of_a_relay, lock(0)->descriptor = 7)
CORRUPT(unknown_lock, lock(0)->kind = 4)
CORRUPT(no_kind_of_lock, lock(0)->kind = 0)
CORRUPT(unknown_type_of_lock, lock(0)->type = 3)
CORRUPT(no_type_of_lock, lock(0)->type = 0)
CORRUPT(lock_reserved, lock(0)->reserved = 1)
CORRUPT(lock_far_behind, lock(0)->start = UINT64_MAX)
CORRUPT(lock_too_long, lock(0)->bytes++)
CORRUPT(wrapping_lock, lock(0)->bytes = UINT64_MAX)
CORRUPT(range_of_a_whole_lock, lock(1)->bytes = 1)
CORRUPT(start_of_a_whole_lock, lock(1)->start = 1)
CORRUPT(nothing_lost, sample_resize(sample_find(&sample, RF_RECORD_LOST, 0), 0))
CORRUPT(zero_in_lost, *(char *)sample_payload(&sample, RF_RECORD_LOST, 0) = 0)
CORRUPT(lost_without_an_end, resize(RF_RECORD_LOST, -1))
CORRUPT(too_much_lost, fill_lost(65537))
CORRUPT(relay_by_path, descriptor(3)->flags |= RF_DESCRIPTOR_BY_PATH)
CORRUPT(relay_at_its_end, descriptor(3)->flags |= RF_DESCRIPTOR_AT_END)
CORRUPT(duplicate_by_path, descriptor(4)->same_as = 1; descriptor(4)->flags = RF_DESCRIPTOR_BY_PATH;
	memset(descriptor(4)->digest, 0, 16))
CORRUPT(segments_in_a_stream,
	sample_insert(&sample, sample.count - 2, RF_RECORD_SEGMENTS, 0, "", 1))
CORRUPT(chunks_in_a_stream, sample_insert(&sample, sample.count - 2, RF_RECORD_CHUNKS, 0, "", 1))
REFUSED(ENOTSUP, stream_without_its_parent, parent("/p"))
CORRUPT(unknown_mark, mark(RF_MAPPING_DIGEST))
CORRUPT(empty_mark, mark(0))
CORRUPT(contrary_advice, mark(RF_MAPPING_HUGEPAGE | RF_MAPPING_NOHUGEPAGE))
CORRUPT(contrary_orders, mark(RF_MAPPING_RANDOM | RF_MAPPING_SEQUENTIAL))
CORRUPT(mark_with_a_key_that_is_not_allocated, mark(RF_MAPPING_DONTDUMP)[1].key = 1)
CORRUPT(mark_with_a_stupendous_key, process()->protection_keys = 2; mark(0)[1].key = UINT32_MAX)
CORRUPT(more_keys_than_mappings, key_page_by_page())
CORRUPT(unaligned_mark, mark(RF_MAPPING_DONTDUMP)[0].start += 8)
CORRUPT(reversed_mark, mark(RF_MAPPING_DONTDUMP)[0].end = 0)
CORRUPT(overlapping_marks, mark(RF_MAPPING_DONTDUMP)[1].start -= PAGE)
CORRUPT(mark_over_two_mappings, mark(RF_MAPPING_DONTDUMP)[0].start -= PAGE)
CORRUPT(mark_of_nothing, mark(RF_MAPPING_DONTDUMP)[1].end += PAGE)
CORRUPT(cut_mark, mark(RF_MAPPING_DONTDUMP); resize(RF_RECORD_MARKS, -1))
CORRUPT(marks_in_the_layout, sample_insert(&sample, sample_index(&sample, RF_RECORD_LAYOUT, 0),
					   RF_RECORD_MARKS, 0, "", 1))
CORRUPT(filled_with_payload, insert_filled(sample.count - 1, 8))
CORRUPT(second_filled, insert_filled(sample.count - 1, 0); insert_filled(sample.count - 1, 0))
CORRUPT(pages_behind_filled, insert_filled(sample_index(&sample, RF_RECORD_PAGES, 0), 0))
CORRUPT(filled_in_the_layout, insert_filled(sample_index(&sample, RF_RECORD_LAYOUT, 0), 0))
CORRUPT(shared_anonymous_without_number, HEAP->flags = RF_MAPPING_SHARED)
CORRUPT(shared_memory_out_of_order, share(HEAP, 1, 0))
CORRUPT(shared_memory_unaligned, share(HEAP, 0, 512))
CORRUPT(shared_memory_out_of_range, share(HEAP, 0, RF_IMAGE_MAX_SHARED_BYTES))
CORRUPT(shared_memory_of_stupendous_offset, share(HEAP, 0, UINT64_MAX - 4095))
CORRUPT(shared_memory_that_grows_down, share(HEAP, 0, 0); HEAP->flags |= RF_MAPPING_GROWSDOWN)
CORRUPT(anonymous_digest, HEAP->flags = RF_MAPPING_DIGEST)
CORRUPT(locked_on_fault_and_not_locked, HEAP->flags = RF_MAPPING_ONFAULT)
CORRUPT(unaligned_huge_pages, HEAP->flags = 30u << RF_MAPPING_HUGE_SHIFT)
CORRUPT(huge_pages_that_are_not, HEAP->flags = 12u << RF_MAPPING_HUGE_SHIFT)
CORRUPT(stupendous_huge_pages, HEAP->flags = 63u << RF_MAPPING_HUGE_SHIFT)
CORRUPT(huge_pages_of_a_file, TEXT->flags |= 13u << RF_MAPPING_HUGE_SHIFT)
CORRUPT(growing_file, TEXT->flags |= RF_MAPPING_GROWSDOWN)
CORRUPT(mapping_of_no_file, TEXT->file = 2)
CORRUPT(anonymous_with_file, HEAP->file = 0)
CORRUPT(unaligned_offset, TEXT->file_offset = 512)
CORRUPT(negative_offset, TEXT->file_offset = UINT64_C(0xfffffffffffff000))
CORRUPT(wrapping_offset, TEXT->file_offset = INT64_MAX - 0x3fff)
CORRUPT(cut_mapping, resize(RF_RECORD_MAPPING, -1))
CORRUPT(half_mapping, resize(RF_RECORD_MAPPING, 32))
CORRUPT(empty_mappings, sample_resize(sample_find(&sample, RF_RECORD_MAPPING, 0), 0))
CORRUPT(layout_with_payload, resize(RF_RECORD_LAYOUT, 8))
CORRUPT(no_run, pages()->runs = 0)
CORRUPT(too_many_runs, pages()->runs = 257)
CORRUPT(all_ones_runs, pages()->runs = UINT32_MAX)
CORRUPT(pages_of_no_codec, pages()->codec = RF_CODEC_LAST + 1)
CORRUPT(pages_of_no_codec_at_all, pages()->codec = UINT32_MAX)
CORRUPT(cut_pages, resize(RF_RECORD_PAGES, -1))
CORRUPT(longer_pages, resize(RF_RECORD_PAGES, 8))
CORRUPT(no_table, sample_resize(sample_find(&sample, RF_RECORD_PAGES, 0), 8))
CORRUPT(cut_table, sample_resize(sample_find(&sample, RF_RECORD_PAGES, 0), 55))
CORRUPT(cut_pages_head, sample_resize(sample_find(&sample, RF_RECORD_PAGES, 0), 7))
CORRUPT(empty_run, one_run(HEAP->start, 0, 0))
CORRUPT(unaligned_run, sample_run(&sample, 0)->address += 16)
CORRUPT(unknown_run, sample_run(&sample, 0)->kind = 2)
CORRUPT(descending_runs, sample_run(&sample, 2)->address = HEAP->start)
CORRUPT(overlapping_runs, sample_run(&sample, 1)->address = sample_run(&sample, 0)->address + PAGE)
CORRUPT(run_before_its_mapping, one_run(TEXT->start - PAGE, 2, 2))
CORRUPT(run_behind_its_mapping, one_run(HEAP->end - PAGE, 2, 2))
CORRUPT(run_over_two_mappings, one_run(TEXT->end - PAGE, 2, 2))
CORRUPT(run_nowhere, one_run(HEAP->end + PAGE, 1, 1))
CORRUPT(run_in_the_vdso, one_run(area(0)->start, 1, 1))
CORRUPT(run_in_a_shared_file, one_run(SHARED->start, 1, 1))
CORRUPT(guard_in_a_shared_file, one_run(SHARED->start, 1, 0); sample_run(&sample, 0)->kind = 1)
CORRUPT(run_at_the_top, one_run(UINT64_MAX - 4095, 1, 1))
CORRUPT(wrapping_run, one_run(UINT64_MAX - 4095, 2, 2))
CORRUPT(wrapping_guard, sample_run(&sample, 1)->pages = UINT32_MAX)
CORRUPT(huge_run, sample_run(&sample, 0)->pages = UINT32_MAX)
CORRUPT(too_many_pages, large_heap(); one_run(HEAP->start, 257, 257))
CORRUPT(too_many_pages_in_two_runs, large_heap(); two_runs(200, 57))
CORRUPT(fewer_data, one_run(HEAP->start, 2, 1))
CORRUPT(more_data, one_run(HEAP->start, 1, 2))
CORRUPT(end_counts_more_records, end()->records++)
CORRUPT(end_counts_fewer_records, end()->records--)
CORRUPT(end_counts_more_pages, end()->data_pages++)
CORRUPT(end_counts_fewer_pages, end()->data_pages--)
CORRUPT(cut_end, resize(RF_RECORD_END, -1))
CORRUPT(longer_end, resize(RF_RECORD_END, 8))
REFUSED(ENOTSUP, unknown_required, sample_insert(&sample, 3, UNKNOWN_TYPE, 0, NULL, 0))
CORRUPT(unknown_first, sample_insert(&sample, 0, UNKNOWN_TYPE, RF_RECORD_OPTIONAL, NULL, 0))
REFUSED(ENOTSUP, unknown_required_late,
	sample_insert(&sample, sample.count - 1, UNKNOWN_TYPE, 0, NULL, 0))
CORRUPT(too_long, unsigned char *noise = calloc(1, RF_RECORD_MAX_BYTES + 1);
	sample_insert(&sample, 3, UNKNOWN_TYPE, RF_RECORD_OPTIONAL, noise, RF_RECORD_MAX_BYTES + 1);
	free(noise))
/* clang-format on */

START_TEST(change_is_refused)
{
	try_change(_i);
}
END_TEST

START_TEST(record_of_the_most_pages_is_accepted)
{
	large_heap();
	two_runs(200, 56);
	end()->data_pages = 256;
	assert_accepted();
}
END_TEST

START_TEST(most_pipes_are_accepted)
{
	more_pipes(1023, 32768);
	assert_accepted();
}
END_TEST

START_TEST(most_pending_signals_are_accepted)
{
	many_pending(7680);
	assert_accepted();
	ck_assert_uint_eq(reading.image.pending_count, 7682);
}
END_TEST

static TCase *accepting_case(void)
{
	TCase *tcase = tcase_create("good images");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, good_image_is_accepted);
	tcase_add_loop_test(tcase, sockets_that_keep_messages_are_accepted, 0, 3);
	tcase_add_loop_test(tcase, listening_sockets_are_accepted, 0, 2);
	tcase_add_test(tcase, forecast_is_read_apart_from_the_layout);
	tcase_add_test(tcase, nothing_behind_the_end_is_read);
	tcase_add_loop_test(tcase, image_may_come_in_pieces_of_any_size, 0, 8);
	tcase_add_test(tcase, terminal_may_have_been_opened_often);
	tcase_add_test(tcase, witness_is_accepted);
	tcase_add_test(tcase, what_an_image_says_besides_is_read);
	tcase_add_test(tcase, marks_are_accepted);
	tcase_add_test(tcase, image_is_filled_before_its_end_comes);
	tcase_add_test(tcase, keys_are_accepted);
	tcase_add_test(tcase, huge_pages_are_accepted);
	tcase_add_test(tcase, shared_memory_is_accepted);
	tcase_add_test(tcase, kinds_of_images_at_rest_are_accepted);
	tcase_add_test(tcase, smallest_image_is_accepted);
	tcase_add_test(tcase, mappings_may_come_in_several_records);
	tcase_add_test(tcase, many_records_are_more_than_the_buffer);
	tcase_add_test(tcase, unknown_optional_record_is_skipped_anywhere);
	tcase_add_test(tcase, largest_record_of_an_unknown_type_is_skipped);
	tcase_add_loop_test(tcase, vector_state_of_any_size_is_kept, 0, 5);
	tcase_add_test(tcase, record_of_the_most_pages_is_accepted);
	tcase_add_test(tcase, most_pending_signals_are_accepted);
	tcase_add_test(tcase, most_pipes_are_accepted);
	tcase_add_test(tcase, mapping_is_found_by_any_of_its_ranges);
	return tcase;
}

static TCase *refusing_case(void)
{
	TCase *tcase = tcase_create("hostile images");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60); /* with sanitizers */
	tcase_add_loop_test(tcase, every_flipped_byte_is_noticed, 0, 2);
	tcase_add_loop_test(tcase, fields_are_checked_behind_good_digests, 0, 5);
	tcase_add_test(tcase, headers_are_checked_behind_good_digests);
	tcase_add_test(tcase, early_end_is_noticed_at_every_byte);
	tcase_add_test(tcase, records_come_in_one_order);
	tcase_add_test(tcase, no_record_may_be_missing);
	tcase_add_test(tcase, no_record_may_come_twice);
	tcase_add_loop_test(tcase, change_is_refused, 0, change_count);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("reader");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, accepting_case());
	suite_add_tcase(suite, refusing_case());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
