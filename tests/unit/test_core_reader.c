/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of tools/core_reader*.c: small cores made by hand (core_sample.c), sound and hostile.
 * What real cores hold is tested in tests/integration/cores_*.c.
 */
#define _GNU_SOURCE
#include "tools/core_reader.h"

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/machine_facts.h"
#include "tests/unit/core_sample.h"

#define FUZZ_ROUNDS 3000
#define PAGE SAMPLE_PAGE

static char folder[] = "/tmp/test_core_reader.XXXXXX";
static char core_path[64], library_path[64];
static struct core_sample sample;
static struct rf_source source;
static struct rf_report report;

/* -- beats ------------------------------------------------------------------------------------ */

static void set_up(void)
{
	core_sample_init(&sample);
	rf_source_init(&source);
	memset(&report, 0, sizeof(report));
}

static void tear_down(void)
{
	core_sample_release(&sample);
	rf_source_close(&source);
	unlink(core_path);
	unlink(library_path);
}

static void make_folder(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(core_path, sizeof(core_path), "%s/core", folder);
	snprintf(library_path, sizeof(library_path), "%s/library.so", folder);
}

static void remove_folder(void)
{
	rmdir(folder);
}

static void write_file(const char *path, const void *bytes, size_t count)
{
	int fd;

	unlink(path); /* a new file is cheaper than an old one that is truncated */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, count), (ssize_t)count);
	close(fd);
}

static void write_core(void)
{
	size_t bytes;
	unsigned char *core = core_sample_make(&sample, &bytes);

	write_file(core_path, core, bytes);
	free(core);
}

static int open_core(bool assumes_unchanged)
{
	const struct rf_core_options options = { .assumes_unchanged = assumes_unchanged };

	rf_source_close(&source);
	memset(&report, 0, sizeof(report));
	return rf_core_open(&source, core_path, &options, &report);
}

static void assert_open(void)
{
	write_core();
	ck_assert_msg(open_core(false) == 0, "%s", report.sentence);
}

/* Refused with a sentence that begins with the path and has these words. */
static void assert_refused_as(int got, int error, const char *words)
{
	ck_assert_msg(got == -error, "%d: %s", got, report.sentence);
	ck_assert_int_eq(report.error, error);
	ck_assert_msg(strncmp(report.sentence, core_path, strlen(core_path)) == 0, "%s",
		      report.sentence);
	ck_assert_msg(strstr(report.sentence, words) != NULL, "%s", report.sentence);
	ck_assert_ptr_null(source.image.mappings);
}

static void assert_refused(int error, const char *words)
{
	write_core();
	assert_refused_as(open_core(false), error, words);
}

static const struct rf_image_mapping *mapping_at(uint64_t address)
{
	size_t index = rf_image_find_mapping(&source.image, address, address + 1);

	ck_assert_uint_ne(index, SIZE_MAX);
	return &source.image.mappings[index];
}

static unsigned char byte_at(uint64_t address)
{
	unsigned char byte;

	ck_assert_int_eq(rf_source_read(&source, address, &byte, 1), 1);
	return byte;
}

static bool is_lost(const char *words)
{
	return source.lost && strstr(source.lost, words);
}

/* What every reader of a source relies on. */
static void assert_consistent(void)
{
	const struct rf_image *image = &source.image;
	uint64_t end = 0;

	ck_assert_uint_ge(image->head.threads, 1);
	ck_assert_uint_eq(image->head.threads, image->threads_read);
	ck_assert_uint_eq(image->head.mappings, image->mappings_read);
	for (uint32_t i = 0; i < image->head.mappings; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];

		ck_assert_uint_ge(mapping->start, end);
		ck_assert_uint_lt(mapping->start, mapping->end);
		ck_assert(mapping->file == RF_IMAGE_NONE || mapping->file < image->head.files);
		end = mapping->end;
	}
	end = 0;
	for (size_t i = 0; i < source.segment_count; i++) {
		const struct rf_segment *segment = &source.segments[i];

		ck_assert_uint_ge(segment->address, end);
		end = segment->address + segment->bytes;
		ck_assert_uint_eq(segment->bytes % PAGE, 0);
		ck_assert_uint_ne(rf_image_find_mapping(image, segment->address, end), SIZE_MAX);
	}
	for (uint32_t i = 0; i < image->head.threads; i++)
		ck_assert_int_eq(rf_arch_check_thread(&image->threads[i].image, NULL), 0);
}

