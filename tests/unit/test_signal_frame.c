/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/x86_64/signal_frame.c: a process really leaves through a frame by
 * rt_sigreturn, in a child of each test, and looks at what has arrived.  A kernel that does not
 * like a frame's vector state drops it without an error, so live values in all of it are needed.
 */
#define _GNU_SOURCE
#include "rfork/arch.h"

#include <check.h>
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/machine_facts.h"

#define FRAME_PAGES 8
#define STATE_BYTES 16384
#define FXSAVE_BYTES 512
#define RESULT UINT64_C(0xfeedfacecafebeef)
/* Bit 1 and IF, which are always set, CF, ZF, DF, OF and AC. */
#define FLAGS UINT64_C(0x40e43)

_Noreturn void enter_frame(uint64_t stack);
void landing(void);
_Noreturn void landed(void);

/* What landing.S stores. */
struct landed {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t rsp, eflags;
};

_Static_assert(offsetof(struct landed, rdi) == 112, "landing.S");
_Static_assert(offsetof(struct landed, eflags) == 128, "landing.S");

struct landed landed_registers;
unsigned char landed_state[STATE_BYTES] __attribute__((aligned(64)));

static struct rf_machine_facts facts;
static struct rf_image_thread thread;
static unsigned char xsave[STATE_BYTES] __attribute__((aligned(64)));
static const void *state = xsave; /* what the frame is made from */
static unsigned char altstack[32768] __attribute__((aligned(64)));
/* What the landed child looks at; returns what is wrong, or NULL. */
static const char *(*judge)(void);

_Noreturn void landed(void)
{
	const char *fault = judge();

	if (fault && write(2, fault, strlen(fault)) > 0)
		(void)!write(2, "\n", 1);
	_exit(fault ? 1 : 0);
}

/* The thread that is to land: a different value in every register. */
static void set_up(void)
{
	ck_assert_int_eq(rf_machine_facts_collect(&facts), 0);
	thread = (struct rf_image_thread){
		.registers = { .r15 = 15,
			       .r14 = 14,
			       .r13 = 13,
			       .r12 = 12,
			       .rbp = 0x1111111111111111,
			       .rbx = 0x2222222222222222,
			       .r11 = 11,
			       .r10 = 10,
			       .r9 = 9,
			       .r8 = 8,
			       .rax = 77,
			       .rcx = 0x3333333333333333,
			       .rdx = 0x4444444444444444,
			       .rsi = 0x5555555555555555,
			       .rdi = 0x6666666666666666,
			       .orig_rax = UINT64_MAX,
			       .rip = (uintptr_t)landing,
			       .eflags = FLAGS,
			       .cs = 0x33,
			       .ss = 0x2b },
		.altstack_flags = SS_DISABLE,
		.mxcsr = 0x1f80,
		.x87_control = 0x37f,
	};
}

/*
 * Leaves through the frame in a child; `judge` says whether what arrived is right.  The frame is
 * built elsewhere than where it runs, as the shell may do.
 */
