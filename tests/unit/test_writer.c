/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/image_writer.c: what it sends is what doc/image-format.txt says,
 * read back here without the project's own reader.
 */
#define _GNU_SOURCE
#include "rfork/image_writer.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/io.h"

#define PAGE 4096ul

static struct rf_image_writer *writer;
static int stream; /* a memfd that takes the image */
static int memory_fd;
static unsigned char *bounce;
static uint64_t sequence;
static off_t position;

static void set_up(void)
{
	stream = memfd_create("image", MFD_CLOEXEC);
	memory_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	bounce = malloc(RF_PAGES_MAX_DATA_PAGES * PAGE);
	writer = malloc(sizeof(*writer));
	rf_image_writer_init(writer, stream, RF_NO_DEADLINE);
	rf_image_writer_continue(writer, RF_NO_DEADLINE, memory_fd, bounce);
	sequence = 0;
	position = 0;
}

static void tear_down(void)
{
	close(stream);
	close(memory_fd);
	free(bounce);
	free(writer);
}

static void read_bytes(void *buffer, size_t bytes)
{
	ck_assert_int_eq(pread(stream, buffer, bytes, position), (ssize_t)bytes);
	position += (off_t)bytes;
}

/* Reads the next record and checks what holds for every one but for the payload's digest; the
 * caller frees the payload. */
static unsigned char *next_unchecked(struct rf_record_header *header)
{
	unsigned char *payload;

	read_bytes(header, sizeof(*header));
	ck_assert_uint_eq(header->header_digest, rf_digest64(header, 24));
	ck_assert_uint_eq(header->sequence, sequence++);
	ck_assert_uint_eq(header->flags, 0);
	ck_assert_uint_le(header->length_bytes, RF_RECORD_MAX_BYTES);
	payload = malloc(header->length_bytes + 1);
	read_bytes(payload, header->length_bytes);
	return payload;
}

static unsigned char *next_record(struct rf_record_header *header)
{
	unsigned char *payload = next_unchecked(header);

	ck_assert_uint_eq(header->payload_digest, rf_digest64(payload, header->length_bytes));
	return payload;
}

/* Reads PAGES records to END and applies them to `image`, which stands for [base, base + bytes);
 * returns the pages of data. */
static uint64_t apply_pages(uint64_t base, unsigned char *image, size_t bytes, uint64_t *guards)
{
	uint64_t data_pages = 0;

	for (;;) {
		struct rf_record_header header;
		unsigned char *payload = next_record(&header);
		struct rf_image_pages *pages = (struct rf_image_pages *)payload;
		struct rf_image_run *run = (struct rf_image_run *)(pages + 1);
		struct rf_image_end *end = (struct rf_image_end *)payload;
		unsigned char *data = (unsigned char *)(run + pages->runs);
		uint64_t in_record = 0;

		if (header.type == RF_RECORD_END) {
			ck_assert_uint_eq(end->records, sequence);
			ck_assert_uint_eq(end->data_pages, data_pages);
			free(payload);
			return data_pages;
		}
		ck_assert_uint_eq(header.type, RF_RECORD_PAGES);
		ck_assert_uint_ge(pages->runs, 1);
		ck_assert_uint_le(pages->runs, RF_PAGES_MAX_RUNS);
		for (uint32_t i = 0; i < pages->runs; i++) {
			size_t run_bytes = run[i].pages * PAGE;

			ck_assert_uint_gt(run[i].pages, 0);
			if (i)
				ck_assert_uint_ge(run[i].address,
						  run[i - 1].address + run[i - 1].pages * PAGE);
			if (run[i].kind == RF_RUN_GUARD) {
				*guards += run[i].pages;
				continue;
			}
			ck_assert_uint_ge(run[i].address, base);
			ck_assert_uint_le(run[i].address + run_bytes, base + bytes);
			memcpy(image + (run[i].address - base), data, run_bytes);
			data += run_bytes;
			in_record += run[i].pages;
		}
		ck_assert_uint_le(in_record, RF_PAGES_MAX_DATA_PAGES);
		ck_assert_ptr_eq(data, payload + header.length_bytes);
		data_pages += in_record;
		free(payload);
	}
}

