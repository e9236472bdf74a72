/* SPDX-License-Identifier: MIT */
/*
 * Claim: thread-local variables keep value and address, those of a library that was opened at
 * run time included.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "tests/support/node.h"

static _Thread_local int preset = 17, *where;
static _Thread_local long large[3000];
static int *(*module_zeroed)(void);
static int *(*module_preset)(void);
static int *zeroed_was, *preset_was;

static void build(void)
{
	void *module = dlopen(test_build_path("tests/integration/.libs/tls_module.so"), RTLD_NOW);

	CHECK(module);
	module_zeroed = (int *(*)(void))dlsym(module, "tls_module_zeroed");
	module_preset = (int *(*)(void))dlsym(module, "tls_module_preset");
	zeroed_was = module_zeroed();
	preset_was = module_preset();
	CHECK_EQUAL(*preset_was, 4711);
	*preset_was = 4712;
	zeroed_was[63] = 99;
	preset = 18;
	where = &preset;
	large[2999] = 1234567890123;
	errno = EXDEV;
}

static void verify(void)
{
	CHECK_EQUAL(preset, 18);
	CHECK(where == &preset);
	CHECK_EQUAL(large[2999], 1234567890123);
	CHECK(module_zeroed() == zeroed_was);
	CHECK(module_preset() == preset_was);
	CHECK_EQUAL(*preset_was, 4712);
	CHECK_EQUAL(zeroed_was[63], 99);
}

int main(void)
{
	return node_three_beats(build, verify);
}
