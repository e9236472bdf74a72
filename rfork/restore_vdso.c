/* SPDX-License-Identifier: MIT */
/*
 * Makes room in an image for two vdsos, and for the mark by which the next capture knows the
 * original.  Beside the process lie, one behind the other: this kernel's vdso; the mark; the
 * original once more, for threads that were stopped in it, and for the next image.
 */
#define _GNU_SOURCE
#include "rfork/restore_vdso.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/sys.h"
#include "rfork/vdso_redirect.h"

#define PAGE_BYTES 4096u
/* From the first area to the last: Linux has eight pages. */
#define MAX_VDSO_BYTES ((uint64_t)1 << 20)
/* The old areas, the mark with the data before the original code, that code, data behind it. */
#define MAX_ADDED (RF_IMAGE_MAX_VDSO_AREAS + 3)

struct addition {
	struct rf_image_mapping mappings[MAX_ADDED];
	size_t count;
};

static uint64_t extent(const struct rf_image_vdso_area *areas, uint32_t count)
{
	return count ? areas[count - 1].end - areas[0].start : 0;
}

static int refuse(const struct rf_image *image, struct rf_report *report, const char *why)
{
	return rf_report(report, ENOEXEC,
			 "the program ran on another kernel build (%s): its vdso %s",
			 image->has_facts ? image->facts.kernel_release : "of unknown release",
			 why);
}

/* -- the image ------------------------------------------------------------------------------ */

static void add(struct addition *addition, uint64_t start, uint64_t end, uint32_t protection)
{
	if (start < end)
		addition->mappings[addition->count++] =
			(struct rf_image_mapping){ .start = start,
						   .end = end,
						   .protection = protection,
						   .kind = RF_MAPPING_OF_VDSO,
						   .file = RF_IMAGE_NONE };
}

static void add_all(struct addition *addition, const struct rf_restore_vdso *vdso)
{
	const uint32_t readable = RF_PROTECTION_READ;
	const uint32_t executable = RF_PROTECTION_READ | RF_PROTECTION_EXECUTE;
	const struct rf_vdso_mark *mark = &vdso->mark;

	for (uint32_t i = 0; i < mark->vdso.areas; i++)
		add(addition, mark->areas[i].start, mark->areas[i].end,
		    mark->areas[i].kind == RF_VDSO_CODE ? executable : readable);
	add(addition, mark->start, mark->code, readable);
	add(addition, mark->code, mark->code + vdso->bytes, executable);
	add(addition, mark->code + vdso->bytes, mark->end, readable);
}

/* Puts a mapping among those that ascend; there is room. */
static void insert(struct rf_image *image, const struct rf_image_mapping *mapping)
{
	size_t at = image->head.mappings;

	while (at && image->mappings[at - 1].start > mapping->start) {
		image->mappings[at] = image->mappings[at - 1];
		at--;
	}
	image->mappings[at] = *mapping;
	image->head.mappings++;
	image->mappings_read++;
}

static int add_mappings(struct rf_image *image, const struct rf_restore_vdso *vdso,
			struct rf_report *report)
{
	struct addition addition = { .count = 0 };
	struct rf_image_mapping *mappings;

	add_all(&addition, vdso);
	mappings = realloc(image->mappings,
			   (image->head.mappings + addition.count) * sizeof(*image->mappings));
	if (!mappings)
		return rf_report(report, ENOMEM, "no memory for the list of mappings");
	image->mappings = mappings;
	for (size_t i = 0; i < addition.count; i++)
		insert(image, &addition.mappings[i]);
	return 0;
}

/* A thread that was stopped in the old code, whose entries are overwritten, goes on in the
 * unchanged one.  The data are zero: a clock that cannot be read without a system call. */
static void move_threads(struct rf_image *image, const struct rf_restore_vdso *vdso)
{
	for (uint32_t i = 0; i < image->head.threads; i++) {
		struct rf_image_registers *registers = &image->threads[i].image.registers;

		if (registers->rip - vdso->address < vdso->bytes)
			registers->rip += vdso->mark.code - vdso->address;
	}
}

/* Now the image's vdso is this kernel's, at `address`. */
static void replace_vdso(struct rf_image *image, const struct rf_vdso *own, uint64_t address)
{
	image->vdso = (struct rf_image_vdso){ .digest = own->digest, .areas = own->count };
	for (uint32_t i = 0; i < own->count; i++) {
		image->vdso_areas[i] = own->areas[i];
		image->vdso_areas[i].start += address - own->areas[0].start;
		image->vdso_areas[i].end += address - own->areas[0].start;
	}
}

/* -- places --------------------------------------------------------------------------------- */

