/* SPDX-License-Identifier: MIT */
/*
 * Claim: a program of eight threads whose core the kernel has written goes on, in all threads, with
 * every vector register, its heap, its arguments, its processor numbers, and system calls made
 * again; dynamic or static, at addresses of its own or not, and also if the core lacks what files
 * hold.
 */
#include "tests/support/core_threads.h"

int main(void)
{
	test_begin();
	core_need(CORE_BY_KERNEL);
	core_threads_resume("tests/support/counting_threads", CORE_BY_KERNEL, 0xff);
	core_threads_resume("tests/support/counting_threads", CORE_BY_KERNEL, 0x33);
	core_threads_resume("tests/support/counting_threads_no_pie", CORE_BY_KERNEL, 0x33);
	core_threads_resume("tests/support/counting_threads_static", CORE_BY_KERNEL, 0x33);
	core_threads_resume("tests/support/counting_threads_static_pie", CORE_BY_KERNEL, 0xff);
	checkpoint_clean(NULL, 0);
	return test_end();
}
