/* SPDX-License-Identifier: MIT */
/*
 * Backtraces from an image alone (tools/unwinder.c, objects.c, symbols*.c): of a child of ours that
 * is stopped, whose memory is read through /proc, or a copy of it that is spoiled.
 */
#define _GNU_SOURCE
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/file_identity.h"
#include "rfork/machine_facts.h"
#include "rfork/maps.h"
#include "tools/symbols.h"
#include "tools/unwinder.h"

#define MAX_MAPS 512u
#define MAX_COPY_BYTES (64ul << 20)
#define ROUNDS 300u

static struct rf_source source;
static struct rf_image_memory memory;
static struct rf_objects objects;
static struct rf_unwinder *unwinder;
static struct rf_frame frames[RF_UNWINDER_MAX_FRAMES];
static unsigned frame_count;
static pid_t child;

/* -- the child -------------------------------------------------------------------------------- */

/* Calls that are no tail calls: what they return is changed. */
static __attribute__((noinline)) int stop_here(int number)
{
	raise(SIGSTOP);
	return number + 1;
}

static __attribute__((noinline)) int middle_function(int number)
{
	return stop_here(number) * 2;
}

static __attribute__((noinline)) int outer_function(int number)
{
	return middle_function(number) * 3;
}

static void handle_signal(int number)
{
	volatile int result = outer_function(number);

	(void)result;
}

static __attribute__((noinline)) void interrupted_function(void)
{
	__builtin_trap(); /* SIGILL */
}

static void run_child(bool by_signal)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	signal(SIGILL, handle_signal);
	if (by_signal)
		interrupted_function();
	_exit(outer_function(1));
}

/* -- its image -------------------------------------------------------------------------------- */

static void add_mapping(const struct rf_map *map, int fd)
{
	struct rf_image *image = &source.image;
	struct rf_image_mapping *mapping = &image->mappings[image->head.mappings++];
	struct stat status;

	*mapping = (struct rf_image_mapping){
		.start = map->start,
		.end = map->end,
		.protection = map->protection,
		.file = RF_IMAGE_NONE,
	};
	if (map->kind == RF_MAP_FILE && stat(map->path, &status) == 0) {
		mapping->kind = RF_MAPPING_CONTENTS;
		mapping->file = image->files_read++;
		mapping->file_offset = map->file_offset;
		image->files[mapping->file].image = rf_file_identity(&status);
		image->files[mapping->file].path = strdup(map->path);
	}
	source.segments[source.segment_count++] = (struct rf_segment){
		.address = map->start,
		.bytes = map->end - map->start,
		.offset = map->start,
		.fd = fd,
	};
}

static void take_mappings(int fd)
{
	static char text[1u << 18];
	static struct rf_map entries[MAX_MAPS];
	struct rf_maps maps;
	long bytes = rf_maps_read_text_of(child, text, sizeof(text));

	ck_assert_int_gt(bytes, 0);
	ck_assert_int_eq(rf_maps_parse(&maps, text, (size_t)bytes, entries, MAX_MAPS), 0);
	source.image.mappings = calloc(maps.count, sizeof(*source.image.mappings));
	source.image.files = calloc(maps.count, sizeof(*source.image.files));
	source.segments = calloc(maps.count, sizeof(*source.segments));
	for (size_t i = 0; i < maps.count; i++) {
		const struct rf_map *map = &maps.entries[i];

		if (map->kind == RF_MAP_VDSO) {
			source.image.vdso.areas = 1;
			source.image.vdso.digest = source.facts.vdso_digest;
			source.image.vdso_areas[0] = (struct rf_image_vdso_area){ map->start,
										  map->end,
										  RF_VDSO_CODE, 0 };
		} else if (map->kind != RF_MAP_VVAR && map->kind != RF_MAP_KERNEL) {
			add_mapping(map, fd);
		}
	}
	source.image.head.files = source.image.files_read;
}

