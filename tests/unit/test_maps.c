/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/maps.c: the kernel's list of mappings, from texts and from
 * this process itself.
 */
#define _GNU_SOURCE
#include "rfork/maps.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "rfork/image_format.h"

#define CAPACITY 16

static struct rf_map entries[CAPACITY];

static int parse(struct rf_maps *maps, const char *text)
{
	static char copy[4096];

	ck_assert_uint_lt(strlen(text), sizeof(copy));
	strcpy(copy, text);
	return rf_maps_parse(maps, copy, strlen(copy), entries, CAPACITY);
}

START_TEST(parses_every_field_of_a_file_mapping)
{
	struct rf_maps maps;

	ck_assert_int_eq(parse(&maps, "7f0000001000-7f0000003000 r-xp 0000a000 103:02 1234567"
				      "                    /usr/lib/a b.so\n"),
			 0);
	ck_assert_uint_eq(maps.count, 1);
	ck_assert_uint_eq(entries[0].start, 0x7f0000001000);
	ck_assert_uint_eq(entries[0].end, 0x7f0000003000);
	ck_assert_uint_eq(entries[0].protection, RF_PROTECTION_READ | RF_PROTECTION_EXECUTE);
	ck_assert(!entries[0].shared && !entries[0].deleted);
	ck_assert_int_eq(entries[0].kind, RF_MAP_FILE);
	ck_assert_uint_eq(entries[0].file_offset, 0xa000);
	ck_assert_uint_eq(entries[0].device, makedev(0x103, 2));
	ck_assert_uint_eq(entries[0].inode, 1234567);
	ck_assert_str_eq(entries[0].path, "/usr/lib/a b.so");
}
END_TEST

START_TEST(tells_the_kinds_apart)
{
	static const enum rf_map_kind kinds[] = {
		RF_MAP_ANONYMOUS, RF_MAP_ANONYMOUS, RF_MAP_ANONYMOUS, RF_MAP_FILE,  RF_MAP_STACK,
		RF_MAP_VVAR,	  RF_MAP_VVAR,	    RF_MAP_VDSO,      RF_MAP_KERNEL
	};
	struct rf_maps maps;

	ck_assert_int_eq(parse(&maps, "1000-2000 rw-p 00000000 00:00 0 \n"
				      "2000-3000 rw-p 00000000 00:00 0    [heap]\n"
				      "3000-4000 ---p 00000000 00:00 0    [anon:reserve]\n"
				      "4000-5000 rw-s 00000000 00:01 9    /dev/zero (deleted)\n"
				      "5000-6000 rw-p 00000000 00:00 0    [stack]\n"
				      "6000-7000 r--p 00000000 00:00 0    [vvar]\n"
				      "7000-8000 r--p 00000000 00:00 0    [vvar_vclock]\n"
				      "8000-9000 r-xp 00000000 00:00 0    [vdso]\n"
				      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 "
				      "                 [vsyscall]\n"),
			 0);
	ck_assert_uint_eq(maps.count, sizeof(kinds) / sizeof(kinds[0]));
	for (size_t i = 0; i < maps.count; i++)
		ck_assert_msg(entries[i].kind == kinds[i], "line %zu", i + 1);
	ck_assert(entries[3].shared && entries[3].deleted);
	ck_assert_str_eq(entries[3].path, "/dev/zero");
	ck_assert_uint_eq(entries[8].end, 0xffffffffff601000);
}
END_TEST

START_TEST(unescapes_a_newline_in_a_path)
{
	struct rf_maps maps;

	ck_assert_int_eq(parse(&maps, "1000-2000 rw-p 00000000 00:00 5 /tmp/a\\012b\n"), 0);
	ck_assert_str_eq(entries[0].path, "/tmp/a\nb");
}
END_TEST

START_TEST(refuses_what_it_does_not_understand)
{
	static const char *const texts[] = {
		"1000-2000 rw-p 00000000 00:00 0", /* no newline */
		"1000-2000\n",
		"2000-1000 rw-p 00000000 00:00 0 \n",
		"1000-2000 rw-p 00000000 0000 0 \n",
		"1000-2000 rw-p 00000000 00:00 x \n",
		"\n",
	};
	struct rf_maps maps;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(parse(&maps, texts[i]) == -EPROTO, "text %zu: \"%s\"", i, texts[i]);
}
END_TEST

