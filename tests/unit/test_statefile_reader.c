/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of the reader of statefiles: a good one is read, its memory is what it was, each way
 * to break one has its answer with the file and the offset; and chains of incremental ones lie
 * over each other, or are refused by name.
 */
#define _GNU_SOURCE
#include "rfork/statefile_reader.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/statefile.h"
#include "tests/unit/statefile_sample.h"

#define PAGE ((uint64_t)SAMPLE_PAGE)
#define RECORDS_OFFSET ((1 + STATEFILE_DATA_PAGES) * PAGE)

static struct statefile_sample sample;
static struct rf_source source;
static struct rf_report report;
static char folder[] = "/dev/shm/statefiles.XXXXXX";
static char path[sizeof(folder) + 40];

static void set_up(void)
{
	/* in memory where that is possible: a chain is of thousands of files */
	strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/statefiles.XXXXXX"
						     : "/tmp/statefiles.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/x.state", folder);
	report = (struct rf_report){ 0 };
	statefile_make(&sample);
}

static void tear_down(void)
{
	static const char *const names[] = { "x.state", "p.state", "q.state", "fifo" };

	rf_source_close(&source);
	sample_free(&sample.records);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static int open_source(void)
{
	report = (struct rf_report){ 0 };
	return rf_statefile_open(&source, path, SAMPLE_MIN_ADDRESS, SAMPLE_MAX_ADDRESS, &report);
}

/* Opens and, if it opens, checks; whatever is let through keeps to the rules. */
static int read_bytes(const unsigned char *file, size_t bytes)
{
	const char *fault;
	int answer;

	statefile_write(path, file, bytes);
	answer = open_source();
	if (answer < 0)
		return answer;
	fault = statefile_judge(&source, bytes);
	ck_assert_msg(!fault, "%s", fault);
	answer = rf_statefile_check(&source, &report);
	rf_source_close(&source);
	return answer;
}

static int read_sample(void)
{
	size_t bytes;
	unsigned char *file = statefile_encode(&sample, &bytes);
	int answer = read_bytes(file, bytes);

	free(file);
	return answer;
}

static void write_as(const char *name)
{
	char other[sizeof(path)];
	size_t bytes;
	unsigned char *file = statefile_encode(&sample, &bytes);

	snprintf(other, sizeof(other), "%s/%s", folder, name);
	statefile_write(other, file, bytes);
	free(file);
}

/* Writes x.state and opens it. */
static void assert_opened(void)
{
	write_as("x.state");
	ck_assert_msg(open_source() == 0, "%s", report.sentence);
}

/* The refusal begins with the path and an offset within the file. */
static void assert_names_offset(size_t bytes)
{
	size_t length = strlen(path);
	char *end;

	ck_assert_msg(strncmp(report.sentence, path, length) == 0 &&
			      strncmp(report.sentence + length, ": offset ", 9) == 0,
		      "%s", report.sentence);
	ck_assert_msg(strtoul(report.sentence + length + 9, &end, 10) <= bytes && *end == ':', "%s",
		      report.sentence);
}

static uint64_t start_of(enum sample_mapping mapping)
{
	return sample_mapping(&sample.records, mapping)->start;
}

/* -- what is good -------------------------------------------------------------------------- */

START_TEST(good_statefile_is_read)
{
	assert_opened();
	ck_assert_ptr_null(statefile_judge(&source, RECORDS_OFFSET));
	ck_assert_uint_eq(source.segment_count, STATEFILE_SEGMENTS);
	ck_assert_int_eq(source.segments[STATEFILE_GUARD].kind, RF_SEGMENT_GUARD);
	ck_assert_int_eq(source.segments[STATEFILE_GUARD].fd, -1);
	ck_assert_uint_eq(source.segments[STATEFILE_STACK].offset, 4 * PAGE);
	ck_assert_uint_eq(source.origin.pid, 4711);
	ck_assert_ptr_null(source.parent_path);
	ck_assert(source.has_facts);
	ck_assert_str_eq(source.facts.kernel_release, "6.18.0-sample");
	ck_assert_uint_eq(source.image.clocks.monotonic_ns, UINT64_C(7200000000123));
	ck_assert_uint_eq(source.lock_count, 2);
	ck_assert_str_eq(source.lost, "descriptor 5: /dev/sample\nthe rest of it\n");
	ck_assert_str_eq(source.path, path);
	ck_assert_uint_eq(source.chain_count, 1);
	ck_assert_int_eq(rf_statefile_check(&source, &report), 0);
}
END_TEST

START_TEST(memory_is_what_it_was)
{
	unsigned char page[SAMPLE_PAGE], zeros[SAMPLE_PAGE] = { 0 };
	uint64_t stack = sample_mapping(&sample.records, SAMPLE_STACK)->end;

	assert_opened();
	ck_assert_int_eq(rf_source_read(&source, start_of(SAMPLE_HEAP) + 2 * PAGE, page, PAGE),
			 PAGE);
	ck_assert_mem_eq(page, sample.data + PAGE, PAGE);
	ck_assert_int_eq(rf_source_read(&source, start_of(SAMPLE_HEAP), page, PAGE), PAGE);
	ck_assert_mem_eq(page, zeros, PAGE);
	ck_assert_int_eq(rf_source_read(&source, start_of(SAMPLE_HEAP) + 4 * PAGE, page, PAGE),
			 -EFAULT);
	ck_assert_int_eq(rf_source_read(&source, start_of(SAMPLE_TEXT) + PAGE, page, PAGE), PAGE);
	ck_assert_mem_eq(page, zeros, PAGE);
	ck_assert_int_eq(rf_source_read(&source, stack - PAGE, page, PAGE), PAGE);
	ck_assert_mem_eq(page, sample.data + 5 * PAGE, PAGE);
}
END_TEST

START_TEST(open_file_keeps_its_offset)
{
	int fd;

	write_as("x.state");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(lseek(fd, 7, SEEK_SET), 7);
	ck_assert_int_eq(rf_statefile_open_fd(&source, fd, path, SAMPLE_MIN_ADDRESS,
					      SAMPLE_MAX_ADDRESS, &report),
			 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 7);
	rf_source_close(&source);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(statefile_without_pages_is_read)
{
	sample_remove(&sample.records, sample_index(&sample.records, RF_RECORD_SEGMENTS, 0));
	sample_remove(&sample.records, sample_index(&sample.records, RF_RECORD_CHUNKS, 0));
	((struct rf_image_end *)sample_payload(&sample.records, RF_RECORD_END, 0))->data_pages = 0;
	sample_recount(&sample.records);
	memset(sample.data, 0, sizeof(sample.data));
	ck_assert_msg(read_sample() == 0, "%s", report.sentence);
}
END_TEST

START_TEST(statefile_without_origin_has_the_id_of_its_note)
{
	sample_remove(&sample.records, sample_index(&sample.records, RF_RECORD_ORIGIN, 0));
	sample_recount(&sample.records);
	assert_opened();
	ck_assert_uint_eq(source.origin.id[0], 'i');
}
END_TEST

START_TEST(index_may_come_in_several_records)
{
	struct sample_record *record = sample_find(&sample.records, RF_RECORD_SEGMENTS, 0);
	struct rf_image_segment last = *statefile_segment(&sample, STATEFILE_STACK);
	uint64_t digest = statefile_chunks(&sample)[1];

	sample_resize(record, record->bytes - (uint32_t)sizeof(last));
	sample_insert(&sample.records, sample_index(&sample.records, RF_RECORD_CHUNKS, 0),
		      RF_RECORD_SEGMENTS, 0, &last, sizeof(last));
	sample_resize(sample_find(&sample.records, RF_RECORD_CHUNKS, 0), sizeof(digest));
	sample_insert(&sample.records, sample_index(&sample.records, RF_RECORD_END, 0),
		      RF_RECORD_CHUNKS, 0, &digest, sizeof(digest));
	sample_recount(&sample.records);
	ck_assert_msg(read_sample() == 0, "%s", report.sentence);
}
END_TEST

/* -- damage -------------------------------------------------------------------------------- */

START_TEST(every_flipped_byte_is_noticed)
{
	size_t bytes;
	unsigned char *file = statefile_encode(&sample, &bytes);

	/* all of head and records, some of the page data; what is between is like them */
	for (size_t at = 0; at < bytes; at += at >= 512 && at < RECORDS_OFFSET ? 61 : 1) {
		int answer;

		file[at] ^= (unsigned char)(1u << at % 8);
		answer = read_bytes(file, bytes);
		file[at] ^= (unsigned char)(1u << at % 8);
		ck_assert_msg(answer == -EBADMSG || answer == -ENOEXEC, "byte %zu: %d", at, answer);
		assert_names_offset(bytes);
	}
	ck_assert_int_eq(read_bytes(file, bytes), 0);
	free(file);
}
END_TEST

START_TEST(every_length_but_its_own_is_noticed)
{
	size_t bytes;
	unsigned char *file = statefile_encode(&sample, &bytes);

	for (size_t length = 0; length<bytes; length += length> 512 ? 97 : 1) {
		int answer = read_bytes(file, length);

		ck_assert_msg(answer == -EBADMSG || (length < 4 && answer == -ENOEXEC), "%zu: %d",
			      length, answer);
		assert_names_offset(length);
	}
	ck_assert_int_eq(read_bytes(file, bytes + 1), -EBADMSG);
	assert_names_offset(bytes);
	free(file);
}
END_TEST

/* A change, after which all digests are right, and how it is answered. */
struct change {
	const char *name;
	void (*make)(void);
	int error;
};

static struct rf_image_segment *segment(enum statefile_segment which)
{
	return statefile_segment(&sample, which);
}

static void resize(uint16_t type, int32_t by)
{
	struct sample_record *record = sample_find(&sample.records, type, 0);

	sample_resize(record, record->bytes + (uint32_t)by);
}

static void insert(uint16_t before, uint16_t type, uint16_t flags)
{
	sample_insert(&sample.records, sample_index(&sample.records, before, 0), type, flags, "",
		      0);
	sample_recount(&sample.records);
}

static void note_of_another(struct rf_statefile_note *note)
{
	note->id[0]++;
}

static void note_of_less(struct rf_statefile_note *note)
{
	note->head_pages++; /* so that data lie in the head */
}

static void note_of_another_head(struct rf_statefile_note *note)
{
	note->head_digest++;
}

static struct rf_image_end *end(void)
{
	return sample_payload(&sample.records, RF_RECORD_END, 0);
}

/* clang-format off: one line for each change */
#define TEXT segment(STATEFILE_TEXT)
#define HEAP segment(STATEFILE_HEAP)
#define GUARD segment(STATEFILE_GUARD)
#define STACK segment(STATEFILE_STACK)
#define CHANGES(CORRUPT, REFUSED)                                                                  \
	CORRUPT(unknown_segment, GUARD->kind = 3)                                                  \
	CORRUPT(segment_reserved, HEAP->reserved = 1)                                              \
	CORRUPT(unaligned_segment, HEAP->address += 8)                                             \
	CORRUPT(half_a_page, TEXT->bytes = 2048)                                                   \
	CORRUPT(empty_segment, TEXT->bytes = 0)                                                    \
	CORRUPT(wrapping_segment, STACK->bytes = UINT64_MAX - 4095)                                \
	CORRUPT(segment_at_the_top, STACK->address = UINT64_MAX - 4095)                            \
	CORRUPT(descending_segments, GUARD->address = HEAP->address - PAGE)                        \
	CORRUPT(overlapping_segments, GUARD->address = HEAP->address + PAGE)                       \
	CORRUPT(segment_nowhere, TEXT->address = 2 * SAMPLE_MIN_ADDRESS)                           \
	CORRUPT(segment_over_two_mappings, TEXT->bytes = 4 * PAGE)                                 \
	CORRUPT(segment_behind_its_mapping, STACK->address += PAGE)                                \
	CORRUPT(segment_in_a_shared_file, GUARD->address = start_of(SAMPLE_SHARED))                \
	CORRUPT(offset_of_zeros, TEXT->offset = PAGE)                                              \
	CORRUPT(offset_of_a_guard, GUARD->offset = PAGE)                                           \
	CORRUPT(unaligned_data, HEAP->offset += 512)                                               \
	CORRUPT(data_in_the_head, HEAP->offset = 0)                                                \
	CORRUPT(data_twice, STACK->offset = HEAP->offset)                                          \
	CORRUPT(data_backwards, HEAP->offset = STACK->offset; STACK->offset = PAGE)                \
	CORRUPT(data_in_the_records, STACK->offset += PAGE)                                        \
	CORRUPT(data_behind_the_file, STACK->offset = INT64_MAX & ~4095)                           \
	CORRUPT(wrapping_data, STACK->offset = UINT64_MAX - 4095)                                  \
	CORRUPT(no_segments,                                                                       \
		sample_resize(sample_find(&sample.records, RF_RECORD_SEGMENTS, 0), 0))             \
	CORRUPT(cut_segments, resize(RF_RECORD_SEGMENTS, -1))                                      \
	CORRUPT(longer_segments, resize(RF_RECORD_SEGMENTS, 8))                                    \
	CORRUPT(too_many_segments, resize(RF_RECORD_SEGMENTS, 34000 * 32))                         \
	CORRUPT(no_chunks, sample_resize(sample_find(&sample.records, RF_RECORD_CHUNKS, 0), 0))    \
	CORRUPT(cut_chunks, resize(RF_RECORD_CHUNKS, -1))                                          \
	CORRUPT(fewer_chunks, resize(RF_RECORD_CHUNKS, -8))                                        \
	CORRUPT(more_chunks, resize(RF_RECORD_CHUNKS, 8))                                          \
	CORRUPT(chunks_missing, sample_remove(&sample.records,                                     \
					      sample_index(&sample.records, RF_RECORD_CHUNKS, 0)); \
		sample_recount(&sample.records))                                                   \
	CORRUPT(segments_after_chunks, insert(RF_RECORD_END, RF_RECORD_SEGMENTS, 0))               \
	CORRUPT(segments_before_the_layout, insert(RF_RECORD_LAYOUT, RF_RECORD_SEGMENTS, 0))       \
	CORRUPT(pages_at_rest, insert(RF_RECORD_END, RF_RECORD_PAGES, 0))                          \
	CORRUPT(second_layout, insert(RF_RECORD_END, RF_RECORD_LAYOUT, 0))                         \
	CORRUPT(forecast_at_rest, insert(RF_RECORD_IMAGE, RF_RECORD_FORECAST, 1))                  \
	CORRUPT(end_counts_more_records, end()->records++)                                         \
	CORRUPT(end_counts_more_pages, end()->data_pages++)                                        \
	CORRUPT(cut_end, resize(RF_RECORD_END, -1))                                                \
	CORRUPT(record_behind_the_end,                                                             \
		sample_insert(&sample.records, sample.records.count, 4000, 1, "", 0))              \
	CORRUPT(without_an_end,                                                                    \
		sample_remove(&sample.records, sample_index(&sample.records, RF_RECORD_END, 0)))   \
	CORRUPT(other_digest_of_data, statefile_chunks(&sample)[1]++)                              \
	CORRUPT(digest_of_zeros, statefile_chunks(&sample)[0] = 0)                                 \
	CORRUPT(data_of_nothing, sample.data[2 * PAGE + 5] = 1)                                    \
	CORRUPT(note_of_another_image, sample.change_note = note_of_another)                       \
	CORRUPT(head_over_data, sample.change_note = note_of_less)                                 \
	CORRUPT(other_digest_of_the_head, sample.change_note = note_of_another_head)               \
	REFUSED(ENOTSUP, unknown_required, insert(RF_RECORD_END, 4000, 0))

#define DEFINE_CHANGE(name, ...)                                                                   \
	static void make_##name(void)                                                              \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}
#define DEFINE_REFUSED(error, name, ...) DEFINE_CHANGE(name, __VA_ARGS__)
#define NAME_CORRUPT(name, ...) { #name, make_##name, EBADMSG },
#define NAME_REFUSED(error, name, ...) { #name, make_##name, error },
CHANGES(DEFINE_CHANGE, DEFINE_REFUSED)
static const struct change changes[] = { CHANGES(NAME_CORRUPT, NAME_REFUSED) };
/* clang-format on */

START_TEST(change_is_refused)
{
	const struct change *change = &changes[_i];
	int answer;

	change->make();
	answer = read_sample();
	ck_assert_msg(answer == -change->error, "%s: answer %d, not %d: %s", change->name, answer,
		      -change->error, report.sentence);
	assert_names_offset(1 << 22);
}
END_TEST

/* Replaces the index by that of so many zero pages in one large mapping. */
static void make_many_segments(uint32_t count)
{
	static struct rf_image_segment batch[32768];
	struct rf_image_mapping *large = sample_mapping(&sample.records, SAMPLE_SHARED);
	unsigned at = sample_index(&sample.records, RF_RECORD_SEGMENTS, 0);

	large->flags = 0;
	large->kind = RF_MAPPING_ANONYMOUS;
	large->file = RF_IMAGE_NONE;
	large->end = large->start + count * PAGE;
	sample_remove(&sample.records, at + 1);
	sample_remove(&sample.records, at);
	for (uint32_t done = 0; done < count;) {
		uint32_t now = count - done < 32768 ? count - done : 32768;

		for (uint32_t i = 0; i < now; i++)
			batch[i] = (struct rf_image_segment){ large->start + (done + i) * PAGE,
							      PAGE, 0, RF_SEGMENT_ZERO, 0 };
		sample_insert(&sample.records, at++, RF_RECORD_SEGMENTS, 0, batch,
			      now * (uint32_t)sizeof(batch[0]));
		done += now;
	}
	((struct rf_image_end *)sample_payload(&sample.records, RF_RECORD_END, 0))->data_pages = 0;
	sample_recount(&sample.records);
	memset(sample.data, 0, sizeof(sample.data));
}

START_TEST(most_segments_are_accepted_and_one_more_is_not)
{
	make_many_segments(RF_IMAGE_MAX_SEGMENTS + (uint32_t)_i);
	ck_assert_msg(read_sample() == (_i ? -EBADMSG : 0), "%s", report.sentence);
	ck_assert(_i == 0 || strstr(report.sentence, "too many segments"));
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	ck_assert_int_eq(open_source(), -ENOENT);
	snprintf(path, sizeof(path), "%s", folder);
	ck_assert_int_eq(open_source(), -EINVAL);
	snprintf(path, sizeof(path), "%s/fifo", folder);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(open_source(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(report.sentence, path));
}
END_TEST

/* -- parents ------------------------------------------------------------------------------- */

/* Gives each page of data another filling, of which the pages say from which file they are. */
static void fill(char letter)
{
	memset(sample.data, letter, sizeof(sample.data));
	memset(sample.data + 2 * PAGE, 0, PAGE);
	statefile_digest(&sample);
}

static char byte_at(uint64_t address)
{
	char byte;

	ck_assert_int_eq(rf_source_read(&source, address, &byte, 1), 1);
	return byte;
}

/* The parent, p.state, as the sample is; then the child has less. */
static void write_parent(void)
{
	statefile_name(&sample, 'p', 0, "");
	fill('p');
	write_as("p.state");
	statefile_name(&sample, 'x', 'p', "p.state");
	fill('x');
}

START_TEST(child_lies_over_its_parent)
{
	uint64_t heap = start_of(SAMPLE_HEAP), stack = start_of(SAMPLE_STACK) + 13 * PAGE;

	write_parent();
	/*
	 * of the heap's two pages one, of the stack's three the middle one, as zero; the guard
	 * goes
	 */
	*HEAP = (struct rf_image_segment){ heap + 2 * PAGE, PAGE, PAGE, RF_SEGMENT_DATA, 0 };
	*GUARD = (struct rf_image_segment){ heap + 4 * PAGE, PAGE, 0, RF_SEGMENT_ZERO, 0 };
	*STACK = (struct rf_image_segment){ stack + PAGE, PAGE, 0, RF_SEGMENT_ZERO, 0 };
	memset(sample.data + PAGE, 0, sizeof(sample.data) - PAGE);
	statefile_digest(&sample);
	assert_opened();
	ck_assert_int_eq(byte_at(heap + PAGE), 'p');
	ck_assert_int_eq(byte_at(heap + 2 * PAGE), 'x');
	ck_assert_int_eq(byte_at(heap + 4 * PAGE), 0);
	ck_assert_int_eq(byte_at(stack), 'p');
	ck_assert_int_eq(byte_at(stack + PAGE), 0);
	ck_assert_int_eq(byte_at(stack + 2 * PAGE), 'p');
	ck_assert_ptr_null(source.parent_path);
	ck_assert_uint_eq(source.origin.path_bytes, 0);
	ck_assert_uint_eq(source.chain_count, 2);
	ck_assert_msg(rf_statefile_check(&source, &report) == 0, "%s", report.sentence);
}
END_TEST

START_TEST(what_is_unmapped_between_is_gone)
{
	uint64_t heap = start_of(SAMPLE_HEAP);
	struct rf_image_mapping whole = *sample_mapping(&sample.records, SAMPLE_HEAP);

	write_parent();
	/* q has the heap from its third page on, and nothing new; x has it whole again */
	statefile_name(&sample, 'q', 'p', "p.state");
	sample_mapping(&sample.records, SAMPLE_HEAP)->start += 2 * PAGE;
	resize(RF_RECORD_SEGMENTS, -3 * (int32_t)sizeof(struct rf_image_segment));
	memset(sample.data, 0, sizeof(sample.data));
	sample_resize(sample_find(&sample.records, RF_RECORD_CHUNKS, 0), 0);
	statefile_digest(&sample);
	sample_remove(&sample.records, sample_index(&sample.records, RF_RECORD_CHUNKS, 0));
	sample_recount(&sample.records);
	write_as("q.state");
	statefile_name(&sample, 'x', 'q', "q.state");
	*sample_mapping(&sample.records, SAMPLE_HEAP) = whole;
	assert_opened();
	ck_assert_int_eq(byte_at(heap + PAGE), 0);
	ck_assert_int_eq(byte_at(heap + 2 * PAGE), 'p');
	ck_assert_uint_eq(source.chain_count, 3);
}
END_TEST

START_TEST(parent_is_found_by_an_absolute_path)
{
	char parent[sizeof(path)];

	write_parent();
	snprintf(parent, sizeof(parent), "%s/p.state", folder);
	statefile_name(&sample, 'x', 'p', parent);
	assert_opened();
	ck_assert_uint_eq(source.chain_count, 2);
}
END_TEST

/* x.state is refused; the sentence begins with the file at fault. */
static void assert_chain_refused(int error, const char *at_fault)
{
	char begin[sizeof(path) + 2];

	write_as("x.state");
	ck_assert_msg(open_source() == -error, "%s", report.sentence);
	snprintf(begin, sizeof(begin), "%s/%s: ", folder, at_fault);
	ck_assert_msg(strncmp(report.sentence, begin, strlen(begin)) == 0, "%s", report.sentence);
}

START_TEST(missing_parent_is_named)
{
	statefile_name(&sample, 'x', 'p', "p.state");
	assert_chain_refused(ENOENT, "p.state");
	ck_assert_ptr_nonnull(strstr(report.sentence, path));
}
END_TEST

START_TEST(another_parent_is_named)
{
	write_parent();
	statefile_name(&sample, 'x', 'o', "p.state");
	assert_chain_refused(ESTALE, "p.state");
	ck_assert_ptr_nonnull(strstr(report.sentence, path));
}
END_TEST

START_TEST(broken_parent_is_named)
{
	char parent[sizeof(path)];

	write_parent();
	snprintf(parent, sizeof(parent), "%s/p.state", folder);
	ck_assert_int_eq(truncate(parent, 9000), 0);
	assert_chain_refused(EBADMSG, "p.state");
	ck_assert_ptr_nonnull(strstr(report.sentence, "offset 9000"));
}
END_TEST

START_TEST(damage_to_the_parents_data_is_named)
{
	char parent[sizeof(path)];
	int fd;

	write_parent();
	snprintf(parent, sizeof(parent), "%s/p.state", folder);
	fd = open(parent, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "!", 1, 4 * SAMPLE_PAGE + 7), 1);
	close(fd);
	assert_opened();
	ck_assert_int_eq(rf_statefile_check(&source, &report), -EBADMSG);
	ck_assert_msg(strncmp(report.sentence, parent, strlen(parent)) == 0 &&
			      strstr(report.sentence, "offset 16384"),
		      "%s", report.sentence);
}
END_TEST

START_TEST(chain_that_comes_back_is_refused)
{
	statefile_name(&sample, 'p', 'x', "x.state");
	write_as("p.state");
	statefile_name(&sample, 'x', 'p', "p.state");
	assert_chain_refused(ELOOP, "x.state");
}
END_TEST

/* Writes 1.state to COUNT.state, each the parent of the next, with zeros left out. */
static void write_chain(unsigned count)
{
	char name[32], parent[32] = "";

	for (unsigned i = 1; i <= count; i++) {
		struct rf_image_origin *origin;

		statefile_name(&sample, 'x', i > 1 ? 'x' : 0, parent);
		origin = sample_payload(&sample.records, RF_RECORD_ORIGIN, 0);
		memcpy(origin->id + 1, &i, sizeof(i));
		if (i > 1)
			memcpy(origin->parent + 1, &(unsigned){ i - 1 }, sizeof(i));
		snprintf(name, sizeof(name), "%u.state", i);
		write_as(name);
		strcpy(parent, name);
	}
	snprintf(path, sizeof(path), "%s/%s", folder, name);
}

static void remove_chain(unsigned count)
{
	char name[sizeof(path)];

	for (unsigned i = 1; i <= count; i++) {
		snprintf(name, sizeof(name), "%s/%u.state", folder, i);
		ck_assert_int_eq(unlink(name), 0);
	}
}

START_TEST(longest_chain_is_read_and_a_longer_one_is_not)
{
	unsigned count = RF_IMAGE_MAX_CHAIN;
	struct rlimit limit;

	/* the usual limit, which does not suffice */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < 2 * count)
		return;
	limit.rlim_cur = 1024;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* nothing to carry: only the chain is of interest */
	make_many_segments(1);
	write_chain(count + 1);
	ck_assert_msg(open_source() == -ELOOP, "%s", report.sentence);
	snprintf(path, sizeof(path), "%s/%u.state", folder, count);
	ck_assert_msg(open_source() == 0, "%s", report.sentence);
	ck_assert_uint_eq(source.chain_count, count);
	rf_source_close(&source);
	remove_chain(count + 1);
}
END_TEST

static TCase *accepting_case(void)
{
	TCase *tcase = tcase_create("good statefiles");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, good_statefile_is_read);
	tcase_add_test(tcase, memory_is_what_it_was);
	tcase_add_test(tcase, open_file_keeps_its_offset);
	tcase_add_test(tcase, statefile_without_pages_is_read);
	tcase_add_test(tcase, statefile_without_origin_has_the_id_of_its_note);
	tcase_add_test(tcase, index_may_come_in_several_records);
	return tcase;
}

