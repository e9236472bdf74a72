/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/x86_64/handler_frames.c: code with live vector registers is interrupted, the
 * frame of its handler is made one of another machine's and then this machine's again, and the
 * handler returns.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "rfork/restore_frames.h"
#include "tests/support/vectors.h"

#define ROOM_BYTES VECTORS_ROOM_BYTES
#define STACK_BYTES 16384u

static struct rf_machine_facts here;
static struct rf_report report;

static unsigned char room[ROOM_BYTES] __attribute__((aligned(64)));
static unsigned char spare_memory[ROOM_BYTES] __attribute__((aligned(64)));
static struct rf_arch_spare spare;

static void set_up(void)
{
	vectors_begin();
	here = vectors_facts;
	memset(&report, 0, sizeof(report));
	memset(room, 0, sizeof(room));
	spare = (struct rf_arch_spare){ .memory = spare_memory,
					.address = (uintptr_t)spare_memory,
					.bytes = sizeof(spare_memory) };
}

/* -- memory: this process's own ---------------------------------------------------------------- */

static uint64_t window_start, window_end;

static void *at(void *context, uint64_t address, uint64_t bytes)
{
	(void)context;
#ifdef __SANITIZE_ADDRESS__ /* whose red zones are part of a stack */
	__asan_unpoison_memory_region((void *)(uintptr_t)address, bytes);
#endif
	return bytes <= ROOM_BYTES * 16 ? (void *)(uintptr_t)address : NULL;
}

/* A window for the first stack; all of a page for others. */
static uint64_t end(void *context, uint64_t address, uint64_t most)
{
	(void)context;
	ck_assert_uint_ge(most, STACK_BYTES);
	return address >= window_start && address < window_end ? window_end : address + 4096;
}

static const struct rf_arch_memory memory = { .at = at, .end = end };

static int fit(const void *stack, uint64_t bytes)
{
	const struct rf_image_thread thread = { .registers.rsp = (uintptr_t)stack };

	window_start = (uintptr_t)stack;
	window_end = window_start + bytes;
	return rf_arch_fit_signal_frames(&thread, &here, &memory, &spare, &report);
}

static struct kernel_ucontext interrupted; /* as the handler has left it */

static void fit_frame(struct kernel_ucontext *ucontext)
{
	const struct fxsave *head;

	ck_assert_int_eq(fit(ucontext, sizeof(*ucontext)), 0);
	interrupted = *ucontext;
	head = (const void *)(uintptr_t)interrupted.context.fpstate;
	ck_assert_uint_eq(head->state_bytes, here.xsave_bytes);
	ck_assert_uint_eq(head->features, here.xcr0);
}

/* -- tests ------------------------------------------------------------------------------------- */

static void move_to_larger(int signal, siginfo_t *info, void *ucontext)
{
	const struct rf_xsave_layout small = vectors_small_layout();

	(void)signal;
	(void)info;
	interrupted = *(struct kernel_ucontext *)ucontext;
	ck_assert(vectors_make_foreign(ucontext, &small,
				       (void *)(uintptr_t)interrupted.context.fpstate));
	fit_frame(ucontext);
}

/* The frame has no room for more: the state goes elsewhere. */
START_TEST(registers_survive_a_larger_machine)
{
	struct sigaction action = { .sa_sigaction = move_to_larger, .sa_flags = SA_SIGINFO };

	if (!vectors_has(VECTORS_AVX) || here.xcr0 == 7)
		return;
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	ck_assert(vectors_survive(SIGUSR1));
	ck_assert_uint_eq(interrupted.context.fpstate, (uintptr_t)spare_memory);
	ck_assert_uint_ge(spare.used, here.xsave_bytes);
}
END_TEST

static void move_to_smaller(int signal, siginfo_t *info, void *ucontext)
{
	const struct rf_xsave_layout larger = vectors_long_layout();

	(void)signal;
	(void)info;
	ck_assert(vectors_make_foreign(ucontext, &larger, room));
	fit_frame(ucontext);
}

