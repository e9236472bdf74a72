/* SPDX-License-Identifier: MIT */
/*
 * Finds the code of an image's vdso, for whoever looks at the process: the writer of cores and the
 * backtrace.
 */
#define _GNU_SOURCE
#include "tools/vdso_code.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "rfork/machine_facts.h"
#include "rfork/vdso_mark.h"

#define MAX_VDSO_BYTES RF_IMAGE_MAX_VDSO_CODE_BYTES

/* Our own, if it is of the same build. */
static const unsigned char *find_own(const struct rf_image *image, size_t bytes)
{
	struct rf_machine_facts here;

	if (rf_machine_facts_collect(&here) < 0 || here.vdso_digest == 0 ||
	    here.vdso_digest != image->vdso.digest ||
	    (size_t)here.vdso_pages * here.page_bytes != bytes)
		return NULL;
	return (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
}

int rf_vdso_code_find(struct rf_vdso_code *code, struct rf_source *source)
{
	const struct rf_image_vdso_area *area =
		rf_vdso_code_area(source->image.vdso_areas, source->image.vdso.areas);
	size_t bytes;

	*code = (struct rf_vdso_code){ 0 };
	if (!area || area->end - area->start > MAX_VDSO_BYTES)
		return 0;
	bytes = (size_t)(area->end - area->start);
	code->allocated = malloc(bytes);
	if (!code->allocated)
		return -ENOMEM;
	code->address = area->start;
	code->code = code->allocated;
	if (source->image.vdso_code)
		code->code = source->image.vdso_code;
	else if (rf_source_read(source, area->start, code->allocated, bytes) != (ssize_t)bytes)
		code->code = find_own(&source->image, bytes);
	code->bytes = code->code ? bytes : 0;
	return 0;
}

void rf_vdso_code_release(struct rf_vdso_code *code)
{
	free(code->allocated);
	*code = (struct rf_vdso_code){ 0 };
}