/* -- sound cores ------------------------------------------------------------------------------ */

START_TEST(process_is_found_in_its_memory)
{
	const uint64_t text = SAMPLE_STACK + SAMPLE_STACK_PAGES * PAGE - 64;
	const struct rf_image_process *process = &source.image.process;

	assert_open();
	assert_consistent();
	ck_assert_uint_eq(source.image.head.mappings, 4);
	ck_assert_uint_eq(process->start_code, SAMPLE_PROGRAM);
	ck_assert_uint_eq(process->end_code, SAMPLE_PROGRAM + 2 * PAGE);
	ck_assert_uint_eq(process->start_data, SAMPLE_PROGRAM + 2 * PAGE);
	ck_assert_uint_eq(process->end_data, SAMPLE_PROGRAM + 2 * PAGE + 100);
	ck_assert_uint_eq(process->start_brk, SAMPLE_HEAP);
	ck_assert_uint_eq(process->brk, SAMPLE_HEAP + 2 * PAGE);
	ck_assert_uint_eq(process->arg_start, text);
	ck_assert_uint_eq(process->arg_end, text + 9);
	ck_assert_uint_eq(process->env_start, text + 9);
	ck_assert_uint_eq(process->env_end, text + 22);
	ck_assert_uint_eq(process->start_stack, SAMPLE_STACK + (SAMPLE_STACK_PAGES - 1) * PAGE);
	ck_assert_str_eq(process->comm, "sample");
	ck_assert_str_eq(source.image.cwd, "/tmp");
	ck_assert_uint_eq(source.origin.pid, SAMPLE_PID);
	ck_assert_uint_eq(mapping_at(SAMPLE_STACK)->flags, RF_MAPPING_GROWSDOWN);
	ck_assert_uint_eq(mapping_at(SAMPLE_PROGRAM)->protection,
			  RF_PROTECTION_READ | RF_PROTECTION_EXECUTE);
	ck_assert(is_lost("signal actions") && is_lost("open files"));
}
END_TEST

START_TEST(thread_is_proven_by_its_memory)
{
	const struct rf_image_thread *thread;

	core_sample_add_thread(&sample, SAMPLE_PID + 1, false);
	assert_open();
	thread = &source.image.threads[0].image;
	ck_assert_uint_eq(thread->tid_address, SAMPLE_TCB + 0xd0);
	ck_assert_uint_eq(thread->robust_list, SAMPLE_TCB + 0xe0);
	ck_assert_uint_eq(thread->robust_list_bytes, 24);
	ck_assert_uint_eq(thread->rseq_address, 0);
	thread = &source.image.threads[1].image;
	ck_assert_uint_eq(thread->tid_address, 0);
	ck_assert_uint_eq(thread->robust_list, 0);
	ck_assert(is_lost("thread 4001: where its id is kept"));
	ck_assert(!is_lost("thread 4000: where its id is kept"));
}
END_TEST

START_TEST(main_thread_comes_first)
{
	sample.threads[0].pr_pid = SAMPLE_PID + 7; /* which got the signal */
	core_sample_add_thread(&sample, SAMPLE_PID + 2, false);
	core_sample_add_thread(&sample, SAMPLE_PID, false)->pr_reg[5] = 0xbb;
	assert_open();
	ck_assert_uint_eq(source.image.head.threads, 3);
	ck_assert_uint_eq(source.image.threads[0].image.tid, SAMPLE_PID);
	ck_assert_uint_eq(source.image.threads[0].image.registers.rbx, 0xbb);
	ck_assert_uint_eq(source.image.threads[1].image.tid, SAMPLE_PID + 7);
	ck_assert_uint_eq(source.image.threads[2].image.tid, SAMPLE_PID + 2);
}
END_TEST

