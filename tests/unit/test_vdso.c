/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/vdso_symbols.c, vdso_redirect.c, vdso_mark.c and x86_64/vdso.c: copies of
 * this machine's vdso lead to it from another place, and are called; damaged ones are refused, or
 * at least harm nobody.
 */
#define _GNU_SOURCE
#include "rfork/vdso_redirect.h"

#include <check.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/digest.h"
#include "rfork/maps.h"
#include "rfork/vdso.h"
#include "rfork/vdso_mark.h"
#include "rfork/vdso_symbols.h"

#define PAGE 4096u
#define NS_PER_S INT64_C(1000000000)
#define FUZZ_ROUNDS 3000
#define MAX_BYTES (16u * PAGE)

static const unsigned char *real; /* this process's vdso */
static size_t bytes;
static unsigned char *old;  /* what an image says */
static unsigned char *copy; /* at its place, behind it a page that cannot be read */
static struct rf_vdso_target target;
static struct rf_report report;

static void set_up(void)
{
	static unsigned char buffer[1 << 20];
	struct rf_vdso vdso;
	struct rf_maps maps;

	ck_assert_int_eq(rf_maps_read(&maps, buffer, sizeof(buffer)), 0);
	ck_assert_int_eq(rf_vdso_find(&vdso, &maps), 0);
	bytes = (size_t)vdso.code_pages * PAGE;
	ck_assert_uint_le(bytes, MAX_BYTES);
	real = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
	old = malloc(bytes);
	copy = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(copy, MAP_FAILED);
	ck_assert_int_eq(mprotect(copy + bytes, PAGE, PROT_NONE), 0);
	memcpy(old, real, bytes);
	target = (struct rf_vdso_target){ real, bytes, (uintptr_t)real };
	memset(&report, 0, sizeof(report));
}

static void tear_down(void)
{
	munmap(copy, bytes + PAGE);
	free(old);
}

static int redirect(void)
{
	ck_assert_int_eq(mprotect(copy, bytes, PROT_READ | PROT_WRITE), 0);
	memcpy(copy, old, bytes);
	return rf_vdso_redirect(copy, old, bytes, &target, &report);
}

static void redirect_and_run(void)
{
	ck_assert_msg(redirect() == 0, "%s", report.sentence);
	ck_assert_int_eq(mprotect(copy, bytes, PROT_READ | PROT_EXEC), 0);
}

/* The symbol of that name in `old`. */
static Elf64_Sym *find_symbol(unsigned char *code, const char *name)
{
	struct rf_vdso_symbols symbols;
	struct rf_vdso_function function;

	ck_assert_int_eq(rf_vdso_symbols_open(&symbols, code, bytes), 0);
	for (uint32_t i = 0; i < symbols.count; i++)
		if (rf_vdso_symbols_function(&symbols, i, &function) &&
		    strcmp(function.name, name) == 0)
			return (Elf64_Sym *)(code + symbols.table) + i;
	ck_abort_msg("no function %s", name);
}

static bool has_function(const char *name)
{
	void *object = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	void *function = dlsym(object, name);

	dlclose(object);
	return function;
}

static void *find_function(const char *name)
{
	return copy + find_symbol(old, name)->st_value;
}

/* -- what the functions do ------------------------------------------------------------------ */