static void stop_child(bool by_signal)
{
	int signal_number = 0, status;

	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		run_child(by_signal);
	while (signal_number != SIGSTOP) {
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSTOPPED(status));
		signal_number = WSTOPSIG(status);
		if (signal_number != SIGSTOP)
			ck_assert_int_eq(ptrace(PTRACE_CONT, child, NULL, signal_number), 0);
	}
}

static void take_image(bool by_signal)
{
	struct iovec registers;
	char path[64];
	int fd;

	stop_child(by_signal);
	rf_source_init(&source);
	ck_assert_int_eq(rf_machine_facts_collect(&source.facts), 0);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)child);
	source.path = strdup(path);
	fd = rf_source_own(&source, open(path, O_RDONLY | O_CLOEXEC));
	ck_assert_int_ge(fd, 0);
	take_mappings(fd);
	source.image.threads = calloc(1, sizeof(*source.image.threads));
	source.image.head.threads = source.image.threads_read = 1;
	registers = (struct iovec){ &source.image.threads[0].image.registers,
				    sizeof(struct rf_image_registers) };
	ck_assert_int_eq(ptrace(PTRACE_GETREGSET, child, (void *)NT_PRSTATUS, &registers), 0);
}

static void begin(void)
{
	ck_assert_int_eq(rf_image_memory_init(&memory, &source), 0);
	ck_assert_int_eq(rf_objects_find(&objects, &memory), 0);
	unwinder = rf_unwinder_new(&objects);
	ck_assert_ptr_nonnull(unwinder);
}

static void end(void)
{
	rf_unwinder_free(unwinder);
	rf_objects_release(&objects);
	rf_image_memory_release(&memory);
}

static void walk(void)
{
	frame_count = rf_unwinder_walk(unwinder, &source.image.threads[0].image, frames);
	ck_assert_uint_ge(frame_count, 1);
	ck_assert_uint_le(frame_count, RF_UNWINDER_MAX_FRAMES);
}

static void set_up(void)
{
	take_image(false);
	begin();
}

static void tear_down(void)
{
	end();
	rf_source_close(&source);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Name of a frame's function; "?" if unknown. */
static const char *function_of(const struct rf_frame *frame)
{
	uint64_t address = frame->address - (frame->is_exact ? 0 : 1);
	struct rf_object *object = rf_objects_at(&objects, address);
	const char *name;

	if (!object)
		return "?";
	if (!object->symbols)
		object->symbols = rf_symbols_load(&objects, object);
	ck_assert_ptr_nonnull(object->symbols);
	name = rf_symbols_find(object->symbols, address, &address);
	return name ? name : "?";
}

/* Index of the first frame of a function, from `from` on; frame_count if there is none. */
static unsigned find_frame(const char *function, unsigned from)
{
	while (from < frame_count && strcmp(function_of(&frames[from]), function) != 0)
		from++;
	return from;
}

static void expect_chain(unsigned from)
{
	unsigned stopped = find_frame("stop_here", from);

	ck_assert_uint_lt(stopped, frame_count);
	ck_assert_uint_eq(find_frame("middle_function", from), stopped + 1);
	ck_assert_uint_eq(find_frame("outer_function", from), stopped + 2);
}

/* Gives the image the auxiliary vector, which tells how the program was started. */
static void set_program(void)
{
	char path[64];
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)child);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	bytes = read(fd, source.image.auxv, sizeof(source.image.auxv));
	ck_assert_int_gt(bytes, 0);
	source.image.process.auxv_bytes = (uint32_t)bytes;
	ck_assert_ptr_nonnull(getcwd(source.image.cwd, sizeof(source.image.cwd)));
	close(fd);
}

static void name_files(const char *path)
{
	for (uint32_t i = 0; i < source.image.head.files; i++) {
		free(source.image.files[i].path);
		source.image.files[i].path = strdup(path);
	}
}

