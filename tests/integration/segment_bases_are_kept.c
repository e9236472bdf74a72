/* SPDX-License-Identifier: MIT */
/*
 * Claim: the fs and gs bases are the caller's.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"

static uint64_t area[4] = { 0x1234567890abcdef };
static uint64_t fs_was, gs_was;

static uint64_t base(int code)
{
	uint64_t value;

	CHECK_CALL(syscall(SYS_arch_prctl, code, &value));
	return value;
}

static void build(void)
{
	CHECK_CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, area));
	fs_was = base(ARCH_GET_FS);
	gs_was = base(ARCH_GET_GS);
}

static void verify(void)
{
	uint64_t loaded;

	CHECK_EQUAL(base(ARCH_GET_FS), fs_was);
	CHECK_EQUAL(base(ARCH_GET_GS), gs_was);
	__asm__ volatile("mov %%gs:0, %0" : "=r"(loaded));
	CHECK_EQUAL(loaded, area[0]);
}

int main(void)
{
	return node_three_beats(build, verify);
}