static int64_t ns_of(struct timespec time)
{
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

static int64_t ask_kernel(void)
{
	struct timespec time;

	ck_assert_int_eq(syscall(SYS_clock_gettime, CLOCK_REALTIME, &time), 0);
	return ns_of(time);
}

static void assert_clocks(void)
{
	int (*gettime)(clockid_t, struct timespec *) = find_function("__vdso_clock_gettime");
	int (*alias)(clockid_t, struct timespec *) = find_function("clock_gettime");
	int (*getday)(struct timeval *, void *) = find_function("__vdso_gettimeofday");
	time_t (*gettime_s)(time_t *) = find_function("__vdso_time");
	int64_t low_ns = ask_kernel(), first_ns;
	struct timespec first, second;
	struct timeval day;
	time_t seconds;

	ck_assert_ptr_eq((void *)gettime, (void *)alias);
	ck_assert_int_eq(gettime(CLOCK_REALTIME, &first), 0);
	do
		ck_assert_int_eq(gettime(CLOCK_REALTIME, &second), 0);
	while (ns_of(second) == ns_of(first));
	first_ns = ns_of(first);
	ck_assert_int_le(low_ns, first_ns);
	ck_assert_int_lt(first_ns, ns_of(second));
	ck_assert_int_eq(getday(&day, NULL), 0);
	ck_assert_int_ge(day.tv_sec, second.tv_sec);
	ck_assert_int_le(ns_of(second), ask_kernel());
	ck_assert_int_le(day.tv_sec * NS_PER_S + day.tv_usec * 1000, ask_kernel());
	ck_assert_int_eq(gettime_s(&seconds), seconds);
	/* its clock is the coarse one */
	ck_assert_int_ge(seconds, low_ns / NS_PER_S - 1);
	ck_assert_int_le(seconds, ask_kernel() / NS_PER_S);
}

static void assert_cpu(void)
{
	int (*getcpu)(unsigned *, unsigned *, void *) = find_function("__vdso_getcpu");
	unsigned cpu, kernel_cpu, tries = 0;

	do {
		ck_assert_int_eq(syscall(SYS_getcpu, &kernel_cpu, NULL, NULL), 0);
		ck_assert_int_eq(getcpu(&cpu, NULL, NULL), 0);
		ck_assert_uint_lt(tries++, 1000);
	} while (cpu != kernel_cpu);
}

static void assert_all(void)
{
	assert_clocks();
	assert_cpu();
}

START_TEST(symbols_are_those_of_the_loader)
{
	void *object = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	struct rf_vdso_symbols symbols;
	struct rf_vdso_function function;
	unsigned count = 0;

	ck_assert_ptr_nonnull(object);
	ck_assert_int_eq(rf_vdso_symbols_open(&symbols, real, bytes), 0);
	for (uint32_t i = 0; i < symbols.count; i++) {
		if (!rf_vdso_symbols_function(&symbols, i, &function))
			continue;
		ck_assert_ptr_eq(dlsym(object, function.name), (void *)(real + function.offset));
		count++;
	}
	ck_assert_uint_ge(count, 8);
	dlclose(object);
}
END_TEST

START_TEST(copy_leads_to_the_real_one)
{
	redirect_and_run();
	assert_all();
}
END_TEST

START_TEST(copy_stays_an_elf_object)
{
	struct rf_vdso_symbols symbols;

	ck_assert_int_eq(redirect(), 0);
	ck_assert_int_eq(rf_vdso_symbols_open(&symbols, copy, bytes), 0);
	for (uint32_t i = 0; i < symbols.count; i++) {
		struct rf_vdso_function before, now;
		bool is_function = rf_vdso_symbols_function(&symbols, i, &now);

		symbols.code = old;
		ck_assert(is_function == rf_vdso_symbols_function(&symbols, i, &before));
		symbols.code = copy;
		if (is_function) {
			ck_assert_str_eq(now.name, before.name);
			ck_assert_uint_eq(now.offset, before.offset);
		}
	}
}
END_TEST

START_TEST(without_a_vdso_there_are_system_calls)
{
	ssize_t (*getrandom)(void *, size_t, unsigned, void *, size_t);
	unsigned char random[64] = { 0 };

	target = (struct rf_vdso_target){ 0 };
	redirect_and_run();
	assert_all();
	if (!has_function("__vdso_getrandom"))
		return;
	getrandom = find_function("__vdso_getrandom");
	ck_assert_int_eq(getrandom(random, sizeof(random), 0, NULL, 0), sizeof(random));
	ck_assert_int_ne(random[0] | random[20] | random[40] | random[60], 0);
	/* how large a state is, only a vdso knows */
	ck_assert_int_eq(getrandom(NULL, 0, 0, random, ~(size_t)0), -ENOSYS);
}
END_TEST

START_TEST(function_that_is_lacking_becomes_a_call)
{
	unsigned char *other = malloc(bytes);
	struct rf_vdso_symbols symbols;

	memcpy(other, real, bytes);
	ck_assert_int_eq(rf_vdso_symbols_open(&symbols, other, bytes), 0);
	find_symbol(other, "__vdso_getcpu")->st_info = STT_OBJECT;
	find_symbol(other, "getcpu")->st_info = STT_OBJECT;
	target.code = other;
	redirect_and_run();
	assert_all();
	free(other);
}
END_TEST

START_TEST(function_without_a_call_fails)
{
	int (*unknown)(void);
	Elf64_Sym *first = find_symbol(old, "__vdso_getcpu"), *second = find_symbol(old, "getcpu");
	struct rf_vdso_symbols symbols;

	ck_assert_int_eq(rf_vdso_symbols_open(&symbols, old, bytes), 0);
	first->st_name++; /* _vdso_getcpu */
	second->st_name++;
	redirect_and_run();
	unknown = (int (*)(void))(copy + first->st_value);
	ck_assert_int_eq(unknown(), -ENOSYS);
	assert_clocks();
}
END_TEST

START_TEST(short_function_jumps_twice)
{
	unsigned char *code = copy + find_symbol(old, "__vdso_getcpu")->st_value;

	find_symbol(old, "__vdso_getcpu")->st_size = 9; /* with an endbr64 */
	redirect_and_run();
	ck_assert_uint_eq(code[rf_arch_vdso_landing(code, 4)], 0xe9);
	assert_all();
}
END_TEST

START_TEST(function_without_room_is_named)
{
	find_symbol(old, "__vdso_getcpu")->st_size = 4;
	ck_assert_int_eq(redirect(), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(report.sentence, "getcpu"));
}
END_TEST

START_TEST(vdso_without_padding_has_no_second_jumps)
{
	find_symbol(old, "__vdso_getcpu")->st_size = 9;
	old[bytes - 1] = 1;
	ck_assert_int_eq(redirect(), -ENOEXEC);
}
END_TEST

/* endbr64; nop...; ret */
START_TEST(landing_of_branches_stays)
{
	static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	uint64_t offset = find_symbol(old, "__vdso_getcpu")->st_value;

	memcpy(old + offset, landing, sizeof(landing));
	redirect_and_run();
	ck_assert_mem_eq(copy + offset, landing, sizeof(landing));
	ck_assert_mem_ne(copy + offset, old + offset, 20);
	assert_all();
}
END_TEST

static Elf64_Dyn *find_dynamic(int64_t tag)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)old;
	const Elf64_Phdr *segments = (const Elf64_Phdr *)(old + header->e_phoff);

	for (unsigned i = 0; i < header->e_phnum; i++) {
		Elf64_Dyn *entry = (Elf64_Dyn *)(old + segments[i].p_offset);

		while (segments[i].p_type == PT_DYNAMIC && entry->d_tag != DT_NULL)
			if (entry++->d_tag == tag)
				return entry - 1;
	}
	return NULL;
}

