/* SPDX-License-Identifier: MIT */
/*
 * Claim: a program of eight threads whose core gcore has written goes on like one whose core is the
 * kernel's, with all that gcore writes, and undump says what it does not write.
 */
#include "tests/support/core_threads.h"

int main(void)
{
	test_begin();
	core_need(CORE_BY_GDB);
	core_threads_resume("tests/support/counting_threads", CORE_BY_GDB, 0x33);
	core_threads_resume("tests/support/counting_threads_static", CORE_BY_GDB, 0x33);
	checkpoint_clean(NULL, 0);
	return test_end();
}