static unsigned char *map(size_t pages)
{
	unsigned char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

static void check_equal(unsigned char *memory, size_t pages, uint64_t expected_pages)
{
	unsigned char *image = calloc(pages, PAGE);
	uint64_t guards = 0;

	ck_assert_int_eq(rf_image_write_end(writer), 0);
	ck_assert_uint_eq(apply_pages((uintptr_t)memory, image, pages * PAGE, &guards),
			  expected_pages);
	ck_assert_uint_eq(guards, 0);
	ck_assert_mem_eq(image, memory, pages * PAGE);
	free(image);
}

START_TEST(small_records_keep_their_order_and_bytes)
{
	char text[5000];
	struct iovec pieces[] = { { "head", 4 }, { text, sizeof(text) } };
	struct rf_record_header header;
	unsigned char *payload;

	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 40; i++) /* more than the buffer holds */
		ck_assert_int_eq(rf_image_write(writer, RF_RECORD_FILE, pieces, 2), 0);
	ck_assert_int_eq(rf_image_write(writer, RF_RECORD_LAYOUT, NULL, 0), 0);
	ck_assert_int_eq(rf_image_writer_flush(writer), 0);
	for (int i = 0; i < 40; i++) {
		payload = next_record(&header);
		ck_assert_uint_eq(header.type, RF_RECORD_FILE);
		ck_assert_uint_eq(header.length_bytes, 5004);
		ck_assert_mem_eq(payload, "headxxxx", 8);
		free(payload);
	}
	payload = next_record(&header);
	ck_assert_uint_eq(header.type, RF_RECORD_LAYOUT);
	ck_assert_uint_eq(header.length_bytes, 0);
	free(payload);
}
END_TEST

START_TEST(record_larger_than_the_buffer_goes_whole)
{
	size_t bytes = RF_WRITER_BUFFER_BYTES * 2;
	struct iovec piece = { calloc(1, bytes), bytes };
	struct rf_record_header header;

	ck_assert_int_eq(rf_image_write(writer, RF_RECORD_MAPPING, &piece, 1), 0);
	free(next_record(&header));
	ck_assert_uint_eq(header.length_bytes, bytes);
	piece.iov_len = RF_RECORD_MAX_BYTES + 1;
	ck_assert_int_eq(rf_image_write(writer, RF_RECORD_MAPPING, &piece, 1), -EMSGSIZE);
	free(piece.iov_base);
}
END_TEST

START_TEST(dense_pages_arrive)
{
	unsigned char *memory = map(1000);

	for (size_t i = 0; i < 1000 * PAGE; i++)
		memory[i] = (unsigned char)(i * 2654435761u >> 13 | 1);
	ck_assert_int_eq(rf_image_write_pages(writer, (uintptr_t)memory, 1000), 0);
	check_equal(memory, 1000, 1000);
}
END_TEST

START_TEST(zero_pages_cost_nothing)
{
	unsigned char *memory = map(2000);

	memory[1234 * PAGE + 4095] = 1; /* the last byte counts */
	memory[77 * PAGE] = 1;
	ck_assert_int_eq(rf_image_write_pages(writer, (uintptr_t)memory, 2000), 0);
	check_equal(memory, 2000, 2);
}
END_TEST

START_TEST(checkerboard_arrives)
{
	unsigned char *memory = map(3000);

	for (size_t page = 0; page < 3000; page += 2)
		memset(memory + page * PAGE, (int)(page % 255) + 1, PAGE);
	ck_assert_int_eq(rf_image_write_pages(writer, (uintptr_t)memory, 3000), 0);
	check_equal(memory, 3000, 1500);
}
END_TEST

START_TEST(unreadable_pages_arrive_by_the_kernel)
{
	unsigned char *memory = map(1500);

	for (size_t page = 0; page < 1500; page++)
		if (page % 3)
			memset(memory + page * PAGE, (int)(page % 255) + 1, PAGE);
	ck_assert_int_eq(mprotect(memory, 1500 * PAGE, PROT_NONE), 0);
	ck_assert_int_eq(rf_image_write_pages_careful(writer, (uintptr_t)memory, 1500,
						      RF_UNREADABLE_IS_GUARD),
			 0);
	ck_assert_int_eq(mprotect(memory, 1500 * PAGE, PROT_READ), 0);
	check_equal(memory, 1500, 1000);
}
END_TEST