START_TEST(either_hash_table_will_do)
{
	const int64_t tags[] = { DT_HASH, DT_GNU_HASH };
	struct rf_vdso_symbols all, some;

	if (!find_dynamic(DT_HASH) || !find_dynamic(DT_GNU_HASH))
		return;
	ck_assert_int_eq(rf_vdso_symbols_open(&all, old, bytes), 0);
	for (unsigned i = 0; i < 2; i++) {
		Elf64_Dyn *entry = find_dynamic(tags[i]);

		entry->d_tag = DT_DEBUG;
		ck_assert_int_eq(rf_vdso_symbols_open(&some, old, bytes), 0);
		ck_assert_uint_eq(some.count, all.count);
		entry->d_tag = tags[i];
	}
	find_dynamic(DT_HASH)->d_tag = DT_DEBUG;
	find_dynamic(DT_GNU_HASH)->d_tag = DT_DEBUG;
	ck_assert_int_eq(rf_vdso_symbols_open(&some, old, bytes), -EBADMSG);
}
END_TEST

START_TEST(what_is_no_vdso_is_refused)
{
	old[1] ^= 1;
	ck_assert_int_eq(redirect(), -ENOEXEC);
	old[1] ^= 1;
	find_dynamic(DT_STRSZ)->d_un.d_val = bytes;
	ck_assert_int_eq(redirect(), -ENOEXEC);
	find_dynamic(DT_STRSZ)->d_un.d_val = 0;
	ck_assert_int_eq(redirect(), -ENOEXEC);
	memcpy(old, real, bytes);
	find_dynamic(DT_SYMTAB)->d_un.d_ptr = bytes - 8;
	ck_assert_int_eq(redirect(), -ENOEXEC);
	find_dynamic(DT_SYMTAB)->d_un.d_ptr = UINT64_MAX - 8;
	ck_assert_int_eq(redirect(), -ENOEXEC);
}
END_TEST

