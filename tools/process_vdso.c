/* SPDX-License-Identifier: MIT */
/*
 * The vdso of a stopped process: that of the kernel on which it began, by the rules by which a
 * ghost tells of itself (rfork/vdso_mark.h).  Called by process_memory.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/digest.h"
#include "rfork/vdso.h"
#include "tools/process_internal.h"

static int read_memory(void *context, uint64_t address, void *to, size_t bytes)
{
	return rf_tracee_read(context, address, to, bytes);
}

void rf_process_find_vdso(struct rf_process *process)
{
	const struct rf_image *image = &process->source->image;

	process->is_redirected = rf_vdso_mark_find(&process->mark, &process->maps, image->auxv,
						   image->process.auxv_bytes, read_memory,
						   &process->tracees);
}

/* Takes the code from where the process has it. */
static int read_code(struct rf_process *process, uint64_t address)
{
	struct rf_image *image = &process->source->image;
	const struct rf_image_vdso_area *code =
		rf_vdso_code_area(image->vdso_areas, image->vdso.areas);
	size_t bytes = (size_t)(code->end - code->start);
	int error;

	if (bytes > RF_IMAGE_MAX_VDSO_CODE_BYTES)
		return -E2BIG;
	image->vdso_code = malloc(bytes);
	if (!image->vdso_code)
		return -ENOMEM;
	error = rf_tracee_read(&process->tracees, address, image->vdso_code, bytes);
	if (error == 0)
		image->vdso.digest = rf_digest64(image->vdso_code, bytes);
	return error;
}

static int read_own_vdso(struct rf_process *process, const struct rf_vdso *vdso)
{
	struct rf_image *image = &process->source->image;

	if (!vdso->count)
		return 0;
	image->vdso = (struct rf_image_vdso){ .areas = vdso->count };
	memcpy(image->vdso_areas, vdso->areas, vdso->count * sizeof(vdso->areas[0]));
	return read_code(process, rf_vdso_code_area(vdso->areas, vdso->count)->start);
}

/*
 * A thread that was stopped in the original code stands in what the image has instead of it.  This
 * kernel's own is in no image: -EAGAIN for one that stands there, which it does for nanoseconds.
 */
static int return_threads(struct rf_process *process, const struct rf_vdso *vdso)
{
	const struct rf_vdso_mark *mark = &process->mark;
	const struct rf_image_vdso_area *old = rf_vdso_code_area(mark->areas, mark->vdso.areas);
	const struct rf_image_vdso_area *own = rf_vdso_code_area(vdso->areas, vdso->count);
	struct rf_image *image = &process->source->image;

	for (uint32_t i = 0; i < image->head.threads; i++) {
		struct rf_image_registers *registers = &image->threads[i].image.registers;

		if (own && own->start <= registers->rip && registers->rip < own->end)
			return -EAGAIN;
		if (registers->rip - mark->code < old->end - old->start)
			registers->rip += old->start - mark->code;
	}
	return 0;
}

static int read_original_vdso(struct rf_process *process, const struct rf_vdso *vdso)
{
	const struct rf_vdso_mark *mark = &process->mark;
	struct rf_image *image = &process->source->image;
	int error;

	image->vdso = mark->vdso;
	memcpy(image->vdso_areas, mark->areas, sizeof(mark->areas));
	error = read_code(process, mark->code);
	if (error == 0 && image->vdso.digest != mark->vdso.digest)
		error = -ESTALE;
	return error < 0 ? error : return_threads(process, vdso);
}

int rf_process_read_vdso(struct rf_process *process, struct rf_report *report)
{
	struct rf_vdso vdso;
	int error = rf_vdso_locate(&vdso, &process->maps);

	if (error == 0)
		error = process->is_redirected ? read_original_vdso(process, &vdso)
					       : read_own_vdso(process, &vdso);
	return error < 0
		       ? rf_report(report, -error, "the vdso of process %d cannot be described: %m",
				   (int)process->tracees.pid)
		       : 0;
}