START_TEST(system_calls_are_made_again)
{
	static const struct {
		int64_t call, result; /* orig_rax, rax */
		int64_t then, back;
	} cases[] = { { 0, -512, 0, 2 },    { 202, -513, 202, 2 }, { 230, -514, 230, 2 },
		      { 35, -516, -4, 0 },  { 0, -4, -4, 0 },	   { 1, 10, 10, 0 },
		      { -1, -512, -512, 0 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rf_image_registers *registers;

		sample.threads[0].pr_reg[15] = (uint64_t)cases[i].call;
		sample.threads[0].pr_reg[10] = (uint64_t)cases[i].result;
		assert_open();
		registers = &source.image.threads[0].image.registers;
		ck_assert_int_eq((int64_t)registers->rax, cases[i].then);
		ck_assert_uint_eq(registers->rip, SAMPLE_PROGRAM + PAGE - (uint64_t)cases[i].back);
		ck_assert_uint_eq(registers->orig_rax, UINT64_MAX);
		ck_assert_uint_eq(registers->eflags, 0x246);
		ck_assert_uint_eq(source.image.threads[0].image.flags, RF_THREAD_INTERRUPTED);
	}
}
END_TEST

START_TEST(signals_of_threads_are_kept)
{
	core_sample_add_thread(&sample, SAMPLE_PID + 1, false);
	sample.threads[0].pr_sighold = 0x1234;
	sample.threads[1].pr_sigpend = 1u << 9 | 1u << 8; /* SIGUSR1, and SIGKILL of the dump */
	assert_open();
	ck_assert_uint_eq(source.image.threads[0].image.signal_mask, 0x1234);
	ck_assert_uint_eq(source.image.pending_count, 1);
	ck_assert_int_eq(source.image.pending[0].signal, SIGUSR1);
	ck_assert_uint_eq(source.image.pending[0].flags, RF_PENDING_THREAD);
	ck_assert_uint_eq(source.image.pending[0].thread, 1);
}
END_TEST

START_TEST(segments_need_no_alignment)
{
	sample.shift = 0x3f8;
	sample.is_by_gdb = true;
	((unsigned char *)core_sample_at(&sample, SAMPLE_HEAP))[5] = 0x5a;
	assert_open();
	assert_consistent();
	ck_assert_uint_eq(source.segments[0].offset % PAGE, 0x3f8);
	ck_assert_uint_eq(byte_at(SAMPLE_HEAP + 5), 0x5a);
	ck_assert(is_lost("blocked signals"));
}
END_TEST

START_TEST(fault_is_told)
{
	sample.signal.si_signo = SIGSEGV;
	sample.signal.si_code = SEGV_MAPERR;
	assert_open();
	ck_assert(is_lost("will end again"));
	sample.signal.si_code = SI_USER;
	assert_open();
	ck_assert(!is_lost("will end again"));
}
END_TEST

/* -- vector state ----------------------------------------------------------------------------- */

START_TEST(thread_without_xsave_keeps_sse)
{
	sample.fpregs[160] = 0x77; /* xmm0 */
	assert_open();
	ck_assert_uint_eq(source.image.threads[0].image.xsave_bytes, 576);
	ck_assert_uint_eq(source.image.threads[0].xsave[160], 0x77);
	ck_assert_uint_eq(source.image.threads[0].xsave[512], 3);
	ck_assert_uint_eq(source.image.threads[0].image.mxcsr, 0x1f80);
	ck_assert_uint_eq(source.image.threads[0].image.x87_control, 0x37f);
}
END_TEST

/* An XSAVE area whose components are all live. */
static void add_xsave(const struct rf_xsave_layout *layout)
{
	free(sample.xsave);
	sample.xsave = calloc(1, layout->bytes);
	sample.xsave_bytes = layout->bytes;
	memcpy(sample.xsave, sample.fpregs, 464);
	memcpy(sample.xsave + 464, &layout->features, 8);
	memcpy(sample.xsave + 512, &layout->features, 8);
}

START_TEST(described_layout_is_converted)
{
	/* AVX where no processor has it */
	static const uint32_t table[] = { 2, 256, 1024, 0 };
	struct rf_xsave_layout layout = { .features = 7, .bytes = 1280 };

	add_xsave(&layout);
	sample.xsave[1024] = 0x42;
	sample.table = table;
	sample.table_bytes = sizeof(table);
	assert_open();
	ck_assert_uint_eq(source.image.threads[0].image.xsave_bytes, 832);
	ck_assert_uint_eq(source.image.threads[0].xsave[576], 0x42);
	/* without the table nobody can know */
	sample.table = NULL;
	assert_refused(ENOTSUP, "thread 4000");
}
END_TEST

START_TEST(layouts_of_other_machines_are_kept)
{
	struct rf_xsave_layout layout;

	for (int is_packed = 0; is_packed < 2; is_packed++) {
		ck_assert(rf_arch_xsave_known(&layout, 0x2e7, is_packed));
		add_xsave(&layout);
		sample.xsave[layout.offset[5]] = 0x42;
		assert_open();
		ck_assert_uint_eq(source.image.threads[0].image.xsave_bytes, layout.bytes);
		ck_assert_mem_eq(source.image.threads[0].xsave, sample.xsave, layout.bytes);
	}
}
END_TEST

START_TEST(hostile_xsave_is_refused)
{
	struct rf_xsave_layout layout;

	ck_assert(rf_arch_xsave_known(&layout, 7, true));
	add_xsave(&layout);
	sample.xsave[527] = 0x80; /* XCOMP_BV: compacted */
	assert_refused(ENOTSUP, "thread 4000");
	add_xsave(&layout);
	for (size_t bytes = 0; bytes < 576; bytes += 64) {
		sample.xsave_bytes = bytes;
		if (bytes)
			assert_refused(EBADMSG, "thread 4000");
	}
}
END_TEST

/* -- memory that the core does not hold -------------------------------------------------------- */

START_TEST(untouched_memory_is_zero)
{
	struct sample_load stack = sample.loads[3];

	sample.loads[3] = (struct sample_load){ SAMPLE_LIBRARY, 8, 0, PF_R | PF_W, NULL };
	sample.loads[4] = stack;
	sample.load_count = 5;
	assert_open();
	ck_assert_uint_eq(byte_at(SAMPLE_LIBRARY + 5 * PAGE), 0);
}
END_TEST

START_TEST(missing_stack_is_refused)
{
	sample.loads[3].held_pages = 0;
	assert_refused(ENOTSUP, "7ffff0000000-7ffff0004000, the stack");
}
END_TEST

START_TEST(missing_shared_memory_is_refused)
{
	struct sample_load stack = sample.loads[3];

	sample.loads[3] = (struct sample_load){ SAMPLE_LIBRARY, 8, 0, PF_R | PF_W, NULL };
	sample.loads[4] = stack;
	sample.load_count = 5;
	sample.mapped[sample.mapped_count++] = (struct sample_mapped){ SAMPLE_LIBRARY,
								       SAMPLE_LIBRARY + 8 * PAGE, 0,
								       "/dev/zero (deleted)" };
	assert_refused(ENOTSUP, "10000000-10008000 (/dev/zero (deleted)");
}
END_TEST

/* A library of three pages, the last of 100 bytes; the core holds what is said of the first. */
static void add_library(const char *memory_id, const char *file_id, uint64_t held_pages,
			bool has_loads)
{
	struct sample_load stack = sample.loads[sample.load_count - 1];
	unsigned char file[3 * PAGE];

	core_sample_library(file, file_id);
	memset(file + PAGE, 0xc3, PAGE);
	memset(file + 2 * PAGE, 0xda, PAGE);
	write_file(library_path, file, 2 * PAGE + 100);
	sample.load_count--;
	core_sample_library(core_sample_add(&sample, SAMPLE_LIBRARY, 1, held_pages, PF_R)->bytes,
			    memory_id);
	if (has_loads) {
		core_sample_add(&sample, SAMPLE_LIBRARY + PAGE, 1, 0, PF_R | PF_X);
		core_sample_add(&sample, SAMPLE_LIBRARY + 2 * PAGE, 1, 0, PF_R | PF_W);
	}
	sample.loads[sample.load_count++] = stack;
	for (uint64_t i = 0; i < 3; i++)
		sample.mapped[sample.mapped_count++] =
			(struct sample_mapped){ SAMPLE_LIBRARY + i * PAGE,
						SAMPLE_LIBRARY + (i + 1) * PAGE, i * PAGE,
						library_path };
}

static void assert_library(void)
{
	const struct rf_image_mapping *text = mapping_at(SAMPLE_LIBRARY + PAGE);

	assert_consistent();
	ck_assert_uint_eq(text->protection, RF_PROTECTION_READ | RF_PROTECTION_EXECUTE);
	ck_assert_uint_eq(text->kind, RF_MAPPING_CONTENTS);
	ck_assert_uint_eq(text->file_offset, PAGE);
	ck_assert_str_eq(source.image.files[text->file].path, library_path);
	ck_assert_uint_eq(mapping_at(SAMPLE_LIBRARY + 2 * PAGE)->protection,
			  RF_PROTECTION_READ | RF_PROTECTION_WRITE);
	ck_assert_uint_eq(byte_at(SAMPLE_LIBRARY + PAGE), 0xc3);
	ck_assert_uint_eq(byte_at(SAMPLE_LIBRARY + 2 * PAGE - 1), 0xc3);
	ck_assert_uint_eq(byte_at(SAMPLE_LIBRARY + 2 * PAGE + 99), 0xda);
	/* behind the file's end */
	ck_assert_uint_eq(byte_at(SAMPLE_LIBRARY + 2 * PAGE + 100), 0);
	ck_assert_uint_eq(byte_at(SAMPLE_LIBRARY + 3 * PAGE - 1), 0);
}

#define ID_A "aaaaaaaaaaaaaaaaaaaa"
#define ID_B "aaaaaaaaaaaaaaaaaaab"

START_TEST(library_of_equal_build_id_completes_the_core)
{
	add_library(ID_A, ID_A, 1, true);
	assert_open();
	assert_library();
}
END_TEST

START_TEST(gcore_leaves_whole_mappings_out)
{
	add_library(ID_A, ID_A, 1, false);
	sample.is_by_gdb = true;
	sample.shift = 0x3f8;
	assert_open();
	assert_library();
}
END_TEST

START_TEST(library_of_another_build_id_is_refused)
{
	add_library(ID_A, ID_B, 1, true);
	assert_refused(ENOTSUP, "10001000-10002000");
	assert_refused(ENOTSUP, "library.so: the file has another build-id");
	assert_refused_as(open_core(true), ENOTSUP, "another build-id");
}
END_TEST

START_TEST(library_of_other_headers_is_refused)
{
	unsigned char file[3 * PAGE];

	add_library(ID_A, ID_A, 1, true);
	core_sample_library(file, ID_A);
	file[64 + 8] ^= 16; /* an offset in the first program header */
	write_file(library_path, file, 2 * PAGE + 100);
	assert_refused(ENOTSUP, "other program headers");
}
END_TEST

START_TEST(file_without_build_id_is_taken_on_demand)
{
	struct timespec times[2] = { { 0 } };

	add_library(NULL, NULL, 1, true);
	assert_refused(ENOTSUP, "library.so: no build-id");
	/* written after the file; nothing here depends on the clock's grain */
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &times[1]), 0);
	times[0] = times[1] = (struct timespec){ .tv_sec = times[1].tv_sec + 10 };
	ck_assert_int_eq(utimensat(AT_FDCWD, core_path, times, 0), 0);
	ck_assert_msg(open_core(true) == 0, "%s", report.sentence);
	assert_library();
	times[0] = times[1] = (struct timespec){ .tv_sec = times[1].tv_sec - 100 };
	ck_assert_int_eq(utimensat(AT_FDCWD, core_path, times, 0), 0);
	assert_refused_as(open_core(true), ENOTSUP, "changed since the core was written");
}
END_TEST

