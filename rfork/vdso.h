/* SPDX-License-Identifier: MIT */
/*
 * Where the vdso and its data areas lie, and which build it is.  Used by the facts of
 * a machine, by the frozen ghost and by the shell: no malloc, no errno.
 */
#ifndef RF_VDSO_H
#define RF_VDSO_H

#include <stdint.h>

#include "rfork/image_format.h"
#include "rfork/maps.h"

struct rf_vdso {
	struct rf_image_vdso_area areas[RF_IMAGE_MAX_VDSO_AREAS]; /* ascending */
	uint32_t count;						  /* 0 = the process has no vdso */
	uint32_t code_pages;
	uint32_t data_pages;
	uint64_t digest; /* XXH3-64 of the code pages; 0 = no vdso */
};

/*
 * Finds the areas in the calling process's own list of mappings and digests the code where it
 * lies.  0, -E2BIG if there are more areas than an image can name, or -EPROTO if there is
 * more than one vdso or it cannot be read.
 */
int rf_vdso_find(struct rf_vdso *vdso, const struct rf_maps *maps);

/* The same without the digest, which stays 0: touches no page of the vdso, so that moving it later needs
 * no flush of other processors. */
int rf_vdso_locate(struct rf_vdso *vdso, const struct rf_maps *maps);

#endif