static void expect_room_used(void)
{
	ck_assert_uint_eq(interrupted.context.fpstate, (uintptr_t)room);
	ck_assert_uint_eq(((struct fxsave *)room)->extended_bytes, vectors_long_layout().bytes + 4);
	ck_assert_uint_eq(spare.used, 0);
}

START_TEST(registers_survive_a_smaller_layout)
{
	struct sigaction action = { .sa_sigaction = move_to_smaller, .sa_flags = SA_SIGINFO };

	if (!vectors_has(VECTORS_AVX))
		return;
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	ck_assert(vectors_survive(SIGUSR1));
	expect_room_used();
	if (!vectors_has(VECTORS_AVX512))
		return;
	ck_assert(vectors_of_avx512_survive(SIGUSR1));
	expect_room_used();
}
END_TEST

/* -- frames that are only looked at ------------------------------------------------------------ */

static struct {
	unsigned char stack[STACK_BYTES];
} other __attribute__((aligned(64)));

static struct kernel_ucontext *made;

static void copy_frame(int signal, siginfo_t *info, void *ucontext)
{
	const struct rf_xsave_layout small = vectors_small_layout();

	(void)signal;
	(void)info;
	made = (struct kernel_ucontext *)(other.stack + 1024);
	memset(&other, 0, sizeof(other));
	memcpy(made, ucontext, sizeof(*made));
	ck_assert(vectors_make_foreign(made, &small, other.stack + 4096));
}

/* A frame of a smaller machine in memory of its own, with AVX in use. */
static bool make_frame(void)
{
	struct sigaction action = { .sa_sigaction = copy_frame, .sa_flags = SA_SIGINFO };

	if (!vectors_has(VECTORS_AVX) || here.xcr0 == 7)
		return false;
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	ck_assert(vectors_survive(SIGUSR1));
	return true;
}

static struct fxsave *head_of(const struct kernel_ucontext *ucontext)
{
	return (struct fxsave *)(uintptr_t)ucontext->context.fpstate;
}

START_TEST(frames_are_found_anywhere_on_the_stack)
{
	if (!make_frame())
		return;
	ck_assert_int_eq(fit(other.stack, 2048), 0);
	ck_assert_uint_eq(head_of(made)->state_bytes, here.xsave_bytes);
	/* and are as they should be then */
	ck_assert_int_eq(fit(other.stack, 2048), 0);
	ck_assert_uint_eq(spare.used, (here.xsave_bytes + 4 + 63) / 64 * 64);
}
END_TEST

START_TEST(frames_on_the_interrupted_stack_are_found)
{
	static struct kernel_ucontext outer __attribute__((aligned(64)));

	if (!make_frame())
		return;
	outer = *made;
	made->context.rsp = (uintptr_t)&outer - 64;
	ck_assert_int_eq(fit(other.stack, 2048), 0);
	ck_assert_uint_eq(head_of(&outer)->state_bytes, here.xsave_bytes);
	ck_assert_uint_ne(outer.context.fpstate, made->context.fpstate);
}
END_TEST

static void expect_untouched(const char *what)
{
	static unsigned char before[sizeof(other)];

	memcpy(before, &other, sizeof(before));
	ck_assert_int_eq(fit(other.stack, 2048), 0);
	ck_assert_msg(memcmp(before, &other, sizeof(before)) == 0, "%s", what);
	ck_assert_uint_eq(spare.used, 0);
}

START_TEST(what_is_no_frame_is_left_alone)
{
	struct kernel_ucontext right;
	struct fxsave head;

	if (!make_frame())
		return;
	right = *made;
	head = *head_of(made);
	made->flags |= 8;
	expect_untouched("flags");
	*made = right;
	made->link = 1;
	expect_untouched("link");
	*made = right;
	made->context.cs = 0x23;
	expect_untouched("cs");
	*made = right;
	made->context.fpstate += 8;
	expect_untouched("alignment");
	*made = right;
	head_of(made)->magic1 ^= 1;
	expect_untouched("magic1");
	*head_of(made) = head;
	head_of(made)->state_bytes -= 64;
	expect_untouched("magic2");
	*head_of(made) = head;
	head_of(made)->state_bytes = UINT32_MAX;
	expect_untouched("length");
	*head_of(made) = head;
	head_of(made)->extended_bytes = head.state_bytes;
	expect_untouched("no room for magic2");
	head_of(made)->extended_bytes = UINT32_MAX;
	expect_untouched("more than its mapping");
}
END_TEST

