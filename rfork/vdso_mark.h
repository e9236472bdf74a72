/* SPDX-License-Identifier: MIT */
/*
 * What a process whose vdso was redirected keeps of the original: so that its next image describes
 * that again, whatever kernel it is on by then.  No malloc, no errno: read in the frozen ghost.
 *
 * The mark is the first page of a range that lies beside the process.  Behind it is the original
 * vdso once more, its areas as far from each other as they were: the data zero, the code
 * unchanged.  The copy at the old place has the mark's address in the padding of its ELF header.
 */
#ifndef RF_VDSO_MARK_H
#define RF_VDSO_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_format.h"
#include "rfork/maps.h"

struct rf_vdso_mark {
	char magic[8];
	uint64_t digest;     /* XXH3-64 of what follows */
	uint64_t start, end; /* of the range, this page included */
	uint64_t code;	     /* where the original code lies in it */
	struct rf_image_vdso vdso;
	struct rf_image_vdso_area areas[RF_IMAGE_MAX_VDSO_AREAS];
};

/* Completes a mark whose other fields are set. */
void rf_vdso_mark_seal(struct rf_vdso_mark *mark);

/* Whether what lies at `address` is one, and consistent: its areas and its range are apart, and
 * ascend.  A process may have written it itself. */
bool rf_vdso_mark_holds(const struct rf_vdso_mark *mark, uint64_t address);

/* Lets a vdso's code, which is an ELF object, lead to a mark; and follows it: 0 = it leads
 * nowhere. */
void rf_vdso_mark_point(unsigned char *code, uint64_t mark);
uint64_t rf_vdso_mark_follow(const unsigned char *code);

/* Copies `bytes` of a process's memory; 0 or a negative errno. */
typedef int (*rf_vdso_read)(void *context, uint64_t address, void *to, size_t bytes);

/*
 * Finds the mark of a process with these mappings and this auxiliary vector; whether there is one,
 * and all that it speaks of is as it was left.  Memory is read only where the process has its own.
 */
bool rf_vdso_mark_find(struct rf_vdso_mark *mark, const struct rf_maps *maps, const void *auxv,
		       size_t auxv_bytes, rf_vdso_read read, void *context);

/* The same of the calling process. */
bool rf_vdso_mark_find_own(struct rf_vdso_mark *mark, const struct rf_maps *maps, const void *auxv,
			   size_t auxv_bytes);

/* What the process has by virtue of a mark, by number, and is no memory of its image; false behind
 * the last. */
bool rf_vdso_mark_range(const struct rf_vdso_mark *mark, uint32_t range, uint64_t *start,
			uint64_t *end);

/* The area of kind CODE; NULL if there is none. */
const struct rf_image_vdso_area *rf_vdso_code_area(const struct rf_image_vdso_area *areas,
						   uint32_t count);

#endif