START_TEST(says_when_the_buffer_is_too_small)
{
	static char small[2048];
	struct rf_maps maps;

	ck_assert_int_eq(rf_maps_read(&maps, small, sizeof(small)), -ENOBUFS);
}
END_TEST

START_TEST(finds_a_mapping_of_this_process)
{
	static char buffer[1 << 18];
	long page = sysconf(_SC_PAGESIZE);
	char *address = mmap(NULL, 3 * (size_t)page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rf_maps maps;
	bool found = false;

	ck_assert_ptr_ne(address, MAP_FAILED);
	ck_assert_int_eq(mprotect(address + page, (size_t)page, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(rf_maps_read(&maps, buffer, sizeof(buffer)), 0);
	for (size_t i = 0; i < maps.count; i++) {
		ck_assert(i == 0 || maps.entries[i].start >= maps.entries[i - 1].end);
		if (maps.entries[i].start != (uintptr_t)address + (size_t)page)
			continue;
		found = true;
		ck_assert_uint_eq(maps.entries[i].end, (uintptr_t)address + 2 * (size_t)page);
		ck_assert_uint_eq(maps.entries[i].protection,
				  RF_PROTECTION_READ | RF_PROTECTION_WRITE);
	}
	ck_assert(found);
	munmap(address, 3 * (size_t)page);
}
END_TEST

static const char *refusal_of(const char *path, bool shared, bool deleted)
{
	struct stat status = { .st_mode = S_IFREG };
	struct rf_map map = { .start = 4096,
			      .end = 8192,
			      .protection = RF_PROTECTION_READ,
			      .shared = shared,
			      .deleted = deleted,
			      .kind = RF_MAP_FILE,
			      .path = path };

	return rf_map_plan(&map, deleted ? NULL : &status, true).refusal;
}

/* Also where nothing is written to them, and a copy of what is read would be a lie. */
START_TEST(memory_of_kernel_objects_is_refused)
{
	ck_assert_ptr_nonnull(refusal_of("anon_inode:[perf_event]", true, false));
	ck_assert_ptr_nonnull(
		refusal_of("/sys/bus/pci/devices/0000:00:01.0/resource0", true, false));
	ck_assert_ptr_nonnull(refusal_of("/dmabuf:heap", true, false));
	ck_assert_ptr_nonnull(refusal_of("/secretmem", true, true));
	ck_assert_ptr_nonnull(refusal_of("/[aio]", true, true));
	ck_assert_ptr_null(refusal_of("/etc/passwd", false, false));
	ck_assert_ptr_null(refusal_of("/memfd:x", true, true));
}
END_TEST

START_TEST(device_and_inode_agree_with_stat)
{
	static char buffer[1 << 18];
	struct rf_maps maps;
	struct stat status;
	bool found = false;

	ck_assert_int_eq(rf_maps_read(&maps, buffer, sizeof(buffer)), 0);
	for (size_t i = 0; i < maps.count; i++) {
		if (maps.entries[i].kind != RF_MAP_FILE || stat(maps.entries[i].path, &status) < 0)
			continue;
		found = true;
		ck_assert_uint_eq(maps.entries[i].inode, status.st_ino);
	}
	ck_assert(found);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("maps");
	TCase *tcase = tcase_create("maps");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, parses_every_field_of_a_file_mapping);
	tcase_add_test(tcase, tells_the_kinds_apart);
	tcase_add_test(tcase, unescapes_a_newline_in_a_path);
	tcase_add_test(tcase, refuses_what_it_does_not_understand);
	tcase_add_test(tcase, says_when_the_buffer_is_too_small);
	tcase_add_test(tcase, finds_a_mapping_of_this_process);
	tcase_add_test(tcase, memory_of_kernel_objects_is_refused);
	tcase_add_test(tcase, device_and_inode_agree_with_stat);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