/* Finds the old code, as the image carries it, or in the own vdso if only the areas differ. */
static int find_code(struct rf_restore_vdso *vdso, const struct rf_image *image,
		     const struct rf_vdso *own, struct rf_report *report)
{
	const struct rf_image_vdso_area *code =
		rf_vdso_code_area(image->vdso_areas, image->vdso.areas);
	const struct rf_image_vdso_area *own_code = rf_vdso_code_area(own->areas, own->count);

	vdso->address = code->start;
	vdso->bytes = (size_t)(code->end - code->start);
	vdso->code = image->vdso_code;
	if (!vdso->code && own_code && own->digest == image->vdso.digest &&
	    vdso->bytes == own_code->end - own_code->start)
		vdso->code = (const unsigned char *)(uintptr_t)own_code->start;
	return vdso->code ? 0 : refuse(image, report, "is not in the image");
}

static uint64_t choose_places(struct rf_restore_vdso *vdso, const struct rf_image *image,
			      const struct rf_vdso *own, const struct rf_machine_facts *facts)
{
	struct rf_vdso_mark *mark = &vdso->mark;
	uint64_t own_bytes = extent(own->areas, own->count);
	uint64_t old_bytes = extent(image->vdso_areas, image->vdso.areas);
	uint64_t address;

	if (own_bytes > MAX_VDSO_BYTES || old_bytes > MAX_VDSO_BYTES)
		return 0;
	address = rf_plan_find_far_place(image, facts->min_address, facts->max_address,
					 own_bytes + PAGE_BYTES + old_bytes);
	mark->start = address + own_bytes;
	mark->end = mark->start + PAGE_BYTES + old_bytes;
	mark->code = mark->start + PAGE_BYTES + (vdso->address - image->vdso_areas[0].start);
	mark->vdso = image->vdso;
	memcpy(mark->areas, image->vdso_areas, sizeof(mark->areas));
	rf_vdso_mark_seal(mark);
	return address;
}

static int redirect(struct rf_restore_vdso *vdso, const struct rf_vdso *own, uint64_t address,
		    struct rf_report *report)
{
	const struct rf_image_vdso_area *code = rf_vdso_code_area(own->areas, own->count);
	struct rf_vdso_target target = { 0 };

	vdso->copy = malloc(vdso->bytes);
	if (!vdso->copy)
		return rf_report(report, ENOMEM, "no memory for the image's vdso");
	if (code)
		target = (struct rf_vdso_target){
			.code = (const void *)(uintptr_t)code->start,
			.bytes = (size_t)(code->end - code->start),
			.address = code->start - own->areas[0].start + address,
		};
	memcpy(vdso->copy, vdso->code, vdso->bytes);
	rf_vdso_mark_point(vdso->copy, vdso->mark.start);
	return rf_vdso_redirect(vdso->copy, vdso->code, vdso->bytes, &target, report);
}

int rf_restore_vdso(struct rf_restore_vdso *vdso, struct rf_image *image, const struct rf_vdso *own,
		    const struct rf_machine_facts *facts, struct rf_report *report)
{
	uint64_t address;
	int error;

	if (rf_plan_vdso_fits(image, own))
		return 0;
	error = find_code(vdso, image, own, report);
	if (error < 0)
		return error;
	address = choose_places(vdso, image, own, facts);
	if (!address)
		return refuse(image, report, "finds no place");
	error = redirect(vdso, own, address, report);
	if (error == 0)
		error = add_mappings(image, vdso, report);
	if (error < 0)
		return error;
	move_threads(image, vdso);
	replace_vdso(image, own, address);
	return 0;
}

/* -- memory --------------------------------------------------------------------------------- */

static int fill(const struct rf_image *image, const struct rf_places *places, uint64_t address,
		const void *data, size_t bytes, struct rf_report *report)
{
	size_t index = rf_image_find_mapping(image, address, address + bytes);
	const struct rf_image_mapping *mapping = &image->mappings[index];
	struct rf_place *place = &places->mappings[index];
	int error;

	place->protection = RF_PROTECTION_READ | RF_PROTECTION_WRITE;
	error = (int)rf_syscall(SYS_mprotect, place->address, mapping->end - mapping->start,
				place->protection);
	if (error < 0)
		return rf_report(report, -error, "memory for the image's vdso: %m");
	memcpy((void *)(uintptr_t)(address - mapping->start + place->address), data, bytes);
	return 0;
}

int rf_restore_vdso_fill(const struct rf_restore_vdso *vdso, const struct rf_image *image,
			 const struct rf_places *places, struct rf_report *report)
{
	const struct rf_vdso_mark *mark = &vdso->mark;
	int error;

	if (!vdso->copy)
		return 0;
	error = fill(image, places, vdso->address, vdso->copy, vdso->bytes, report);
	if (error == 0)
		error = fill(image, places, mark->start, mark, sizeof(*mark), report);
	if (error == 0)
		error = fill(image, places, mark->code, vdso->code, vdso->bytes, report);
	return error;
}