/* -- claims ----------------------------------------------------------------------------------- */

START_TEST(every_call_is_a_frame)
{
	walk();
	expect_chain(0);
	ck_assert_uint_lt(find_frame("main", 0), frame_count);
	/* the outermost function says that it is */
	ck_assert_str_eq(function_of(&frames[frame_count - 1]), "_start");
	ck_assert_str_eq(rf_objects_at(&objects, frames[frame_count - 1].address)->name,
			 rf_objects_at(&objects, (uint64_t)(uintptr_t)stop_here)->name);
	for (unsigned i = 1; i < frame_count; i++)
		ck_assert_uint_gt(frames[i].stack, frames[i - 1].stack);
}
END_TEST

START_TEST(signal_frames_are_passed)
{
	unsigned interrupted;

	tear_down();
	take_image(true);
	begin();
	walk();
	expect_chain(0);
	interrupted = find_frame("interrupted_function", 0);
	ck_assert_uint_lt(interrupted, frame_count);
	ck_assert_uint_lt(find_frame("handle_signal", 0), interrupted);
	/* what a signal interrupts is an instruction, the others are behind a call */
	ck_assert(frames[interrupted].is_exact);
	ck_assert(frames[interrupted - 1].is_signal);
	ck_assert(!frames[interrupted + 1].is_exact);
	ck_assert_str_eq(function_of(&frames[frame_count - 1]), "_start");
}
END_TEST

START_TEST(images_alone_have_the_same_frames)
{
	struct rf_frame before[RF_UNWINDER_MAX_FRAMES];
	unsigned count;

	walk();
	memcpy(before, frames, sizeof(before));
	count = frame_count;
	end();
	name_files("/nowhere/at/all");
	begin();
	walk();
	ck_assert_uint_eq(frame_count, count);
	ck_assert_mem_eq(frames, before, count * sizeof(before[0]));
	/* what libraries export has its name, the rest has not */
	ck_assert_uint_lt(find_frame("raise", 0), frame_count);
	ck_assert_uint_eq(find_frame("stop_here", 0), frame_count);
}
END_TEST

START_TEST(files_with_another_build_id_are_not_believed)
{
	char path[] = "/proc/self/exe";

	end();
	/* the test program is the same for all of them, and none of the libraries */
	name_files(path);
	begin();
	walk();
	ck_assert_uint_lt(find_frame("raise", 0), frame_count);
	expect_chain(0);
}
END_TEST

/* As of a program that was restarted, whose mappings are those of another file. */
START_TEST(names_come_from_the_dynamic_linker_too)
{
	end();
	name_files("/nowhere/at/all");
	for (uint32_t i = 0; i < source.image.head.mappings; i++)
		source.image.mappings[i].file_offset += 4096;
	begin();
	walk();
	/* the program itself by what it was started by, which the image does not have here */
	ck_assert_ptr_nonnull(strstr(rf_objects_name(&objects, frames[0].address), "/libc.so"));
	ck_assert_str_eq(function_of(&frames[frame_count - 1]), "?");
	end();
	set_program();
	begin();
	walk();
	expect_chain(0);
}
END_TEST

/* As if the thread had just entered a function of the vdso. */
START_TEST(vdso_is_an_object_like_others)
{
	struct rf_image_registers *registers = &source.image.threads[0].image.registers;
	struct rf_object *vdso = NULL;
	uint64_t return_address, stack;

	if (!source.facts.vdso_digest)
		return;
	for (size_t i = 0; i < objects.count; i++)
		if (strcmp(objects.entries[i].name, "[vdso]") == 0)
			vdso = &objects.entries[i];
	ck_assert_ptr_nonnull(vdso);
	vdso->symbols = rf_symbols_load(&objects, vdso);
	ck_assert_uint_gt(vdso->symbols->count, 0);
	walk();
	return_address = frames[1].address;
	stack = frames[1].stack;
	registers->rip = vdso->symbols->entries[0].address;
	registers->rsp = stack - 8;
	walk();
	ck_assert_str_eq(rf_objects_name(&objects, frames[0].address), "[vdso]");
	ck_assert_ptr_nonnull(strstr(function_of(&frames[0]), "vdso"));
	ck_assert_uint_eq(frames[1].address, return_address);
	expect_chain(1);
}
END_TEST

