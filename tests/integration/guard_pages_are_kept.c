/* SPDX-License-Identifier: MIT */
/*
 * Claim: guard pages within a mapping (MADV_GUARD_INSTALL, Linux 6.13) still fault in the
 * child, and their neighbours do not.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "tests/support/node.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define PAGES 64

static char *memory;
static sigjmp_buf jump;

static void escape(int signal)
{
	siglongjmp(jump, signal);
}

static bool faults(const char *address)
{
	if (sigsetjmp(jump, 1))
		return true;
	(void)*(const volatile char *)address;
	return false;
}

static bool is_guard(unsigned page)
{
	return page == 3 || (page >= 10 && page < 15) || page == PAGES - 1;
}

static void build(void)
{
	memory = mmap(NULL, PAGES * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	memset(memory, 6, 32 * TEST_PAGE_BYTES);
	for (unsigned page = 0; page < PAGES; page++) {
		if (!is_guard(page))
			continue;
		if (madvise(memory + page * TEST_PAGE_BYTES, TEST_PAGE_BYTES, MADV_GUARD_INSTALL))
			test_skip("this kernel has no MADV_GUARD_INSTALL");
	}
	CHECK(signal(SIGSEGV, escape) != SIG_ERR);
}

static void verify(void)
{
	for (unsigned page = 0; page < PAGES; page++) {
		const char *address = memory + page * TEST_PAGE_BYTES;

		if (faults(address) != is_guard(page))
			test_fail(__FILE__, __LINE__, "page %u: guard %d", page, is_guard(page));
		if (!is_guard(page))
			CHECK_EQUAL(*address, page < 32 ? 6 : 0);
	}
}

int main(void)
{
	return node_three_beats(build, verify);
}