START_TEST(library_whose_beginning_is_missing_is_refused)
{
	add_library(ID_A, ID_A, 0, true);
	assert_refused(ENOTSUP, "10000000-10001000");
}
END_TEST

START_TEST(file_that_is_gone_is_named)
{
	add_library(ID_A, ID_A, 1, true);
	unlink(library_path);
	assert_refused(ENOTSUP, "No such file");
}
END_TEST

/* -- hostile cores ---------------------------------------------------------------------------- */

START_TEST(foreign_files_are_refused)
{
	const Elf64_Ehdr good = sample.header;

	sample.header.e_type = ET_DYN;
	assert_refused(ENOEXEC, "offset 16: not a core");
	sample.header = good;
	sample.header.e_machine = EM_AARCH64;
	assert_refused(ENOEXEC, "offset 18");
	sample.header = good;
	sample.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_refused(ENOEXEC, "offset");
	sample.header = good;
	sample.header.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_refused(ENOEXEC, "offset");
	sample.header = good;
	sample.header.e_ident[0] = 0;
	assert_refused(ENOEXEC, "offset 0");
	write_file(core_path, "", 0);
	assert_refused_as(open_core(false), ENOEXEC, "offset 0");
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	size_t bytes;
	unsigned char *core;

	add_library(ID_A, ID_A, 1, true);
	core = core_sample_make(&sample, &bytes);
	for (size_t length = 0; length < bytes; length += length < 8192 ? 37 : 1021) {
		write_file(core_path, core, length);
		ck_assert_int_lt(open_core(false), 0);
		ck_assert_str_ne(report.sentence, "");
	}
	write_file(core_path, core, bytes - 1);
	free(core);
	assert_refused_as(open_core(false), EBADMSG, "it is cut off: memory at 7ffff0000000");
}
END_TEST

