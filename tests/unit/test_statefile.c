/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/statefile.c: a head that was made is found again, and each way to break one
 * has its answer, which names the file and the offset.
 */
#define _GNU_SOURCE
#include "rfork/statefile.h"

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define FILE_BYTES (PAGE + 100)

static struct rf_report report;
static struct rf_statefile_note note, found;
static unsigned char file[FILE_BYTES + 1];
static uint64_t file_bytes, note_offset;
static int fd;

/* Places in the head, by the gABI. */
enum { CLASS = 4, DATA = 5, TYPE = 16, MACHINE = 18, PHOFF = 32, PHENTSIZE = 54, PHNUM = 56 };
enum { SEGMENT_OFFSET = 64 + 8, SEGMENT_BYTES = 64 + 32, NOTE = 124 };

static struct rf_statefile_note *note_in_file(void)
{
	return (struct rf_statefile_note *)(void *)(file + RF_STATEFILE_NOTE_OFFSET);
}

static void set_up(void)
{
	fd = memfd_create("statefile", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	report = (struct rf_report){ 0 };
	memset(file, 0, sizeof(file));
	file_bytes = FILE_BYTES;
	note = (struct rf_statefile_note){ .version = 1,
					   .head_pages = 1,
					   .records_offset = PAGE,
					   .records_bytes = 100,
					   .file_bytes = FILE_BYTES,
					   .id = { 1, 2, 3 } };
	rf_statefile_seal_note(&note);
	rf_statefile_make_head(file, &note);
}

static void tear_down(void)
{
	close(fd);
}

static int find(void)
{
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(pwrite(fd, file, file_bytes, 0), (ssize_t)file_bytes);
	return rf_statefile_find_note(fd, "x.state", &found, &note_offset, &report);
}

static void assert_refused(int error, uint64_t offset)
{
	char begin[64];

	ck_assert_int_eq(find(), -error);
	ck_assert_int_eq(report.error, error);
	rf_format(begin, sizeof(begin), "x.state: offset %lu: ", offset);
	ck_assert_msg(strncmp(report.sentence, begin, strlen(begin)) == 0, "%s, not %s",
		      report.sentence, begin);
}

static void assert_field_refused(uint64_t offset)
{
	rf_statefile_seal_note(note_in_file());
	assert_refused(EBADMSG, RF_STATEFILE_NOTE_OFFSET + offset);
}

START_TEST(head_that_was_made_is_found)
{
	const Elf64_Ehdr *elf = (const void *)file;

	ck_assert_int_eq(elf->e_type, ET_NONE);
	ck_assert_int_eq(elf->e_machine, EM_X86_64);
	ck_assert_msg(find() == 0, "%s", report.sentence);
	ck_assert_mem_eq(&found, &note, sizeof(note));
	ck_assert_uint_eq(note_offset, RF_STATEFILE_NOTE_OFFSET);
}
END_TEST

START_TEST(note_of_an_executable_is_found_behind_others)
{
	/* two segments, the second with two notes: as a linker makes them, and moved away */
	Elf64_Phdr segments[2] = { { .p_type = PT_LOAD, .p_filesz = PAGE },
				   { .p_type = PT_NOTE, .p_offset = 1024, .p_filesz = 24 + 84 } };
	const Elf64_Nhdr other = { .n_namesz = 4, .n_descsz = 8, .n_type = 3 };

	memmove(file + 1024 + 24, file + NOTE, 84);
	memcpy(file + 1024, &other, sizeof(other));
	memset(file + NOTE, 0xee, 84);
	file[TYPE] = ET_EXEC;
	file[PHNUM] = 2;
	memcpy(file + 64, segments, sizeof(segments));
	ck_assert_msg(find() == 0, "%s", report.sentence);
	ck_assert_uint_eq(note_offset, 1024 + 24 + 20);
}
END_TEST

START_TEST(other_files_are_named)
{
	static const struct {
		size_t at;
		unsigned char value;
	} changes[] = {
		{ 0, 'x' },	{ CLASS, ELFCLASS32 }, { DATA, ELFDATA2MSB },
		{ MACHINE, 3 }, { TYPE, ET_DYN },      { TYPE, ET_CORE },
	};

	file[changes[_i].at] = changes[_i].value;
	assert_refused(ENOEXEC, changes[_i].at);
}
END_TEST

START_TEST(executable_of_others_is_no_damage)
{
	file[TYPE] = ET_EXEC;
	file[NOTE + 12] = 'X';
	assert_refused(ENOEXEC, 64);
	ck_assert_ptr_nonnull(strstr(report.sentence, "executable"));
}
END_TEST

START_TEST(headers_out_of_range_are_refused)
{
	static const struct {
		size_t at;
		unsigned bytes;
		uint64_t value, offset;
		int error;
	} changes[] = {
		{ PHENTSIZE, 2, 55, PHENTSIZE, EBADMSG },
		{ PHNUM, 2, 0, PHNUM, ENOEXEC },
		{ PHNUM, 2, 65, PHNUM, ENOEXEC },
		{ PHOFF, 8, FILE_BYTES + 1, FILE_BYTES, EBADMSG },
		{ PHOFF, 8, UINT64_MAX - 8, PHOFF, EBADMSG },
		{ PHOFF, 8, FILE_BYTES - 8, FILE_BYTES, EBADMSG },
		{ SEGMENT_OFFSET, 8, UINT64_MAX - 8, SEGMENT_OFFSET, EBADMSG },
		{ SEGMENT_OFFSET, 8, FILE_BYTES, FILE_BYTES, EBADMSG },
		{ SEGMENT_BYTES, 8, 65537, SEGMENT_BYTES, EBADMSG },
		{ SEGMENT_BYTES, 8, UINT64_MAX, SEGMENT_BYTES, EBADMSG },
		{ SEGMENT_BYTES, 8, 83, NOTE, EBADMSG },
		{ NOTE, 4, UINT32_MAX, NOTE, EBADMSG },
		{ NOTE + 4, 4, UINT32_MAX - 1, NOTE, EBADMSG },
	};

	memcpy(file + changes[_i].at, &changes[_i].value, changes[_i].bytes);
	assert_refused(changes[_i].error, changes[_i].offset);
}
END_TEST

START_TEST(note_that_was_never_written_is_told)
{
	memset(note_in_file(), 0, sizeof(note));
	assert_refused(EBADMSG, RF_STATEFILE_NOTE_OFFSET);
	ck_assert_ptr_nonnull(strstr(report.sentence, "never finished"));
}
END_TEST

START_TEST(every_byte_of_the_note_counts)
{
	((unsigned char *)note_in_file())[_i] ^= 1;
	assert_refused(EBADMSG, RF_STATEFILE_NOTE_OFFSET);
}
END_TEST

START_TEST(another_version_is_not_supported)
{
	note_in_file()->version = 2;
	rf_statefile_seal_note(note_in_file());
	assert_refused(EPROTONOSUPPORT, RF_STATEFILE_NOTE_OFFSET);
}
END_TEST

START_TEST(fields_of_the_note_out_of_range_are_refused)
{
	static const struct {
		size_t at;
		uint64_t value;
		size_t reported;
	} changes[] = {
		{ offsetof(struct rf_statefile_note, records_offset), PAGE + 1, 8 },
		{ offsetof(struct rf_statefile_note, records_offset), 0, 8 },
		{ offsetof(struct rf_statefile_note, records_offset), UINT64_MAX - 4095, 8 },
		{ offsetof(struct rf_statefile_note, records_offset), 2 * PAGE, 24 },
		{ offsetof(struct rf_statefile_note, records_bytes), UINT64_MAX, 24 },
		{ offsetof(struct rf_statefile_note, records_bytes), 99, 24 },
		{ offsetof(struct rf_statefile_note, file_bytes), FILE_BYTES - 1, 24 },
	};

	memcpy((unsigned char *)note_in_file() + changes[_i].at, &changes[_i].value,
	       sizeof(uint64_t));
	assert_field_refused(changes[_i].reported);
}
END_TEST

START_TEST(head_of_impossible_length_is_refused)
{
	static const uint32_t pages[] = { 0, RF_STATEFILE_MAX_HEAD_PAGES + 1, UINT32_MAX };

	note_in_file()->head_pages = pages[_i];
	assert_field_refused(offsetof(struct rf_statefile_note, head_pages));
}
END_TEST

START_TEST(image_without_identifier_is_refused)
{
	memset(note_in_file()->id, 0, sizeof(note.id));
	assert_field_refused(offsetof(struct rf_statefile_note, id));
}
END_TEST

START_TEST(file_cut_anywhere_is_named_with_its_length)
{
	file_bytes = (uint64_t)_i;
	assert_refused(_i < SELFMAG ? ENOEXEC : EBADMSG, _i < SELFMAG ? 0 : (uint64_t)_i);
}
END_TEST

START_TEST(bytes_behind_the_end_are_refused)
{
	file_bytes++;
	assert_refused(EBADMSG, FILE_BYTES);
}
END_TEST

START_TEST(digest_of_the_head_covers_all_but_the_note)
{
	uint64_t before, after;

	ck_assert_int_eq(find(), 0);
	ck_assert_int_eq(rf_statefile_digest_head(fd, &note, note_offset, &before), 0);
	memset(note_in_file(), 0xff, sizeof(note));
	find();
	ck_assert_int_eq(rf_statefile_digest_head(fd, &note, note_offset, &after), 0);
	ck_assert_uint_eq(before, after);
	/* as the writer makes it, from what it has in memory */
	memset(note_in_file(), 0, sizeof(note));
	rf_statefile_set_head(&note, file, RF_STATEFILE_HEAD_BYTES);
	ck_assert_uint_eq(note.head_pages, 1);
	ck_assert_uint_eq(note.head_digest, before);
	file[PAGE - 1] = 1;
	find();
	ck_assert_int_eq(rf_statefile_digest_head(fd, &note, note_offset, &after), 0);
	ck_assert_uint_ne(before, after);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("statefile");
	TCase *tests = tcase_create("head");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, head_that_was_made_is_found);
	tcase_add_test(tests, note_of_an_executable_is_found_behind_others);
	tcase_add_loop_test(tests, other_files_are_named, 0, 6);
	tcase_add_test(tests, executable_of_others_is_no_damage);
	tcase_add_loop_test(tests, headers_out_of_range_are_refused, 0, 13);
	tcase_add_test(tests, note_that_was_never_written_is_told);
	tcase_add_loop_test(tests, every_byte_of_the_note_counts, 0, (int)sizeof(note));
	tcase_add_test(tests, another_version_is_not_supported);
	tcase_add_loop_test(tests, fields_of_the_note_out_of_range_are_refused, 0, 7);
	tcase_add_loop_test(tests, head_of_impossible_length_is_refused, 0, 3);
	tcase_add_test(tests, image_without_identifier_is_refused);
	tcase_add_loop_test(tests, file_cut_anywhere_is_named_with_its_length, 0, 210);
	tcase_add_test(tests, bytes_behind_the_end_are_refused);
	tcase_add_test(tests, digest_of_the_head_covers_all_but_the_note);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