static void land(const char *(*what)(void))
{
	unsigned char stack[65536] __attribute__((aligned(16)));
	size_t bytes = rf_arch_signal_frame_bytes(&facts, &thread);
	unsigned char *frame = mmap(NULL, FRAME_PAGES * 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *buffer = aligned_alloc(64, bytes);
	uint64_t entry;
	int status;
	pid_t pid;

	ck_assert_ptr_ne(frame, MAP_FAILED);
	ck_assert_uint_le(bytes, FRAME_PAGES * 4096);
	ck_assert_uint_eq(bytes % 64, 0);
	/* part of this stack, where the sanitizer expects it */
	thread.registers.rsp = (uintptr_t)(stack + sizeof(stack) - 512);
	ck_assert_int_eq(rf_arch_check_thread(&thread, NULL), 0);
	entry = rf_arch_build_signal_frame(buffer, (uintptr_t)frame, &facts, &thread, state,
					   RESULT);
	memcpy(frame, buffer, bytes);
	free(buffer);
	judge = what;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		enter_frame(entry);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", status);
	munmap(frame, FRAME_PAGES * 4096);
}

/* -- what arrives -------------------------------------------------------------------------- */

static const char *judge_registers(void)
{
	const struct rf_image_registers *sent = &thread.registers;
	const uint64_t rax = thread.flags & RF_THREAD_INTERRUPTED ? sent->rax : RESULT;
	const struct landed expected = {
		sent->r15, sent->r14, sent->r13, sent->r12, sent->rbp,	  sent->rbx,
		sent->r11, sent->r10, sent->r9,	 sent->r8,  rax,	  sent->rcx,
		sent->rdx, sent->rsi, sent->rdi, sent->rsp, sent->eflags,
	};
	static const char *const names[] = { "r15", "r14", "r13", "r12", "rbp",	  "rbx",
					     "r11", "r10", "r9",  "r8",	 "rax",	  "rcx",
					     "rdx", "rsi", "rdi", "rsp", "eflags" };
	const uint64_t *a = (const uint64_t *)&landed_registers, *b = (const uint64_t *)&expected;

	for (size_t i = 0; i < sizeof(expected) / sizeof(*a); i++)
		if (a[i] != b[i])
			return names[i];
	return NULL;
}

START_TEST(registers_arrive)
{
	land(judge_registers);
}
END_TEST

START_TEST(interrupted_thread_keeps_its_result)
{
	thread.flags = RF_THREAD_INTERRUPTED;
	thread.registers.rax = ~RESULT;
	land(judge_registers);
}
END_TEST

static const char *judge_control(void)
{
	uint16_t control;
	uint32_t mxcsr;

	memcpy(&control, landed_state, sizeof(control));
	memcpy(&mxcsr, landed_state + 24, sizeof(mxcsr));
	if (control != thread.x87_control)
		return "the x87 control word is not what was sent";
	return mxcsr == thread.mxcsr ? NULL : "MXCSR is not what was sent";
}

START_TEST(float_control_arrives)
{
	static const struct {
		uint32_t mxcsr;
		uint16_t control;
	} values[] = { { 0x1f80, 0x37f },
		       { 0x7f80, 0xf7f }, /* rounding towards zero */
		       { 0x9fc0, 0x27f }, /* denormals are zero, double precision */
		       { 0x003f, 0x340 } };

	thread.mxcsr = values[_i].mxcsr;
	thread.x87_control = values[_i].control;
	land(judge_control);
}
END_TEST

START_TEST(float_control_arrives_without_xsave)
{
	/* what a machine without XSAVE has: a legacy area; the kernel initializes the rest */
	facts.xsave_bytes = 0;
	facts.xcr0 = 0;
	thread.x87_control = 0xf7f;
	land(judge_control);
}
END_TEST

static const char *judge_initial(void)
{
	uint64_t live;

	memcpy(&live, landed_state + FXSAVE_BYTES, sizeof(live));
	/* ymm, mask and zmm registers are in their initial state or zero */
	for (size_t i = 160; i < 160 + 256; i++)
		if (live & 2 && landed_state[i])
			return "an xmm register is not zero";
	for (unsigned component = 2; component < 8; component++) {
		unsigned bytes, offset, flags, unused;

		if (component == 3 || component == 4 || !(live >> component & 1))
			continue;
		__cpuid_count(0xd, component, bytes, offset, flags, unused);
		for (unsigned i = 0; i < bytes; i++)
			if (landed_state[offset + i])
				return "a vector register is not zero";
	}
	return NULL;
}

START_TEST(dead_vector_registers_are_zero)
{
	land(judge_initial);
}
END_TEST

static const char *judge_mask(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, sizeof(mask));
	return mask == thread.signal_mask ? NULL : "the signal mask is not what was sent";
}

START_TEST(signal_mask_arrives)
{
	thread.signal_mask = _i ? UINT64_C(0x8000000100004001) : 0;
	land(judge_mask);
}
END_TEST