/* An object of one page in place of the child's stack, with two functions whose call frame
 * information says what the test wants.  Offsets in it: */
enum { HEADER = 0x200, CIE = 0x300, FDE = 0x340, STACK = 0x600, CODE = 0x800, FUNCTION = 0x100 };

struct fde {
	uint32_t length, cie;
	int32_t start;
	uint32_t bytes;
	uint8_t augmentation_bytes, instructions[15];
};

static void put_fde(unsigned char *page, unsigned index, const char *instructions, size_t bytes)
{
	const int32_t at = FDE + (int32_t)(index * sizeof(struct fde));
	const int32_t function = CODE + (int32_t)index * FUNCTION;
	const int32_t entry[2] = { function - HEADER, at - HEADER };
	struct fde fde = {
		.length = sizeof(fde) - 4,
		.cie = (uint32_t)(at + 4 - CIE),
		.start = function - (at + 8),
		.bytes = FUNCTION,
	};

	memcpy(fde.instructions, instructions, bytes);
	memcpy(page + at, &fde, sizeof(fde));
	memcpy(page + HEADER + 12 + index * sizeof(entry), entry, sizeof(entry));
}

static void make_page(unsigned char *page)
{
	const Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
		.e_type = ET_DYN,
		.e_phoff = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	const Elf64_Phdr segments[] = {
		{ .p_type = PT_LOAD, .p_memsz = 4096 },
		{ .p_type = PT_GNU_EH_FRAME, .p_vaddr = HEADER },
	};
	/* version; encodings; two entries */
	const unsigned char table[] = { 1, 0x1b, 3, 0x3b, 0, 0, 0, 0, 2, 0, 0, 0 };
	/* length, id, version 1, "zR", alignments, return address in 16, encoding; CFA = rsp + 8,
	 * return address at CFA - 8 */
	const unsigned char cie[] = { 20, 0,	0,  0, 0,    0,	   0, 0, 1,    'z', 'R', 0,
				      1,  0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,   0,	 0 };

	memcpy(page, &header, sizeof(header));
	memcpy(page + sizeof(header), segments, sizeof(segments));
	memcpy(page + HEADER, table, sizeof(table));
	memcpy(page + CIE, cie, sizeof(cie));
}

/* Puts the thread into the first function of such a page. */
static void enter_page(const unsigned char *page)
{
	struct rf_image_registers *registers = &source.image.threads[0].image.registers;
	struct rf_segment *segment = &source.segments[rf_source_find(&source, registers->rsp)];
	int fd = rf_source_own(&source, memfd_create("page", MFD_CLOEXEC));

	ck_assert_int_eq(pwrite(fd, page, 4096, 0), 4096);
	segment->fd = fd;
	segment->offset = 0;
	registers->rsp = segment->address + STACK;
	registers->rip = segment->address + CODE + 16;
}

static uint64_t page_address(void)
{
	uint64_t stack = source.image.threads[0].image.registers.rsp;

	return source.segments[rf_source_find(&source, stack)].address;
}

START_TEST(loops_end)
{
	static unsigned char page[4096];
	uint64_t addresses[2];

	/* each function returns into the other, with the stack where it was */
	make_page(page);
	put_fde(page, 0, "\x0c\x07\x00\x90\x00", 5);	 /* CFA = rsp, return address there */
	put_fde(page, 1, "\x0c\x07\x00\x11\x10\x7f", 6); /* the same, 8 bytes above */
	addresses[0] = page_address() + CODE + FUNCTION + 16;
	addresses[1] = page_address() + CODE + 16;
	memcpy(page + STACK, addresses, sizeof(addresses));
	end();
	enter_page(page);
	begin();
	walk();
	ck_assert_uint_eq(frame_count, 2);
	ck_assert_uint_eq(frames[1].address, addresses[0]);
}
END_TEST

