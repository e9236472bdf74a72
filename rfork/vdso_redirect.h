/* SPDX-License-Identifier: MIT */
/*
 * Lets the functions of one vdso lead to those of another: of an image that was captured on
 * another kernel, to those of this one.  A pure function; no malloc, no errno.
 */
#ifndef RF_VDSO_REDIRECT_H
#define RF_VDSO_REDIRECT_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/report.h"

/* The vdso of this kernel, wherever it can be read, and where it will lie. */
struct rf_vdso_target {
	const void *code; /* NULL = there is none */
	size_t bytes;
	uint64_t address;
};

/*
 * Writes into `copy`, which holds the same `bytes` as `code`, for each function a jump to the one
 * of the same name in the target; to a function that the target lacks, a system call that does the
 * same, or -ENOSYS.  All else stays as it is, so that it remains the same ELF object.  0; -ENOEXEC
 * with a report if `code` or the target is no vdso, or a function has no room.
 */
int rf_vdso_redirect(unsigned char *copy, const unsigned char *code, size_t bytes,
		     const struct rf_vdso_target *target, struct rf_report *report);

#endif