static const char *judge_altstack(void)
{
	stack_t now;

	if (sigaltstack(NULL, &now) < 0)
		return "sigaltstack";
	if (thread.altstack_flags == SS_DISABLE)
		return now.ss_flags & SS_DISABLE ? NULL : "there is an alternate stack";
	return now.ss_sp == altstack && now.ss_size == sizeof(altstack) &&
			       (uint32_t)now.ss_flags == thread.altstack_flags
		       ? NULL
		       : "the alternate stack is not what was sent";
}

START_TEST(alternate_stack_arrives)
{
	static const uint32_t flags[] = { SS_DISABLE, 0, 1u << 31 /* SS_AUTODISARM */ };

	thread.altstack_flags = flags[_i];
	if (thread.altstack_flags != SS_DISABLE) {
		thread.altstack_address = (uintptr_t)altstack;
		thread.altstack_bytes = sizeof(altstack);
	}
	land(judge_altstack);
}
END_TEST

/* -- live vector state --------------------------------------------------------------------- */

/* x87, SSE, AVX, and the three of AVX-512: those whose every bit may be anything. */
static const unsigned vector_components[] = { 1, 2, 5, 6, 7 };

/* Where a component lies in the standard format, from CPUID; 0 bytes where there is none. */
static void find_component(unsigned component, unsigned *offset, unsigned *bytes)
{
	unsigned flags, unused;

	*offset = 160;
	*bytes = 256;
	if (!(facts.xcr0 >> component & 1))
		*bytes = 0;
	else if (component > 1)
		__cpuid_count(0xd, component, *bytes, *offset, flags, unused);
}

static const char *judge_vectors(void)
{
	static const char *const faults[] = { "xmm", "ymm", "k", "the upper half of zmm0 to 15",
					      "zmm16 to 31" };
	uint64_t live;

	memcpy(&live, landed_state + FXSAVE_BYTES, sizeof(live));
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		unsigned offset, bytes;

		find_component(vector_components[i], &offset, &bytes);
		if (bytes && (!(live >> vector_components[i] & 1) ||
			      memcmp(landed_state + offset, xsave + offset, bytes) != 0))
			return faults[i];
	}
	/* the x87 stack: eight registers of ten bytes in sixteen */
	for (size_t i = 0; i < 8; i++)
		if (memcmp(landed_state + 32 + 16 * i, xsave + 32 + 16 * i, 10) != 0)
			return "an x87 register";
	return judge_control();
}

/* Noise in every vector register, made from CPUID's table rather than by the kernel. */
static void fill_vectors(void)
{
	uint64_t live = 3;
	uint32_t random = 12345;

	memset(xsave, 0, sizeof(xsave));
	for (size_t i = 0; i < sizeof(vector_components) / sizeof(vector_components[0]); i++) {
		unsigned offset, bytes;

		find_component(vector_components[i], &offset, &bytes);
		for (unsigned at = 0; at < bytes; at++)
			xsave[offset + at] = (unsigned char)((random = random * 69069 + 1) >> 24);
		if (bytes)
			live |= UINT64_C(1) << vector_components[i];
	}
	for (size_t i = 0; i < 8; i++) {
		memset(xsave + 32 + 16 * i, (int)(i + 1), 8);
		memcpy(xsave + 40 + 16 * i, "\xff\x3f", 2); /* a normal number */
	}
	xsave[4] = 0xff; /* every x87 register is in use */
	memcpy(xsave, &thread.x87_control, sizeof(thread.x87_control));
	memcpy(xsave + 24, &thread.mxcsr, sizeof(thread.mxcsr));
	memcpy(xsave + FXSAVE_BYTES, &live, sizeof(live));
}

START_TEST(live_vector_registers_arrive)
{
	ck_assert_uint_gt(facts.xsave_bytes, FXSAVE_BYTES);
	thread.xsave_bytes = facts.xsave_bytes;
	thread.mxcsr = 0x7f80;
	thread.x87_control = 0xf7f;
	fill_vectors();
	land(judge_vectors);
}
END_TEST