START_TEST(endless_expressions_end)
{
	static unsigned char page[4096];

	make_page(page);
	put_fde(page, 0, "\x0f\x03\x2f\xfd\xff", 5); /* CFA: skip back over itself */
	put_fde(page, 1, "", 0);
	end();
	enter_page(page);
	begin();
	walk();
	ck_assert_uint_eq(frame_count, 1);
}
END_TEST

/* -- hostile images --------------------------------------------------------------------------- */

/* Copies all memory of the child, so that it can be spoiled. */
static unsigned char *copy_memory(size_t *bytes)
{
	int fd = rf_source_own(&source, memfd_create("memory", MFD_CLOEXEC));
	unsigned char *copy = mmap(NULL, MAX_COPY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_int_eq(ftruncate(fd, MAX_COPY_BYTES), 0);
	ck_assert_ptr_ne(copy, MAP_FAILED);
	*bytes = 0;
	for (size_t i = 0; i < source.segment_count; i++) {
		struct rf_segment *segment = &source.segments[i];
		ssize_t got;

		if (segment->bytes > MAX_COPY_BYTES - *bytes) {
			segment->kind = RF_SEGMENT_ZERO; /* a sanitizer's own memory */
			continue;
		}
		got = pread(segment->fd, copy + *bytes, segment->bytes, (off_t)segment->offset);
		segment->fd = fd;
		segment->offset = *bytes;
		*bytes += got > 0 ? segment->bytes : 0;
	}
	return copy;
}

/* Where memory of the child is in the copy. */
static size_t place_of(uint64_t address)
{
	size_t index = rf_source_find(&source, address);

	if (index == source.segment_count || source.segments[index].address > address)
		return 0;
	return source.segments[index].offset + (address - source.segments[index].address);
}

static uint64_t random_state = 1;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

/* Where spoiling tells: headers, tables, the stack. */
static size_t choose_place(void)
{
	const struct rf_object *object = &objects.entries[next_random() % objects.count];
	const uint64_t places[] = {
		object->start + next_random() % 1024,
		object->frame_header + next_random() % 64,
		object->frame_header + next_random() % 65536,
		object->dynamic + next_random() % 512,
		source.image.threads[0].image.registers.rsp + next_random() % 2048,
	};

	return place_of(places[next_random() % 5]);
}

/* As static programs are: .eh_frame without a table to search in. */
static void hide_tables(unsigned char *copy)
{
	for (size_t i = 0; i < objects.count; i++) {
		const unsigned char *start = copy + place_of(objects.entries[i].start);
		Elf64_Ehdr header;
		Elf64_Phdr *segments;

		if (objects.entries[i].mapping == SIZE_MAX)
			continue; /* the vdso */
		memcpy(&header, start, sizeof(header));
		segments = (Elf64_Phdr *)(start + header.e_phoff);
		for (unsigned j = 0; j < header.e_phnum; j++)
			if (segments[j].p_type == PT_GNU_EH_FRAME)
				segments[j].p_type = PT_NULL;
	}
}

START_TEST(search_tables_are_made_where_there_are_none)
{
	struct rf_frame before[RF_UNWINDER_MAX_FRAMES];
	size_t bytes;
	unsigned char *copy = copy_memory(&bytes);
	unsigned count;

	walk();
	memcpy(before, frames, sizeof(before));
	count = frame_count;
	ck_assert_uint_gt(count, 5);
	hide_tables(copy);
	end();
	begin();
	ck_assert_uint_eq(rf_objects_at(&objects, before[0].address)->frame_header, 0);
	walk();
	ck_assert_uint_eq(frame_count, count);
	ck_assert_mem_eq(frames, before, count * sizeof(before[0]));
	munmap(copy, MAX_COPY_BYTES);
}
END_TEST

START_TEST(hostile_memory_harms_nobody)
{
	size_t bytes;
	unsigned char *copy = copy_memory(&bytes);
	unsigned char *good = malloc(bytes);

	name_files("/nowhere/at/all"); /* only what the image says */
	if (_i)
		hide_tables(copy);
	memcpy(good, copy, bytes);
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t places[64];
		unsigned count = 1 + next_random() % 64;

		for (unsigned i = 0; i < count; i++) {
			places[i] = choose_place();
			copy[places[i]] = (unsigned char)next_random();
		}
		end();
		begin();
		walk();
		for (unsigned i = 0; i < frame_count; i++)
			function_of(&frames[i]);
		for (unsigned i = 0; i < count; i++)
			copy[places[i]] = good[places[i]];
		end();
		begin();
	}
	/* nothing of it has stayed */
	walk();
	ck_assert_uint_gt(frame_count, 5);
	free(good);
	munmap(copy, MAX_COPY_BYTES);
}
END_TEST

