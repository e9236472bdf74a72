/* SPDX-License-Identifier: MIT */
/*
 * Sources: what is written of one reads back as the same, and its memory reads as the process would
 * have read it.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/file_identity.h"
#include "rfork/io.h"
#include "rfork/source_writer.h"
#include "tests/unit/image_reading.h"

#define PAGE ((uint64_t)SAMPLE_PAGE)
#define BASE UINT64_C(0x10000000)

/* -- records ------------------------------------------------------------------------------ */

static struct sample sample;
static struct sample_reading before;

static void set_up_sample(void)
{
	size_t bytes;
	unsigned char *stream;
	const char *fault;

	sample_make(&sample);
	stream = sample_encode(&sample, &bytes);
	ck_assert_int_eq(sample_read(&before, stream, bytes, &fault), 0);
	free(stream);
}

static void tear_down_sample(void)
{
	sample_forget(&before);
	sample_free(&sample);
}

static int write_layout(const struct rf_source *source)
{
	static struct rf_image_writer writer;
	int fd = memfd_create("layout", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	rf_image_writer_init(&writer, fd, RF_NO_DEADLINE);
	ck_assert_int_ge(rf_source_write_layout(source, &writer), 0);
	ck_assert_int_ge(rf_image_writer_flush(&writer), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void read_layout(int fd, struct rf_image *image)
{
	static struct rf_reader reader;
	struct rf_report report = { 0 };

	ck_assert_int_eq(
		rf_reader_init(&reader, fd, SAMPLE_MIN_ADDRESS, SAMPLE_MAX_ADDRESS, &report), 0);
	ck_assert_msg(rf_reader_layout(&reader, image) == 0, "%s", report.sentence);
	rf_reader_release(&reader);
}

#define EXPECT_ARRAY(field, count)                                                                 \
	ck_assert_mem_eq(after.field, before.image.field, (count) * sizeof(after.field[0]))

START_TEST(layout_reads_back_as_the_same)
{
	struct rf_source source = { .image = before.image };
	struct rf_image after;
	int fd = write_layout(&source);

	read_layout(fd, &after);
	ck_assert_mem_eq(&after.head, &before.image.head, sizeof(after.head));
	ck_assert_mem_eq(&after.process, &before.image.process, sizeof(after.process));
	ck_assert_str_eq(after.cwd, before.image.cwd);
	ck_assert(after.has_clocks);
	ck_assert_mem_eq(&after.clocks, &before.image.clocks, sizeof(after.clocks));
	EXPECT_ARRAY(auxv, before.image.process.auxv_bytes);
	EXPECT_ARRAY(sigactions, RF_IMAGE_SIGNALS);
	EXPECT_ARRAY(descriptors, before.image.head.descriptors);
	EXPECT_ARRAY(mappings, before.image.head.mappings);
	EXPECT_ARRAY(vdso_areas, before.image.vdso.areas);
	ck_assert_uint_eq(after.timer_count, before.image.timer_count);
	ck_assert_uint_gt(after.timer_count, 0);
	EXPECT_ARRAY(timers, after.timer_count);
	ck_assert_uint_eq(after.pending_count, before.image.pending_count);
	ck_assert_uint_gt(after.pending_count, 0);
	EXPECT_ARRAY(pending, after.pending_count);
	ck_assert_mem_eq(&after.threads[0].image, &before.image.threads[0].image,
			 sizeof(after.threads[0].image));
	ck_assert_mem_eq(&after.state, &before.image.state, sizeof(after.state));
	ck_assert_uint_ne(after.state.known, 0);
	ck_assert_mem_eq(after.threads[0].attributes, before.image.threads[0].attributes,
			 sizeof(*after.threads[0].attributes));
	for (uint32_t i = 0; i < after.head.files; i++) {
		ck_assert_mem_eq(&after.files[i].image, &before.image.files[i].image,
				 sizeof(after.files[i].image));
		ck_assert_str_eq(after.files[i].path, before.image.files[i].path);
	}
	ck_assert_uint_eq(after.pipe_count, before.image.pipe_count);
	ck_assert_uint_gt(after.pipe_count, 0);
	ck_assert_mem_eq(after.pipes[0].contents, before.image.pipes[0].contents,
			 after.pipes[0].image.bytes);
	for (uint32_t i = 0; i < after.head.objects; i++) {
		const struct rf_object_state *object = &after.objects[i].object;
		const struct rf_object_state *expected = &before.image.objects[i].object;

		ck_assert_mem_eq(object, expected, offsetof(struct rf_object_state, watched));
		ck_assert_uint_eq(object->watched_bytes, expected->watched_bytes);
		ck_assert_mem_eq(object->watched, expected->watched, object->watched_bytes);
		ck_assert_uint_eq(object->watch_count, expected->watch_count);
		ck_assert_mem_eq(object->watches, expected->watches,
				 object->watch_count * sizeof(object->watches[0]));
	}
	ck_assert_uint_eq(after.watch_count, 2);
	rf_image_release(&after);
	close(fd);
}
END_TEST

START_TEST(every_thread_is_written_with_its_vector_state)
{
	struct rf_reader_thread threads[3];
	unsigned char xsave[3][600];
	struct rf_source source = { .image = before.image };
	struct rf_image after;
	int fd;

	for (uint32_t i = 0; i < 3; i++) {
		memset(xsave[i], (int)(0x30 + i), sizeof(xsave[i]));
		threads[i] = before.image.threads[0];
		threads[i].image.tid = 100 + i;
		threads[i].image.flags = RF_THREAD_INTERRUPTED;
		threads[i].image.xsave_bytes = 576 + 8 * i;
		threads[i].xsave = xsave[i];
	}
	source.image.threads = threads;
	source.image.head.threads = 3;
	fd = write_layout(&source);
	read_layout(fd, &after);
	ck_assert_uint_eq(after.threads_read, 3);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_mem_eq(&after.threads[i].image, &threads[i].image,
				 sizeof(threads[i].image));
		ck_assert_mem_eq(after.threads[i].xsave, xsave[i], 576 + 8 * i);
	}
	rf_image_release(&after);
	close(fd);
}
END_TEST

/* -- memory -------------------------------------------------------------------------------- */

static struct rf_source source;
static char file_path[] = "/tmp/test_source.XXXXXX";

/* Sixteen pages of a mapped file, then sixteen anonymous ones, then a gap of one, then one more. */
static struct rf_image_mapping mappings[] = {
	{ .start = BASE,
	  .end = BASE + 16 * PAGE,
	  .kind = RF_MAPPING_FILE,
	  .file = 0,
	  .file_offset = PAGE },
	{ .start = BASE + 16 * PAGE, .end = BASE + 32 * PAGE, .file = RF_IMAGE_NONE },
	{ .start = BASE + 33 * PAGE, .end = BASE + 34 * PAGE, .file = RF_IMAGE_NONE },
};

static struct rf_segment segments[] = {
	{ .address = BASE + 2 * PAGE, .bytes = PAGE, .kind = RF_SEGMENT_DATA, .offset = 3 },
	{ .address = BASE + 4 * PAGE, .bytes = PAGE, .kind = RF_SEGMENT_ZERO, .fd = -1 },
	{ .address = BASE + 20 * PAGE, .bytes = PAGE, .kind = RF_SEGMENT_DATA, .offset = 3 + PAGE },
	{ .address = BASE + 24 * PAGE, .bytes = PAGE, .kind = RF_SEGMENT_GUARD, .fd = -1 },
};

static void fill(int fd, size_t bytes)
{
	unsigned char *data = malloc(bytes);

	for (size_t i = 0; i < bytes; i++)
		data[i] = (unsigned char)(i * 2654435761u >> 9);
	ck_assert_int_eq(write(fd, data, bytes), (ssize_t)bytes);
	free(data);
}

static void *copy(const void *from, size_t bytes)
{
	return memcpy(malloc(bytes), from, bytes);
}

static void set_up(void)
{
	int fd = mkostemp(file_path, O_CLOEXEC);
	int data = memfd_create("data", MFD_CLOEXEC);
	struct stat status;

	fill(fd, 9 * PAGE + 100);
	fill(data, 2 * PAGE + 3);
	ck_assert_int_eq(fstat(fd, &status), 0);
	close(fd);
	rf_source_init(&source);
	ck_assert_int_eq(rf_source_own(&source, data), data);
	segments[0].fd = segments[2].fd = data;
	source.segments = copy(segments, sizeof(segments));
	source.segment_count = 4;
	source.image.mappings = copy(mappings, sizeof(mappings));
	source.image.head.mappings = 3;
	source.image.files = calloc(1, sizeof(*source.image.files));
	source.image.files[0].image = rf_file_identity(&status);
	source.image.files[0].path = strdup(file_path);
	source.image.head.files = source.image.files_read = 1;
}

static void tear_down(void)
{
	rf_source_close(&source);
	unlink(file_path);
	strcpy(file_path + sizeof(file_path) - 7, "XXXXXX");
}

static unsigned char expected(size_t offset)
{
	return (unsigned char)(offset * 2654435761u >> 9);
}

START_TEST(memory_reads_as_the_process_had_it)
{
	static unsigned char memory[32 * SAMPLE_PAGE];
	size_t seen = 8 * PAGE + 100; /* of the file, from the mapping's offset on */

	/* behind the file's last page nothing can be read */
	ck_assert_int_eq(rf_source_read(&source, BASE, memory, 16 * PAGE), 9 * PAGE);
	for (size_t i = 0; i < 9 * PAGE; i++) {
		unsigned char wanted = i < seen ? expected(PAGE + i) : 0;

		if (i / PAGE == 2)
			wanted = expected(3 + i % PAGE);
		if (i / PAGE == 4)
			wanted = 0;
		ck_assert_msg(memory[i] == wanted, "byte %zu", i);
	}
	/* a guard page ends what can be read */
	ck_assert_int_eq(rf_source_read(&source, BASE + 16 * PAGE, memory, 17 * PAGE), 8 * PAGE);
	for (size_t i = 0; i < 8 * PAGE; i++)
		ck_assert_msg(memory[i] == (i / PAGE == 4 ? expected(3 + PAGE + i % PAGE) : 0),
			      "byte %zu", i);
	ck_assert_int_eq(rf_source_read(&source, BASE + 20 * PAGE + 77, memory, 1), 1);
	ck_assert_uint_eq(memory[0], expected(3 + PAGE + 77));
}
END_TEST

START_TEST(what_cannot_be_read_is_a_fault)
{
	const uint64_t bad[] = {
		0, BASE - 1, BASE + 9 * PAGE, BASE + 24 * PAGE, BASE + 32 * PAGE, UINT64_MAX
	};
	char byte;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(rf_source_read(&source, bad[i], &byte, 1), -EFAULT);
}
END_TEST

START_TEST(changed_files_are_not_read)
{
	char bytes[100];
	int fd;

	fd = open(file_path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "x", 1, 5), 1);
	ck_assert_int_eq(ftruncate(fd, 12345), 0);
	close(fd);
	ck_assert_int_eq(rf_source_read(&source, BASE, bytes, sizeof(bytes)), -ESTALE);
	ck_assert_int_eq(unlink(file_path), 0);
	source.files[0] = 0; /* look again */
	ck_assert_int_eq(rf_source_read(&source, BASE, bytes, sizeof(bytes)), -ENOENT);
	/* what the image itself holds is there all the same */
	ck_assert_int_eq(rf_source_read(&source, BASE + 2 * PAGE, bytes, sizeof(bytes)),
			 sizeof(bytes));
}
END_TEST

START_TEST(losses_are_lines)
{
	ck_assert_int_eq(rf_source_lose(&source, "descriptor %d", 7), 0);
	ck_assert_int_eq(rf_source_lose(&source, "signal actions"), 0);
	ck_assert_str_eq(source.lost, "descriptor 7\nsignal actions\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source");
	TCase *records = tcase_create("records");
	TCase *memory = tcase_create("memory");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(records, set_up_sample, tear_down_sample);
	tcase_add_test(records, layout_reads_back_as_the_same);
	tcase_add_test(records, every_thread_is_written_with_its_vector_state);
	suite_add_tcase(suite, records);
	tcase_add_checked_fixture(memory, set_up, tear_down);
	tcase_add_test(memory, memory_reads_as_the_process_had_it);
	tcase_add_test(memory, what_cannot_be_read_is_a_fault);
	tcase_add_test(memory, changed_files_are_not_read);
	tcase_add_test(memory, losses_are_lines);
	suite_add_tcase(suite, memory);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