START_TEST(lacking_components_in_use_are_named)
{
	if (!make_frame())
		return;
	here.xcr0 = 3;
	here.xsave_bytes = 576;
	ck_assert_int_eq(fit(other.stack, 2048), -ENOEXEC);
	ck_assert_msg(strstr(report.sentence, "AVX state") != NULL, "%s", report.sentence);
}
END_TEST

START_TEST(more_frames_than_there_is_room_for_are_refused)
{
	if (!make_frame())
		return;
	spare.bytes = here.xsave_bytes;
	ck_assert_int_eq(fit(other.stack, 2048), -ENOEXEC);
	ck_assert_msg(strstr(report.sentence, "signal handlers") != NULL, "%s", report.sentence);
}
END_TEST

/* -- memory of an image ------------------------------------------------------------------------ */

#define PAGES 8u

/* Whatever is above the stack pointer: a guard page cannot be read, and has no record of its
 * own. */
START_TEST(memory_that_cannot_be_read_ends_a_stack)
{
	const uint64_t bytes = PAGES * 4096;
	unsigned char *stack =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rf_image_mapping mapping = { .start = (uintptr_t)stack,
					    .end = (uintptr_t)stack + bytes,
					    .protection = RF_PROTECTION_READ |
							  RF_PROTECTION_WRITE };
	struct rf_reader_thread thread = { .image.registers.rsp = (uintptr_t)stack + 64 };
	struct rf_image image = { .head = { .threads = 1, .mappings = 1 },
				  .mappings = &mapping,
				  .threads = &thread };
	struct rf_place place = { .address = mapping.start, .protection = mapping.protection };
	struct rf_places places = { .mappings = &place };
	struct rf_frames frames = { &image, &places, &here, spare };

	if (!make_frame())
		return;
	ck_assert_ptr_ne(stack, MAP_FAILED);
	memcpy(stack + 4096, made, sizeof(*made));
	made = (struct kernel_ucontext *)(stack + 4096);
	memcpy(stack + 8192, head_of(made), 4096);
	made->context.fpstate = (uintptr_t)stack + 8192;
	ck_assert_int_eq(munmap(stack + 4 * 4096, 4096), 0);
	ck_assert_int_eq(rf_restore_frames(&frames, &report), 0);
	ck_assert_uint_eq(head_of(made)->state_bytes, here.xsave_bytes);
	ck_assert_uint_gt(frames.spare.used, 0);
	/* what cannot be written is nobody's stack */
	mapping.protection = RF_PROTECTION_READ;
	head_of(made)->features = 3;
	ck_assert_int_eq(rf_restore_frames(&frames, &report), 0);
	ck_assert_uint_eq(head_of(made)->features, 3);
	ck_assert_int_eq(munmap(stack, bytes), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handler_frames");
	TCase *tcase = tcase_create("handler_frames");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, registers_survive_a_larger_machine);
	tcase_add_test(tcase, registers_survive_a_smaller_layout);
	tcase_add_test(tcase, frames_are_found_anywhere_on_the_stack);
	tcase_add_test(tcase, frames_on_the_interrupted_stack_are_found);
	tcase_add_test(tcase, what_is_no_frame_is_left_alone);
	tcase_add_test(tcase, lacking_components_in_use_are_named);
	tcase_add_test(tcase, more_frames_than_there_is_room_for_are_refused);
	tcase_add_test(tcase, memory_that_cannot_be_read_ends_a_stack);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