START_TEST(impossible_memory_is_refused)
{
	const struct sample_load good = sample.loads[2];
	static const uint64_t starts[] = {
		0, 4096, 0x7ffffffff000, 0x800000000000, SAMPLE_HEAP + 1, SAMPLE_PROGRAM
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		sample.loads[2].start = starts[i];
		assert_refused(EBADMSG, "program header 3");
	}
	sample.loads[2] = good;
	sample.loads[2].pages = UINT64_C(1) << 51;
	assert_refused(EBADMSG, "program header 3");
	sample.loads[2].pages = 1; /* of which two are held */
	assert_refused(EBADMSG, "program header 3");
	sample.loads[2] = good;
	/* the kernel's own page is passed over */
	core_sample_add(&sample, 0xffffffffff600000, 1, 1, PF_X);
	assert_open();
	ck_assert_uint_eq(source.image.head.mappings, 4);
}
END_TEST

START_TEST(impossible_lists_of_files_are_refused)
{
	static const struct sample_mapped bad[] = {
		{ SAMPLE_HEAP, SAMPLE_HEAP, 0, "/a" },
		{ SAMPLE_HEAP + 1, SAMPLE_HEAP + PAGE, 0, "/a" },
		{ SAMPLE_HEAP, UINT64_MAX & ~(PAGE - 1), 0, "/a" },
		{ 0, PAGE, 0, "/a" },
		{ SAMPLE_HEAP + PAGE, SAMPLE_HEAP, 0, "/a" },
		{ SAMPLE_HEAP, SAMPLE_HEAP + PAGE, 1, "/a" },
		{ SAMPLE_HEAP, SAMPLE_HEAP + PAGE, INT64_MAX & ~(PAGE - 1), "/a" },
	};

	sample.is_by_gdb = true; /* offsets in bytes */
	sample.mapped_count = 1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sample.mapped[0] = bad[i];
		assert_refused(EBADMSG, "list of mapped files");
	}
	sample.mapped[0] = sample.mapped[1] =
		(struct sample_mapped){ SAMPLE_HEAP, SAMPLE_HEAP + PAGE, 0, "/a" };
	sample.mapped_count = 2; /* twice the same memory */
	assert_refused(EBADMSG, "list of mapped files");
}
END_TEST