static TCase *refusing_case(void)
{
	TCase *tcase = tcase_create("hostile statefiles");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60); /* with sanitizers */
	tcase_add_test(tcase, every_flipped_byte_is_noticed);
	tcase_add_test(tcase, every_length_but_its_own_is_noticed);
	tcase_add_loop_test(tcase, change_is_refused, 0, sizeof(changes) / sizeof(changes[0]));
	tcase_add_loop_test(tcase, most_segments_are_accepted_and_one_more_is_not, 0, 2);
	tcase_add_test(tcase, what_is_no_file_is_refused);
	return tcase;
}

static TCase *chain_case(void)
{
	TCase *tcase = tcase_create("chains");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 240); /* with sanitizers, on a busy machine */
	tcase_add_test(tcase, child_lies_over_its_parent);
	tcase_add_test(tcase, what_is_unmapped_between_is_gone);
	tcase_add_test(tcase, parent_is_found_by_an_absolute_path);
	tcase_add_test(tcase, missing_parent_is_named);
	tcase_add_test(tcase, another_parent_is_named);
	tcase_add_test(tcase, broken_parent_is_named);
	tcase_add_test(tcase, damage_to_the_parents_data_is_named);
	tcase_add_test(tcase, chain_that_comes_back_is_refused);
	tcase_add_test(tcase, longest_chain_is_read_and_a_longer_one_is_not);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("statefile reader");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, accepting_case());
	suite_add_tcase(suite, refusing_case());
	suite_add_tcase(suite, chain_case());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
