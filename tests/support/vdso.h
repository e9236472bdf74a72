/* SPDX-License-Identifier: MIT */
/*
 * The vdso as a program uses it, by pointers that were looked up once; and images that say they
 * come from a kernel with another one.
 */
#ifndef TEST_SUPPORT_VDSO_H
#define TEST_SUPPORT_VDSO_H

#include "tests/support/test.h"

/* Looks up all functions of the vdso, as the C library has done at start, and whether its clocks
 * are read without a system call; to be called before the process is captured. */
void vdso_look_up(void);

/*
 * In the restored process: whether each function that was looked up does what the system call does,
 * and the clock runs.  Fails the test else.  is_read: clocks that were read without a system call
 * before must be so again.
 */
void vdso_expect_service(bool is_read);

/* Whether the vdso of this process stands in for that of another kernel: what is at AT_SYSINFO_EHDR
 * is not the kernel's. */
bool vdso_is_redirected(void);

/*
 * Changes a statefile or an executable: its process had a vdso with the same functions, but of
 * another build.  A second time, it is the first one again.
 */
void vdso_forge(const char *path);

#endif