/* Everything in the tables, and every length: what is read lies within, or the page behind it ends
 * the test. */
START_TEST(damaged_vdsos_harm_nobody)
{
	unsigned char *hostile = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const unsigned long tables = find_symbol(old, "__vdso_getcpu")->st_value;

	ck_assert_int_eq(mprotect(hostile + bytes, PAGE, PROT_NONE), 0);
	srandom(1);
	for (unsigned round = 0; round < FUZZ_ROUNDS; round++) {
		size_t used = random() % 4 ? bytes : (size_t)random() % bytes;
		unsigned char *start = hostile + bytes - used;

		memcpy(start, real, used);
		for (long changes = random() % 5 + 1; used && changes; changes--)
			start[(size_t)random() % (random() % 8 ? tables : bytes) % used] =
				random() % 3 ? (unsigned char)random() : 0xff;
		memcpy(copy + bytes - used, start, used);
		rf_vdso_redirect(copy + bytes - used, start, used, &target, &report);
	}
	munmap(hostile, bytes + PAGE);
}
END_TEST

/* -- the mark ------------------------------------------------------------------------------- */

static struct rf_vdso_mark mark;
static unsigned char *beside; /* mark, data, code */
static struct rf_map entries[3];
static struct rf_maps maps = { entries, 3 };
static Elf64_auxv_t auxv[2];