/* -- symbols ---------------------------------------------------------------------------------- */

static void add_symbol(struct rf_symbols *symbols, uint64_t address, uint64_t bytes, int bind,
		       int type, const char *name)
{
	const Elf64_Sym symbol = {
		.st_info = ELF64_ST_INFO(bind, type),
		.st_shndx = 1,
		.st_value = address,
		.st_size = bytes,
	};

	ck_assert_int_eq(rf_symbols_add(symbols, &symbol, 0x1000, name), 0);
}

START_TEST(functions_end_where_they_say)
{
	struct rf_symbols *symbols = calloc(1, sizeof(*symbols));
	uint64_t offset;

	add_symbol(symbols, 0x100, 0x10, STB_GLOBAL, STT_FUNC, "first@@VERSION_1");
	add_symbol(symbols, 0x108, 0, STB_LOCAL, STT_NOTYPE, "label");
	add_symbol(symbols, 0x120, 0, STB_LOCAL, STT_NOTYPE, "assembly");
	add_symbol(symbols, 0x140, 8, STB_LOCAL, STT_OBJECT, "data");
	ck_assert_uint_eq(symbols->count, 3);
	ck_assert_ptr_null(rf_symbols_find(symbols, 0x10ff, &offset));
	ck_assert_str_eq(rf_symbols_find(symbols, 0x110c, &offset), "first");
	ck_assert_uint_eq(offset, 12);
	ck_assert_str_eq(rf_symbols_find(symbols, 0x1150, &offset), "assembly");
	ck_assert_uint_eq(offset, 0x30);
	rf_symbols_free(symbols);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backtrace");
	TCase *child_case = tcase_create("child");
	TCase *symbols = tcase_create("symbols");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(child_case, set_up, tear_down);
	tcase_add_test(child_case, every_call_is_a_frame);
	tcase_add_test(child_case, signal_frames_are_passed);
	tcase_add_test(child_case, images_alone_have_the_same_frames);
	tcase_add_test(child_case, files_with_another_build_id_are_not_believed);
	tcase_add_test(child_case, names_come_from_the_dynamic_linker_too);
	tcase_add_test(child_case, vdso_is_an_object_like_others);
	tcase_add_test(child_case, loops_end);
	tcase_add_test(child_case, endless_expressions_end);
	tcase_add_test(child_case, search_tables_are_made_where_there_are_none);
	tcase_add_loop_test(child_case, hostile_memory_harms_nobody, 0, 2);
	tcase_set_timeout(child_case, 20);
	suite_add_tcase(suite, child_case);
	tcase_add_test(symbols, functions_end_where_they_say);
	suite_add_tcase(suite, symbols);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
