/* SPDX-License-Identifier: MIT */
/*
 * Claim: written pages keep their bytes behind PROT_NONE and PROT_READ, and the protections
 * still hold in the child.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "tests/support/node.h"

static char *hidden, *frozen;
static sigjmp_buf jump;

static void escape(int signal)
{
	siglongjmp(jump, signal);
}

static bool faults(char *address, bool writing)
{
	if (sigsetjmp(jump, 1))
		return true;
	if (writing)
		*(volatile char *)address = 1;
	else
		(void)*(volatile char *)address;
	return false;
}

static char *make(int protection)
{
	char *memory = mmap(NULL, 3 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memory[0] = 'a';
	memory[2 * TEST_PAGE_BYTES] = 'c'; /* the page between is never touched */
	CHECK_CALL(mprotect(memory, 3 * TEST_PAGE_BYTES, protection));
	return memory;
}

static void build(void)
{
	hidden = make(PROT_NONE);
	frozen = make(PROT_READ);
	CHECK(signal(SIGSEGV, escape) != SIG_ERR);
}

static void verify(void)
{
	CHECK(faults(hidden, false));
	CHECK(!faults(frozen, false));
	CHECK(faults(frozen, true));
	CHECK_EQUAL(frozen[0], 'a');
	CHECK_EQUAL(frozen[TEST_PAGE_BYTES], 0);
	CHECK_EQUAL(frozen[2 * TEST_PAGE_BYTES], 'c');
	CHECK_CALL(mprotect(hidden, 3 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE));
	CHECK_EQUAL(hidden[0], 'a');
	CHECK_EQUAL(hidden[TEST_PAGE_BYTES], 0);
	CHECK_EQUAL(hidden[2 * TEST_PAGE_BYTES], 'c');
	hidden[1] = 'b';
}

int main(void)
{
	return node_three_beats(build, verify);
}
