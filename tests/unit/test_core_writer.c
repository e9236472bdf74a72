/* SPDX-License-Identifier: MIT */
/*
 * Companions of statefiles: libelf reads what tools/core_writer.c has written, and the notes say of
 * memory and registers what the source says.  What a debugger makes of them is for
 * tests/integration.
 */
#define _GNU_SOURCE
#include "tools/core_writer.h"

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/file_identity.h"
#include "rfork/machine_facts.h"

#define PAGE UINT64_C(4096)
#define BASE UINT64_C(0x10000000)
#define LIBRARY_BYTES (5 * PAGE + 100)
#define FEATURES UINT64_C(0xe7) /* x87, SSE, AVX, AVX-512 */
/* Offsets in an XSAVE area. */
#define MXCSR 24u
#define XCR0 464u
#define XSTATE_BV 512u
#define THREADS 3u

static struct rf_source source;
static char folder[] = "/tmp/test_core_writer.XXXXXX";
static char state_path[64], library_path[64], core_path[64];
static struct rf_xsave_layout packed; /* of the threads: as on AMD CPUs */
static unsigned missing_count;

/* -- the source ------------------------------------------------------------------------------- */

static int make_file(char *path, const char *name, uint64_t bytes)
{
	int fd;

	ck_assert_int_lt(snprintf(path, 64, "%s/%s", folder, name), 64);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void make_threads(void)
{
	source.image.head.threads = THREADS;
	source.image.threads = calloc(THREADS, sizeof(*source.image.threads));
	for (uint32_t i = 0; i < THREADS; i++) {
		struct rf_reader_thread *thread = &source.image.threads[i];

		memset(&thread->image.registers, (int)(0x40 + i), sizeof(thread->image.registers));
		thread->image.tid = 1000 + i;
		thread->image.signal_mask = 0x70 + i;
		if (i == 0) {
			thread->image.mxcsr = 0x1f80;
			thread->image.x87_control = 0x37f;
			continue; /* in a call */
		}
		thread->image.flags = RF_THREAD_INTERRUPTED;
		thread->image.xsave_bytes = packed.bytes;
		thread->xsave = malloc(packed.bytes);
		memset(thread->xsave, (int)(0x60 + i), packed.bytes);
		memset(thread->xsave + MXCSR + 2, 0, 2);
		memset(thread->xsave + XSTATE_BV, 0, 64);
		memcpy(thread->xsave + XSTATE_BV, &packed.features, 8);
		memcpy(thread->xsave + XCR0, &packed.features, 8);
	}
}

/* Six pages of a library of which one was written to, then sixteen anonymous ones with some
 * data. */
static void make_memory(int state)
{
	const struct rf_image_mapping mappings[] = {
		{ .start = BASE,
		  .end = BASE + 6 * PAGE,
		  .protection = RF_PROTECTION_READ | RF_PROTECTION_EXECUTE,
		  .kind = RF_MAPPING_FILE,
		  .file = 0 },
		{ .start = BASE + 16 * PAGE,
		  .end = BASE + 32 * PAGE,
		  .protection = RF_PROTECTION_READ | RF_PROTECTION_WRITE,
		  .file = RF_IMAGE_NONE },
	};
	const struct rf_segment segments[] = {
		{ BASE + 2 * PAGE, PAGE, PAGE, state, RF_SEGMENT_DATA },
		{ BASE + 20 * PAGE, PAGE, 2 * PAGE, state, RF_SEGMENT_DATA },
		{ BASE + 21 * PAGE, PAGE, 3 * PAGE, state, RF_SEGMENT_DATA },
		{ BASE + 22 * PAGE, PAGE, 0, -1, RF_SEGMENT_ZERO },
		{ BASE + 25 * PAGE, PAGE, 4 * PAGE, state, RF_SEGMENT_DATA },
	};

	source.image.head.mappings = 2;
	source.image.mappings = memcpy(malloc(sizeof(mappings)), mappings, sizeof(mappings));
	source.segment_count = sizeof(segments) / sizeof(segments[0]);
	source.segments = memcpy(malloc(sizeof(segments)), segments, sizeof(segments));
}

static void set_up(void)
{
	struct stat status;
	int library, state;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	library = make_file(library_path, "library", LIBRARY_BYTES);
	state = make_file(state_path, "state", 8 * PAGE);
	ck_assert_int_lt(snprintf(core_path, sizeof(core_path), "%s/core", folder), 64);
	ck_assert_int_eq(fstat(library, &status), 0);
	close(library);
	rf_source_init(&source);
	source.path = strdup(state_path);
	ck_assert_int_eq(rf_source_own(&source, state), state);
	ck_assert_int_eq(rf_machine_facts_collect(&source.facts), 0);
	source.facts.xcr0 = FEATURES;
	ck_assert(rf_arch_xsave_known(&packed, FEATURES, true));
	strcpy(source.image.process.comm, "victim");
	source.image.process.auxv_bytes = 32;
	memset(source.image.auxv, 0x33, 32);
	source.image.files = calloc(1, sizeof(*source.image.files));
	source.image.files[0].image = rf_file_identity(&status);
	source.image.files[0].path = strdup(library_path);
	source.image.head.files = source.image.files_read = 1;
	make_memory(state);
	make_threads();
	missing_count = 0;
}

static void tear_down(void)
{
	source.image.threads_read = source.image.head.threads;
	rf_source_close(&source);
	unlink(core_path);
	unlink(state_path);
	unlink(library_path);
	ck_assert_int_eq(rmdir(folder), 0);
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
}

static void count_missing(void *context, const char *file)
{
	ck_assert_str_eq(file, library_path);
	ck_assert_ptr_eq(context, &source);
	missing_count++;
}

/* -- what libelf reads ------------------------------------------------------------------------ */

static struct {
	Elf *elf;
	int fd;
	size_t segments;
	GElf_Phdr notes;
} core;

static void write_core(void)
{
	struct rf_report report = { 0 };

	ck_assert_msg(rf_core_write(&source, core_path, count_missing, &source, &report) == 0, "%s",
		      report.sentence);
}

static void open_core(void)
{
	ck_assert_uint_ne(elf_version(EV_CURRENT), EV_NONE);
	core.fd = open(core_path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(core.fd, 0);
	core.elf = elf_begin(core.fd, ELF_C_READ, NULL);
	ck_assert_ptr_nonnull(core.elf);
	ck_assert_int_eq(elf_kind(core.elf), ELF_K_ELF);
	ck_assert_int_eq(elf_getphdrnum(core.elf, &core.segments), 0);
	ck_assert_ptr_nonnull(gelf_getphdr(core.elf, 0, &core.notes));
	ck_assert_uint_eq(core.notes.p_type, PT_NOTE);
}

static void close_core(void)
{
	elf_end(core.elf);
	close(core.fd);
}

/* The n-th note of a type: its description, until the next call, and how long it is. */
static const void *find_note(uint32_t type, unsigned nth, size_t *bytes)
{
	static _Alignas(8) char description_bytes[16384]; /* in the file it is not aligned */
	Elf_Data *data = elf_getdata_rawchunk(core.elf, (int64_t)core.notes.p_offset,
					      core.notes.p_filesz, ELF_T_NHDR);
	size_t next = 0, name, description;
	GElf_Nhdr note;

	ck_assert_ptr_nonnull(data);
	while ((next = gelf_getnote(data, next, &note, &name, &description)) > 0) {
		if (note.n_type != type || nth--)
			continue;
		*bytes = note.n_descsz;
		ck_assert_uint_le(*bytes, sizeof(description_bytes));
		return memcpy(description_bytes, (const char *)data->d_buf + description, *bytes);
	}
	return NULL;
}

/* -- claims ------------------------------------------------------------------------------------ */

START_TEST(registers_are_those_of_each_thread)
{
	const struct elf_prstatus *status;
	const unsigned char *state;
	struct rf_xsave_layout known; /* to gdb */
	size_t bytes;

	ck_assert(rf_arch_xsave_known(&known, FEATURES, false));
	ck_assert_uint_ne(known.bytes, packed.bytes);
	write_core();
	open_core();
	for (uint32_t i = 0; i < THREADS; i++) {
		const struct rf_reader_thread *thread = &source.image.threads[i];

		status = find_note(NT_PRSTATUS, i, &bytes);
		ck_assert_uint_eq(bytes, sizeof(*status));
		ck_assert_int_eq(status->pr_pid, (int)thread->image.tid);
		ck_assert_uint_eq(status->pr_sighold, thread->image.signal_mask);
		ck_assert_mem_eq(status->pr_reg, &thread->image.registers, sizeof(status->pr_reg));
		state = find_note(NT_X86_XSTATE, i, &bytes);
		ck_assert_uint_eq(bytes, known.bytes);
		ck_assert_mem_eq(state + XCR0, &known.features, 8);
		if (i > 0) {
			ck_assert_mem_eq(state, thread->xsave, XCR0);
			ck_assert_mem_eq(state + XSTATE_BV, &known.features, 8);
			for (unsigned j = 2; j < RF_XSAVE_COMPONENTS; j++)
				ck_assert_mem_eq(state + known.offset[j],
						 thread->xsave + packed.offset[j], known.size[j]);
			ck_assert_mem_eq(find_note(NT_FPREGSET, i, &bytes), thread->xsave, XCR0);
			ck_assert_uint_eq(bytes, 512);
		}
		ck_assert_ptr_nonnull(find_note(NT_SIGINFO, i, &bytes));
	}
	/* of a call, what it preserves */
	state = find_note(NT_X86_XSTATE, 0, &bytes);
	ck_assert_uint_eq(*(const uint16_t *)state, 0x37f);
	ck_assert_uint_eq(*(const uint32_t *)(state + 24), 0x1f80);
	ck_assert_ptr_null(find_note(NT_PRSTATUS, THREADS, &bytes));
	close_core();
}
END_TEST

START_TEST(process_is_named)
{
	const struct elf_prpsinfo *info;
	size_t bytes;

	write_core();
	open_core();
	info = find_note(NT_PRPSINFO, 0, &bytes);
	ck_assert_uint_eq(bytes, sizeof(*info));
	ck_assert_str_eq(info->pr_fname, "victim");
	ck_assert_int_eq(info->pr_pid, 1000);
	ck_assert_mem_eq(find_note(NT_AUXV, 0, &bytes), source.image.auxv, 32);
	ck_assert_uint_eq(bytes, 32);
	close_core();
}
END_TEST

/* A file as NT_FILE has it. */
struct expected_file {
	uint64_t start, end, offset;
	const char *path;
};

static void expect_files(const struct expected_file *expected, size_t count, uint64_t unit)
{
	size_t bytes;
	const uint64_t *note;
	const char *name;

	write_core();
	open_core();
	note = find_note(NT_FILE, 0, &bytes);
	ck_assert_uint_eq(note[0], count);
	ck_assert_uint_eq(note[1], unit);
	name = (const char *)(note + 2 + 3 * count);
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_eq(note[2 + 3 * i], expected[i].start);
		ck_assert_uint_eq(note[3 + 3 * i], expected[i].end);
		ck_assert_uint_eq(note[4 + 3 * i] * unit, expected[i].offset);
		ck_assert_str_eq(name, expected[i].path);
		name += strlen(name) + 1;
	}
	ck_assert_ptr_eq(name, (const char *)note + bytes);
	close_core();
}

START_TEST(files_name_each_page_where_it_lies)
{
	const struct expected_file expected[] = {
		{ BASE, BASE + 2 * PAGE, 0, library_path },
		{ BASE + 2 * PAGE, BASE + 3 * PAGE, PAGE, state_path },
		/* to the file's end: what follows in its last page is zero */
		{ BASE + 3 * PAGE, BASE + LIBRARY_BYTES, 3 * PAGE, library_path },
		/* neighbours are one */
		{ BASE + 20 * PAGE, BASE + 22 * PAGE, 2 * PAGE, state_path },
		{ BASE + 25 * PAGE, BASE + 26 * PAGE, 4 * PAGE, state_path },
	};

	expect_files(expected, 5, PAGE);
	ck_assert_uint_eq(missing_count, 0);
}
END_TEST

START_TEST(parents_are_named_for_their_pages)
{
	char parent_path[64];
	int parent = rf_source_own(&source, make_file(parent_path, "parent", 8 * PAGE));
	const struct expected_file expected[] = {
		{ BASE, BASE + 2 * PAGE, 0, library_path },
		{ BASE + 2 * PAGE, BASE + 3 * PAGE, PAGE, parent_path },
		{ BASE + 3 * PAGE, BASE + LIBRARY_BYTES, 3 * PAGE, library_path },
		/* neighbours in memory that are neighbours in different files */
		{ BASE + 20 * PAGE, BASE + 21 * PAGE, 2 * PAGE, state_path },
		{ BASE + 21 * PAGE, BASE + 22 * PAGE, 3 * PAGE, parent_path },
		{ BASE + 25 * PAGE, BASE + 26 * PAGE, 4 * PAGE, state_path },
	};

	source.segments[0].fd = source.segments[2].fd = parent;
	expect_files(expected, 6, PAGE);
	ck_assert_int_eq(unlink(parent_path), 0);
}
END_TEST

START_TEST(unaligned_offsets_are_in_bytes)
{
	const struct expected_file expected[] = {
		{ BASE, BASE + 2 * PAGE, 0, library_path },
		{ BASE + 2 * PAGE, BASE + 3 * PAGE, PAGE + 12, state_path },
		{ BASE + 3 * PAGE, BASE + LIBRARY_BYTES, 3 * PAGE, library_path },
		{ BASE + 20 * PAGE, BASE + 22 * PAGE, 2 * PAGE, state_path },
		{ BASE + 25 * PAGE, BASE + 26 * PAGE, 4 * PAGE, state_path },
	};

	source.segments[0].offset += 12;
	expect_files(expected, 5, 1);
}
END_TEST

START_TEST(another_file_is_told_and_not_named)
{
	const struct expected_file expected[] = {
		{ BASE + 2 * PAGE, BASE + 3 * PAGE, PAGE, state_path },
		{ BASE + 20 * PAGE, BASE + 22 * PAGE, 2 * PAGE, state_path },
		{ BASE + 25 * PAGE, BASE + 26 * PAGE, 4 * PAGE, state_path },
	};

	ck_assert_int_eq(truncate(library_path, LIBRARY_BYTES - 1), 0);
	expect_files(expected, 3, PAGE);
	ck_assert_uint_eq(missing_count, 1);
}
END_TEST

START_TEST(mappings_take_no_bytes)
{
	struct stat status;
	GElf_Ehdr header;
	GElf_Phdr segment;

	write_core();
	open_core();
	ck_assert_ptr_nonnull(gelf_getehdr(core.elf, &header));
	ck_assert_uint_eq(header.e_type, ET_CORE);
	ck_assert_uint_eq(header.e_machine, EM_X86_64);
	ck_assert_uint_eq(core.segments, 3); /* the sample has no vdso */
	ck_assert_int_eq(fstat(core.fd, &status), 0);
	for (size_t i = 1; i < core.segments; i++) {
		const struct rf_image_mapping *mapping = &source.image.mappings[i - 1];

		ck_assert_ptr_nonnull(gelf_getphdr(core.elf, (int)i, &segment));
		ck_assert_uint_eq(segment.p_type, PT_LOAD);
		ck_assert_uint_eq(segment.p_vaddr, mapping->start);
		ck_assert_uint_eq(segment.p_memsz, mapping->end - mapping->start);
		ck_assert_uint_eq(segment.p_filesz, 0);
		ck_assert_uint_eq(segment.p_flags, i == 1 ? PF_R | PF_X : PF_R | PF_W);
		/* at 0, BFD would read the notes twice */
		ck_assert_uint_eq(segment.p_offset, status.st_size);
	}
	ck_assert_uint_lt(status.st_size, 12288);
	ck_assert_uint_eq(status.st_mode & 0777, 0600);
	close_core();
}
END_TEST

START_TEST(vdso_of_this_build_is_in_the_core)
{
	unsigned char code[64 * 4096];
	GElf_Phdr segment;
	uint64_t bytes = source.facts.vdso_pages * PAGE;

	if (!bytes)
		return;
	source.image.vdso.areas = 1;
	source.image.vdso.digest = source.facts.vdso_digest;
	source.image.vdso_areas[0] = (struct rf_image_vdso_area){ BASE + 64 * PAGE,
								  BASE + 64 * PAGE + bytes,
								  RF_VDSO_CODE, 0 };
	write_core();
	open_core();
	ck_assert_ptr_nonnull(gelf_getphdr(core.elf, 1, &segment));
	ck_assert_uint_eq(segment.p_vaddr, BASE + 64 * PAGE);
	ck_assert_uint_eq(segment.p_filesz, bytes);
	ck_assert_int_eq(pread(core.fd, code, bytes, (off_t)segment.p_offset), (ssize_t)bytes);
	ck_assert_mem_eq(code, ELFMAG, SELFMAG);
	close_core();
	/* of another build it is unknown, and better not there than zero */
	source.image.vdso.digest++;
	write_core();
	open_core();
	ck_assert_uint_eq(core.segments, 3);
	close_core();
}
END_TEST

START_TEST(many_mappings_are_counted_in_a_section_header)
{
	const uint32_t count = PN_XNUM + 5;
	GElf_Phdr segment;

	source.segment_count = 0;
	source.image.mappings =
		reallocarray(source.image.mappings, count, sizeof(*source.image.mappings));
	for (uint32_t i = 0; i < count; i++)
		source.image.mappings[i] =
			(struct rf_image_mapping){ .start = BASE + 2 * i * PAGE,
						   .end = BASE + (2 * i + 1) * PAGE,
						   .file = RF_IMAGE_NONE };
	source.image.head.mappings = count;
	write_core();
	open_core();
	ck_assert_uint_eq(core.segments, count + 1);
	ck_assert_ptr_nonnull(gelf_getphdr(core.elf, (int)count, &segment));
	ck_assert_uint_eq(segment.p_vaddr, BASE + 2 * (count - 1) * PAGE);
	close_core();
}
END_TEST

START_TEST(nameless_files_are_refused)
{
	struct rf_report report = { 0 };

	ck_assert_int_eq(unlink(state_path), 0);
	ck_assert_int_eq(rf_core_write(&source, core_path, NULL, NULL, &report), -ENOENT);
	ck_assert_ptr_nonnull(strstr(report.sentence, state_path));
	ck_assert_int_eq(access(core_path, F_OK), -1);
}
END_TEST

START_TEST(failures_leave_the_old_file)
{
	struct rf_report report = { 0 };
	char gone[128];

	ck_assert_int_lt(snprintf(gone, sizeof(gone), "%s/none/core", folder), 128);
	ck_assert_int_eq(rf_core_write(&source, gone, NULL, NULL, &report), -ENOENT);
	ck_assert_ptr_nonnull(strstr(report.sentence, gone));
	/* a folder cannot be replaced, and no temporary file may stay: tear_down() removes the
	 * rest */
	report = (struct rf_report){ 0 };
	ck_assert_int_eq(mkdir(core_path, 0700), 0);
	ck_assert_int_eq(rf_core_write(&source, core_path, NULL, NULL, &report), -EISDIR);
	ck_assert_int_eq(rmdir(core_path), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core_writer");
	TCase *tests = tcase_create("core_writer");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, registers_are_those_of_each_thread);
	tcase_add_test(tests, process_is_named);
	tcase_add_test(tests, files_name_each_page_where_it_lies);
	tcase_add_test(tests, parents_are_named_for_their_pages);
	tcase_add_test(tests, unaligned_offsets_are_in_bytes);
	tcase_add_test(tests, another_file_is_told_and_not_named);
	tcase_add_test(tests, mappings_take_no_bytes);
	tcase_add_test(tests, vdso_of_this_build_is_in_the_core);
	tcase_add_test(tests, many_mappings_are_counted_in_a_section_header);
	tcase_add_test(tests, nameless_files_are_refused);
	tcase_add_test(tests, failures_leave_the_old_file);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