START_TEST(both_ways_of_reading_mix)
{
	unsigned char *memory = map(1200);

	for (size_t i = 0; i < 1200 * PAGE; i += 512)
		memory[i] = (unsigned char)(i >> 9 | 1);
	for (size_t page = 0; page < 1200; page += 6) {
		ck_assert_int_eq(rf_image_write_pages(writer, (uintptr_t)memory + page * PAGE, 3),
				 0);
		ck_assert_int_eq(rf_image_write_pages_careful(writer,
							      (uintptr_t)memory + (page + 3) * PAGE,
							      3, RF_UNREADABLE_IS_GUARD),
				 0);
	}
	check_equal(memory, 1200, 1200);
}
END_TEST

START_TEST(hole_is_a_guard_or_nothing)
{
	unsigned char *memory = map(10);
	unsigned char image[10 * PAGE];
	uint64_t guards = 0;

	memset(memory, 5, 10 * PAGE);
	munmap(memory + 4 * PAGE, PAGE);
	ck_assert_int_eq(rf_image_write_pages_careful(writer, (uintptr_t)memory, 10,
						      RF_UNREADABLE_IS_GUARD),
			 0);
	ck_assert_int_eq(rf_image_write_pages_careful(writer, (uintptr_t)memory, 10,
						      RF_UNREADABLE_IS_LEFT_OUT),
			 0);
	ck_assert_int_eq(rf_image_write_end(writer), 0);
	ck_assert_uint_eq(apply_pages((uintptr_t)memory, image, sizeof(image), &guards), 18);
	ck_assert_uint_eq(guards, 1);
}
END_TEST

START_TEST(zeros_over_a_file_are_data)
{
	unsigned char *memory = map(20);

	memset(memory, 0, 20 * PAGE);
	writer->keeps_zeros = true;
	ck_assert_int_eq(rf_image_write_pages(writer, (uintptr_t)memory, 10), 0);
	ck_assert_int_eq(rf_image_write_pages_careful(writer, (uintptr_t)memory + 10 * PAGE, 10,
						      RF_UNREADABLE_IS_GUARD),
			 0);
	check_equal(memory, 20, 20);
}
END_TEST

START_TEST(data_need_not_lie_where_they_belong)
{
	unsigned char *memory = map(300);
	unsigned char *arrived = calloc(300, PAGE);
	uint64_t home = (uintptr_t)memory + 1000 * PAGE, guards = 0;

	for (size_t i = 0; i < 300 * PAGE; i++)
		memory[i] = (unsigned char)(i * 2654435761u >> 13 | 1);
	memset(memory + 7 * PAGE, 0, PAGE);
	ck_assert_int_eq(rf_image_write_data(writer, home, memory, 300), 0);
	ck_assert_int_eq(rf_image_write_end(writer), 0);
	ck_assert_uint_eq(apply_pages(home, arrived, 300 * PAGE, &guards), 299);
	ck_assert_mem_eq(arrived, memory, 300 * PAGE);
	free(arrived);
}
END_TEST

/* Carries two records, then loses the second one, and all that would follow. */
struct test_carrier {
	unsigned char slots[2][RF_PAGES_MAX_DATA_PAGES * PAGE];
	struct rf_image_run runs[RF_PAGES_MAX_RUNS]; /* of the second */
	uint32_t run_count;
	size_t bytes;
	int calls;
};

static int carry_two(void *context, const struct rf_image_carried *record,
		     struct rf_image_remote_pages *head, uint64_t *digest)
{
	struct test_carrier *carrier = context;
	int call = carrier->calls++;
	struct iovec parts[] = { { head, sizeof(*head) },
				 { (void *)record->runs,
				   record->run_count * sizeof(record->runs[0]) } };
	struct iovec data = { carrier->slots[1], carrier->bytes };
	const struct rf_image_carried lost = { .runs = carrier->runs,
					       .run_count = carrier->run_count,
					       .data = &data,
					       .data_count = 1,
					       .data_bytes = carrier->bytes };

	if (call > 2)
		return 0;
	if (call == 2)
		return rf_image_write_again(writer, &lost);
	head->remote_key = 7;
	head->remote_address = 1000 + (uint64_t)call;
	carrier->run_count = record->run_count;
	carrier->bytes = record->data_bytes;
	memcpy(carrier->runs, record->runs, record->run_count * sizeof(record->runs[0]));
	*digest =
		rf_digest64_copy(parts, 2, carrier->slots[call], record->data, record->data_count);
	return 1;
}

