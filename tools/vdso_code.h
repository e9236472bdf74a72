/* SPDX-License-Identifier: MIT */
/*
 * The code of an image's vdso: in the image, in a core's memory, or our own, for a machine with
 * the same build has the same.
 */
#ifndef TOOLS_VDSO_CODE_H
#define TOOLS_VDSO_CODE_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/source.h"

struct rf_vdso_code {
	uint64_t address; /* in the image */
	size_t bytes;	  /* 0 = there is none, or nobody knows what it is */
	const unsigned char *code;
	unsigned char *allocated; /* to be freed */
};

/* Finds it; the source must stay open.  0 or -ENOMEM. */
int rf_vdso_code_find(struct rf_vdso_code *code, struct rf_source *source);
void rf_vdso_code_release(struct rf_vdso_code *code);

#endif
