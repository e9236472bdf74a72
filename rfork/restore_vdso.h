/* SPDX-License-Identifier: MIT */
/*
 * An image with the vdso of another kernel build becomes one that this kernel can run: the old code
 * and data are memory of its own from then on, and the vdso that it has is this one, at a place
 * where the image has nothing.  Used by rfork-shell and by executables that restart themselves.
 */
#ifndef RF_RESTORE_VDSO_H
#define RF_RESTORE_VDSO_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/image_reader.h"
#include "rfork/plan_builder.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "rfork/vdso.h"
#include "rfork/vdso_mark.h"

/* A mapping that was added to an image, whose kind is none of the format's: ANONYMOUS in every
 * respect. */
#define RF_MAPPING_OF_VDSO UINT32_MAX

struct rf_restore_vdso {
	unsigned char *copy;	   /* the redirected code; NULL = nothing was to be done */
	const unsigned char *code; /* as it was */
	size_t bytes;
	uint64_t address; /* the code's old place */
	struct rf_vdso_mark mark;
};

/*
 * Before memory is placed.  own: of the calling process.  Does nothing where the image's vdso is
 * that, or where it has none; else changes image->mappings, vdso, vdso_areas, and threads that
 * stand in the old code.  0, or a negative errno with a report: -ENOEXEC if the image's vdso cannot
 * be redirected.
 */
int rf_restore_vdso(struct rf_restore_vdso *vdso, struct rf_image *image, const struct rf_vdso *own,
		    const struct rf_machine_facts *facts, struct rf_report *report);

/* Fills the memory that was added, when all is mapped at `places`; 0 or a negative errno with a
 * report. */
int rf_restore_vdso_fill(const struct rf_restore_vdso *vdso, const struct rf_image *image,
			 const struct rf_places *places, struct rf_report *report);

#endif