/* A process: data and code at the old place, and what lies beside it. */
static void make_marked(void)
{
	uint64_t place = (uintptr_t)copy;

	beside = mmap(NULL, PAGE + bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	mark = (struct rf_vdso_mark){
		.start = (uintptr_t)beside,
		.end = (uintptr_t)beside + PAGE + bytes,
		.code = (uintptr_t)beside + PAGE,
		.vdso = { .digest = rf_digest64(old, bytes), .areas = 1 },
		.areas = { { place, place + bytes, RF_VDSO_CODE, 0 } },
	};
	rf_vdso_mark_seal(&mark);
	memcpy(beside, &mark, sizeof(mark));
	memcpy(beside + PAGE, old, bytes);
	ck_assert_int_eq(redirect(), 0);
	rf_vdso_mark_point(copy, mark.start);
	entries[0] = (struct rf_map){ .start = place,
				      .end = place + bytes,
				      .protection = RF_PROTECTION_READ | RF_PROTECTION_EXECUTE };
	entries[1] = (struct rf_map){ .start = mark.start,
				      .end = mark.code,
				      .protection = RF_PROTECTION_READ };
	entries[2] = (struct rf_map){ .start = mark.code,
				      .end = mark.end,
				      .protection = RF_PROTECTION_READ | RF_PROTECTION_EXECUTE };
	auxv[0] = (Elf64_auxv_t){ AT_PAGESZ, { PAGE } };
	auxv[1] = (Elf64_auxv_t){ AT_SYSINFO_EHDR, { place } };
}

static bool is_marked(void)
{
	struct rf_vdso_mark found;
	bool is_found = rf_vdso_mark_find_own(&found, &maps, auxv, sizeof(auxv));

	return is_found && memcmp(&found, &mark, sizeof(mark)) == 0;
}

START_TEST(mark_is_found)
{
	make_marked();
	ck_assert(is_marked());
	ck_assert_ptr_eq((void *)rf_vdso_mark_follow(copy), beside);
	ck_assert_uint_eq(rf_vdso_mark_follow(real), 0);
	munmap(beside, PAGE + bytes);
}
END_TEST

START_TEST(mark_holds_only_as_it_was_left)
{
	make_marked();
	for (size_t i = 0; i < sizeof(mark); i++) {
		beside[i] ^= 0x10;
		ck_assert(!is_marked());
		beside[i] ^= 0x10;
	}
	beside[PAGE + 100] ^= 1; /* the original */
	ck_assert(!is_marked());
	beside[PAGE + 100] ^= 1;
	copy[EI_ABIVERSION + 1] ^= 1;
	ck_assert(!is_marked());
	copy[EI_ABIVERSION + 1] ^= 1;
	for (unsigned i = 0; i < 3; i++) {
		entries[i].protection |= RF_PROTECTION_WRITE;
		ck_assert(!is_marked());
		entries[i].protection &= ~RF_PROTECTION_WRITE;
		entries[i].kind = RF_MAP_FILE;
		ck_assert(!is_marked());
		entries[i].kind = RF_MAP_ANONYMOUS;
		entries[i].shared = true;
		ck_assert(!is_marked());
		entries[i].shared = false;
	}
	auxv[1].a_un.a_val += PAGE;
	ck_assert(!is_marked());
	auxv[1].a_un.a_val -= PAGE;
	ck_assert(is_marked());
	munmap(beside, PAGE + bytes);
}
END_TEST

/* Made by the process itself, which may do so: what follows from it must stay within bounds. */
START_TEST(forged_marks_do_not_hold)
{
	const uint64_t far = 0x10000000;
	const struct rf_image_vdso_area forged[] = {
		{ far + 3 * PAGE, far, RF_VDSO_DATA, 0 },      /* from behind */
		{ far, far, RF_VDSO_DATA, 0 },		       /* nothing */
		{ far + 1, far + PAGE, RF_VDSO_DATA, 0 },      /* no pages */
		{ far, far + PAGE, RF_VDSO_CODE, 0 },	       /* a second code */
		{ far, far + PAGE, RF_VDSO_DATA + 7, 0 },      /* of no kind */
		{ 0, UINT64_MAX - PAGE + 1, RF_VDSO_DATA, 0 }, /* on the mark */
	};
	struct rf_image_vdso_area code;
	struct rf_vdso_mark sound;

	make_marked();
	code = mark.areas[0];
	mark.vdso.areas = 2;
	mark.areas[0] = (struct rf_image_vdso_area){ far, far + PAGE, RF_VDSO_DATA, 0 };
	mark.areas[1] = code;
	rf_vdso_mark_seal(&mark);
	sound = mark;
	ck_assert(rf_vdso_mark_holds(&mark, mark.start));
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		mark.areas[0] = forged[i];
		rf_vdso_mark_seal(&mark);
		ck_assert(!rf_vdso_mark_holds(&mark, mark.start));
	}
	mark = sound;
	mark.areas[0] = code; /* twice the same place */
	mark.areas[0].kind = RF_VDSO_DATA;
	rf_vdso_mark_seal(&mark);
	ck_assert(!rf_vdso_mark_holds(&mark, mark.start));
	mark = sound;
	mark.end = UINT64_MAX - PAGE + 1;
	mark.areas[1].start = mark.end - PAGE;
	mark.areas[1].end = mark.end;
	rf_vdso_mark_seal(&mark);
	ck_assert(!rf_vdso_mark_holds(&mark, mark.start));
	munmap(beside, PAGE + bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vdso");
	TCase *tcase = tcase_create("vdso");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (!getauxval(AT_SYSINFO_EHDR)) {
		fprintf(stderr, "this process has no vdso\n");
		return 77;
	}
	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, symbols_are_those_of_the_loader);
	tcase_add_test(tcase, copy_leads_to_the_real_one);
	tcase_add_test(tcase, copy_stays_an_elf_object);
	tcase_add_test(tcase, without_a_vdso_there_are_system_calls);
	tcase_add_test(tcase, function_that_is_lacking_becomes_a_call);
	tcase_add_test(tcase, function_without_a_call_fails);
	tcase_add_test(tcase, short_function_jumps_twice);
	tcase_add_test(tcase, function_without_room_is_named);
	tcase_add_test(tcase, vdso_without_padding_has_no_second_jumps);
	tcase_add_test(tcase, landing_of_branches_stays);
	tcase_add_test(tcase, either_hash_table_will_do);
	tcase_add_test(tcase, what_is_no_vdso_is_refused);
	tcase_add_test(tcase, damaged_vdsos_harm_nobody);
	tcase_add_test(tcase, mark_is_found);
	tcase_add_test(tcase, mark_holds_only_as_it_was_left);
	tcase_add_test(tcase, forged_marks_do_not_hold);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