START_TEST(live_vector_registers_of_another_machine_arrive)
{
	static unsigned char foreign[STATE_BYTES];
	struct rf_xsave_layout here, there;

	thread.mxcsr = 0x7f80;
	thread.x87_control = 0xf7f;
	fill_vectors();
	rf_arch_xsave_here(&here, &facts);
	/* the other of the two layouts, where they differ; else one with a component more */
	if (!rf_arch_xsave_known(&there, facts.xcr0, true) || there.bytes == here.bytes)
		ck_assert(rf_arch_xsave_known(&there, facts.xcr0, false));
	if (there.bytes == here.bytes)
		ck_assert(rf_arch_xsave_known(&there, facts.xcr0 | 1u << 4, false));
	ck_assert_uint_ne(there.bytes, here.bytes);
	ck_assert_int_eq(rf_arch_xsave_convert(foreign, &there, xsave, &here, NULL), 0);
	thread.xsave_bytes = there.bytes;
	state = foreign;
	land(judge_vectors);
	state = xsave;
}
END_TEST

/* -- what may not arrive ------------------------------------------------------------------- */

START_TEST(only_registers_of_user_code_pass)
{
	const struct rf_image_thread good = thread;
	struct rf_report report = { 0 };

#define ASSERT_REFUSED(change)                                                                     \
	thread = good;                                                                             \
	change;                                                                                    \
	ck_assert_msg(rf_arch_check_thread(&thread, NULL) == -EBADMSG, #change)

	ck_assert_int_eq(rf_arch_check_thread(&thread, &report), 0);
	ck_assert_int_eq(report.error, 0);
	ASSERT_REFUSED(thread.registers.cs = 0x10);
	ASSERT_REFUSED(thread.registers.cs = 0x23);
	ASSERT_REFUSED(thread.registers.ss = 0);
	ASSERT_REFUSED(thread.registers.es = 0x2b);
	ASSERT_REFUSED(thread.registers.fs = 3);
	ASSERT_REFUSED(thread.registers.gs = 3);
	ASSERT_REFUSED(thread.registers.rip = UINT64_MAX);
	ASSERT_REFUSED(thread.registers.rip = UINT64_C(0x7ffffffff000));
	ASSERT_REFUSED(thread.registers.rsp = UINT64_C(0x8000000000000000));
	ASSERT_REFUSED(thread.registers.fs_base = UINT64_C(0x0000800000000000));
	ASSERT_REFUSED(thread.registers.gs_base = UINT64_MAX);
	ASSERT_REFUSED(thread.mxcsr = 0xffff0000);
	ASSERT_REFUSED(thread.xsave_bytes = 512);
	for (int bit = 0; bit < 64; bit++) {
		/* VIF, VIP, VM, RF, IOPL, TF and what has no meaning */
		bool is_user = UINT64_C(0x244ed7) >> bit & 1;

		thread = good;
		thread.registers.eflags |= UINT64_C(1) << bit;
		ck_assert_msg((rf_arch_check_thread(&thread, NULL) == 0) == is_user, "flag %d",
			      bit);
	}
	thread = good;
	thread.registers.cs = 0;
	ck_assert_int_eq(rf_arch_check_thread(&thread, &report), -EBADMSG);
	ck_assert_int_eq(report.error, EBADMSG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("signal_frame");
	TCase *tcase = tcase_create("signal_frame");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, registers_arrive);
	tcase_add_test(tcase, interrupted_thread_keeps_its_result);
	tcase_add_loop_test(tcase, float_control_arrives, 0, 4);
	tcase_add_test(tcase, float_control_arrives_without_xsave);
	tcase_add_test(tcase, dead_vector_registers_are_zero);
	tcase_add_loop_test(tcase, signal_mask_arrives, 0, 2);
	tcase_add_loop_test(tcase, alternate_stack_arrives, 0, 3);
	tcase_add_test(tcase, live_vector_registers_arrive);
	tcase_add_test(tcase, live_vector_registers_of_another_machine_arrive);
	tcase_add_test(tcase, only_registers_of_user_code_pass);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