START_TEST(registers_of_other_code_are_refused)
{
	sample.threads[0].pr_reg[17] = 0x23; /* 32-bit code */
	assert_refused(EBADMSG, "thread 4000: the registers");
	sample.threads[0].pr_reg[17] = 0x33;
	sample.threads[0].pr_reg[16] = UINT64_C(1) << 63; /* rip */
	assert_refused(EBADMSG, "thread 4000: the registers");
}
END_TEST

START_TEST(core_without_what_it_must_have_is_refused)
{
	sample.auxv_count = 0;
	assert_refused(ENOTSUP, "auxiliary vector");
	core_sample_release(&sample);
	core_sample_init(&sample);
	sample.thread_count = 0;
	assert_refused(EBADMSG, "no thread");
	sample.load_count = 0;
	sample.thread_count = 1;
	assert_refused(EBADMSG, "no memory");
	sample.load_count = 4;
	core_sample_release(&sample);
	core_sample_init(&sample);
	memset(core_sample_at(&sample, SAMPLE_PROGRAM), 0, 4096);
	assert_refused(ENOTSUP, "headers");
}
END_TEST

START_TEST(damaged_cores_are_read_or_refused)
{
	uint32_t random = 4711 + (uint32_t)_i;
	size_t bytes;
	unsigned char *core, *copy;

	add_library(ID_A, ID_A, 1, true);
	core_sample_add_thread(&sample, SAMPLE_PID + 1, true);
	core = core_sample_make(&sample, &bytes);
	copy = malloc(bytes);
	for (int round = 0; round < FUZZ_ROUNDS; round++) {
		memcpy(copy, core, bytes);
		for (int i = 0; i < 3; i++) {
			/* headers and notes, mostly: the rest is memory */
			random = random * 1664525 + 1013904223;
			copy[(random >> 8) % (i < 2 ? 6000 : bytes)] ^=
				(unsigned char)(1u << (random >> 5 & 7));
		}
		write_file(core_path, copy, bytes);
		if (open_core(false) == 0)
			assert_consistent();
		else
			ck_assert_str_ne(report.sentence, "");
	}
	free(core);
	free(copy);
}
END_TEST

