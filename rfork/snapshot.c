/* SPDX-License-Identifier: MIT */
/*
 * Collects what an image says before its pages.  Called by the ghost after the capture point: all
 * memory is the arena's, nothing allocates or touches errno, and no page of the image is written.
 */
#define _GNU_SOURCE
#include "rfork/snapshot_parts.h"

#include <errno.h>
#include <string.h>

#include "rfork/clocks.h"
#include "rfork/vdso.h"

void *rf_snapshot_take(struct rf_snapshot *snapshot, size_t bytes)
{
	void *memory = rf_arena_take(snapshot->arena, bytes);

	if (memory)
		return memory;
	if (!snapshot->large.base && rf_arena_map(&snapshot->large, RF_ARENA_LARGE_BYTES) < 0)
		return NULL;
	return rf_arena_take(&snapshot->large, bytes);
}

/* Of a process that came from another kernel: what it had there. */
static void take_original_vdso(struct rf_snapshot *snapshot)
{
	const struct rf_vdso_mark *mark = &snapshot->mark;

	snapshot->vdso = mark->vdso;
	memcpy(snapshot->vdso_areas, mark->areas, sizeof(mark->areas));
	snapshot->vdso_code = (const void *)(uintptr_t)mark->code;
}

static int collect_vdso(struct rf_snapshot *snapshot, struct rf_report *report)
{
	const struct rf_image_vdso_area *code;
	struct rf_vdso vdso;
	int error;

	if (snapshot->is_redirected) {
		take_original_vdso(snapshot);
		return 0;
	}
	error = rf_vdso_find(&vdso, &snapshot->maps);
	if (error < 0)
		return rf_report(report, ENOTSUP,
				 "the vdso of this process cannot be described: %s",
				 strerrordesc_np(-error));
	snapshot->vdso = (struct rf_image_vdso){ .digest = vdso.digest, .areas = vdso.count };
	memcpy(snapshot->vdso_areas, vdso.areas, vdso.count * sizeof(vdso.areas[0]));
	code = rf_vdso_code_area(vdso.areas, vdso.count);
	snapshot->vdso_code = code ? (const void *)(uintptr_t)code->start : NULL;
	return 0;
}

/* A process without a working directory goes nowhere, but what else is in the way is to be
 * found. */
static int refuse_directory(struct rf_snapshot *snapshot, struct rf_refusals *refusals,
			    struct rf_report *report)
{
	snapshot->process.cwd_bytes = 1;
	snapshot->cwd[0] = '/';
	return rf_refuse_reported(refusals, report);
}

int rf_snapshot_collect_state(struct rf_snapshot *snapshot, struct rf_arena *arena,
			      const struct rf_arch_context *context,
			      struct rf_snapshot_request *request, struct rf_report *report)
{
	int error;

	snapshot->arena = arena;
	rf_clocks_read(&snapshot->clocks);
	rf_procstate_sigactions(snapshot->sigactions);
	rf_procstate_thread(&snapshot->thread, context, request->signal_mask);
	if (request->key_rights.are_known) {
		snapshot->thread.flags |= RF_THREAD_KEY_RIGHTS;
		snapshot->thread.key_rights = request->key_rights.rights;
	}
	snapshot->auxv = request->ranges.auxv;
	error = rf_procstate_collect(&snapshot->process, &request->ranges, snapshot->cwd, report);
	if (error < 0 && request->refusals)
		error = refuse_directory(snapshot, request->refusals, report);
	if (error < 0)
		return error;
	if (request->key_rights.are_known)
		snapshot->process.protection_keys = rf_keys_allocated();
	error = rf_snapshot_collect_mappings(snapshot, request, report);
	if (error < 0)
		return error;
	error = collect_vdso(snapshot, report);
	if (error < 0)
		return error;
	return rf_snapshot_name_files(snapshot, request->fds, report);
}

int rf_snapshot_collect(struct rf_snapshot *snapshot, struct rf_arena *arena,
			const struct rf_arch_context *context, struct rf_snapshot_request *request,
			struct rf_report *report)
{
	int error = rf_snapshot_collect_state(snapshot, arena, context, request, report);

	return error < 0 ? error : rf_snapshot_find_pages(snapshot, report);
}