/* A record whose data are in a slot; how many pages, which must be those of memory. */
static uint64_t check_remote(const unsigned char *slot, uint64_t address)
{
	struct rf_record_header header;
	unsigned char *payload = next_unchecked(&header);
	struct rf_image_remote_pages *remote = (struct rf_image_remote_pages *)payload;
	struct rf_image_run *run = (struct rf_image_run *)(remote + 1);
	struct iovec parts[] = { { payload, header.length_bytes }, { (void *)slot, 0 } };
	uint64_t pages = 0;

	ck_assert_uint_eq(header.type, RF_RECORD_REMOTE_PAGES);
	ck_assert_uint_eq(header.length_bytes, sizeof(*remote) + remote->runs * sizeof(*run));
	ck_assert_uint_eq(remote->remote_key, 7);
	ck_assert_uint_eq(remote->remote_address, address);
	for (uint32_t i = 0; i < remote->runs; i++) {
		ck_assert_mem_eq((void *)run[i].address, slot + pages * PAGE, run[i].pages * PAGE);
		pages += run[i].pages;
	}
	parts[1].iov_len = pages * PAGE;
	ck_assert_uint_eq(header.payload_digest, rf_digest64_iov(parts, 2));
	free(payload);
	return pages;
}

START_TEST(carried_pages_are_counted_once)
{
	struct test_carrier *carrier = calloc(1, sizeof(*carrier));
	const struct rf_image_carrier way = { .carry = carry_two, .context = carrier };
	struct rf_record_header header;
	unsigned char *memory = map(1000), *payload;
	uint64_t pages = 0, left = 1000;

	for (size_t i = 0; i < 1000; i++) /* with a hole here and there */
		if (i % 10)
			memset(memory + i * PAGE, (int)i | 1, PAGE);
		else
			left--;
	writer->carrier = &way;
	ck_assert_int_eq(rf_image_write_pages(writer, (uintptr_t)memory, 1000), 0);
	ck_assert_int_eq(rf_image_write_end(writer), 0);
	pages = check_remote(carrier->slots[0], 1000);
	ck_assert_uint_eq(pages, RF_PAGES_MAX_DATA_PAGES);
	pages += check_remote(carrier->slots[1], 1001);
	/* the second comes again as it was, then the others */
	payload = next_record(&header);
	ck_assert_uint_eq(header.type, RF_RECORD_PAGES);
	ck_assert_mem_eq(payload + sizeof(struct rf_image_pages) +
				 carrier->run_count * sizeof(struct rf_image_run),
			 carrier->slots[1], carrier->bytes);
	free(payload);
	while (pages < left) {
		payload = next_record(&header);
		ck_assert_uint_eq(header.type, RF_RECORD_PAGES);
		for (uint32_t i = 0; i < ((struct rf_image_pages *)payload)->runs; i++)
			pages += ((struct rf_image_run *)(payload + 8))[i].pages;
		free(payload);
	}
	ck_assert_uint_eq(pages, left);
	payload = next_record(&header);
	ck_assert_uint_eq(header.type, RF_RECORD_END);
	ck_assert_uint_eq(((struct rf_image_end *)payload)->data_pages, left);
	free(payload);
	free(carrier);
}
END_TEST

START_TEST(lost_reader_is_an_error)
{
	unsigned char *memory = map(4);
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	close(pipes[0]);
	signal(SIGPIPE, SIG_IGN);
	memset(memory, 1, 4 * PAGE);
	writer->fd = pipes[1];
	ck_assert_int_eq(rf_image_write_pages(writer, (uintptr_t)memory, 4), 0);
	ck_assert_int_eq(rf_image_write_end(writer), -EPIPE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("writer");
	TCase *tcase = tcase_create("writer");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, small_records_keep_their_order_and_bytes);
	tcase_add_test(tcase, record_larger_than_the_buffer_goes_whole);
	tcase_add_test(tcase, dense_pages_arrive);
	tcase_add_test(tcase, zero_pages_cost_nothing);
	tcase_add_test(tcase, checkerboard_arrives);
	tcase_add_test(tcase, unreadable_pages_arrive_by_the_kernel);
	tcase_add_test(tcase, both_ways_of_reading_mix);
	tcase_add_test(tcase, hole_is_a_guard_or_nothing);
	tcase_add_test(tcase, zeros_over_a_file_are_data);
	tcase_add_test(tcase, data_need_not_lie_where_they_belong);
	tcase_add_test(tcase, carried_pages_are_counted_once);
	tcase_add_test(tcase, lost_reader_is_an_error);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