/* More program headers than e_phnum can say: the first section header has their number. */
START_TEST(cores_may_have_many_mappings)
{
	enum { COUNT = 70000 };
	size_t bytes, headers_bytes = COUNT * sizeof(Elf64_Phdr);
	unsigned char *core = core_sample_make(&sample, &bytes);
	Elf64_Ehdr *header = (Elf64_Ehdr *)core;
	size_t total = bytes + headers_bytes + sizeof(Elf64_Shdr);
	unsigned char *large = calloc(1, total);
	Elf64_Phdr *headers = (Elf64_Phdr *)(large + bytes);
	const Elf64_Shdr section = { .sh_info = COUNT };

	/* those that there are, the stack at last, and between them untouched pages */
	memcpy(headers, core + sizeof(*header), 4 * sizeof(*headers));
	for (size_t i = 4; i < COUNT - 1; i++)
		headers[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
					   .p_flags = i % 2 ? PF_R : PF_R | PF_W,
					   .p_vaddr = SAMPLE_LIBRARY + i * PAGE,
					   .p_memsz = PAGE };
	memcpy(&headers[COUNT - 1], core + sizeof(*header) + 4 * sizeof(*headers),
	       sizeof(*headers));
	header->e_phoff = bytes;
	header->e_phnum = PN_XNUM;
	header->e_shoff = bytes + headers_bytes;
	header->e_shentsize = sizeof(section);
	header->e_shnum = 1;
	memcpy(large, core, bytes);
	memcpy(large + bytes + headers_bytes, &section, sizeof(section));
	write_file(core_path, large, total);
	free(core);
	free(large);
	ck_assert_msg(open_core(false) == 0, "%s", report.sentence);
	ck_assert_uint_eq(source.image.head.mappings, COUNT - 1);
	assert_consistent();
}
END_TEST

static TCase *make_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_unchecked_fixture(tcase, make_folder, remove_folder);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("core_reader");
	SRunner *runner = srunner_create(suite);
	TCase *tcase = make_case(suite, "core_reader");
	int failed;

	tcase_add_test(tcase, process_is_found_in_its_memory);
	tcase_add_test(tcase, thread_is_proven_by_its_memory);
	tcase_add_test(tcase, main_thread_comes_first);
	tcase_add_test(tcase, system_calls_are_made_again);
	tcase_add_test(tcase, signals_of_threads_are_kept);
	tcase_add_test(tcase, segments_need_no_alignment);
	tcase_add_test(tcase, fault_is_told);
	tcase_add_test(tcase, thread_without_xsave_keeps_sse);
	tcase_add_test(tcase, described_layout_is_converted);
	tcase_add_test(tcase, layouts_of_other_machines_are_kept);
	tcase_add_test(tcase, hostile_xsave_is_refused);
	tcase_add_test(tcase, untouched_memory_is_zero);
	tcase_add_test(tcase, missing_stack_is_refused);
	tcase_add_test(tcase, missing_shared_memory_is_refused);
	tcase_add_test(tcase, library_of_equal_build_id_completes_the_core);
	tcase_add_test(tcase, gcore_leaves_whole_mappings_out);
	tcase_add_test(tcase, library_of_another_build_id_is_refused);
	tcase_add_test(tcase, library_of_other_headers_is_refused);
	tcase_add_test(tcase, file_without_build_id_is_taken_on_demand);
	tcase_add_test(tcase, library_whose_beginning_is_missing_is_refused);
	tcase_add_test(tcase, file_that_is_gone_is_named);
	tcase_add_test(tcase, foreign_files_are_refused);
	tcase_add_test(tcase, every_truncation_is_refused);
	tcase_add_test(tcase, impossible_memory_is_refused);
	tcase_add_test(tcase, impossible_lists_of_files_are_refused);
	tcase_add_test(tcase, registers_of_other_code_are_refused);
	tcase_add_test(tcase, core_without_what_it_must_have_is_refused);
	tcase_add_loop_test(tcase, damaged_cores_are_read_or_refused, 0, 2);
	tcase_add_test(tcase, cores_may_have_many_mappings);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
