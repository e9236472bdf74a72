/* SPDX-License-Identifier: MIT */
/*
 * Claim: the child can open a library, with thread-local data of its own, and close it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

#include "tests/support/node.h"

static char path[4096];

static void build(void)
{
	snprintf(path, sizeof(path), "%s",
		 test_build_path("tests/integration/.libs/tls_module.so"));
}

static void verify(void)
{
	void *module = dlopen(path, RTLD_NOW);
	int *(*preset)(void);

	if (!module)
		test_fail(__FILE__, __LINE__, "%s", dlerror());
	preset = (int *(*)(void))dlsym(module, "tls_module_preset");
	CHECK(preset);
	CHECK_EQUAL(*preset(), 4711);
	CHECK_EQUAL(dlclose(module), 0);
}

int main(void)
{
	return node_three_beats(build, verify);
}
