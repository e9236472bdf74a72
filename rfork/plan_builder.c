/* SPDX-License-Identifier: MIT */
/*
 * Plans a restore.  Called by the shell; a pure function of its arguments, so that unit
 * tests can check it: no system call, no allocation.
 */
#define _GNU_SOURCE
#include "rfork/plan_builder.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/rseq.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define PAGE_BYTES 4096u
/* Gaps are looked for above this address first: what lies below is where programs that are not
 * position independent, and null pointers with an offset, have their place. */
#define PREFERRED_ADDRESS UINT64_C(0x10000000)
#define KERNEL_SIGSET_BYTES 8u
#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)

/* -- places ------------------------------------------------------------------------------- */

/* Walks, in ascending order, over everything that is taken: the shell, the image, its vdso. */
struct taken {
	const struct rf_image *image;
	const struct rf_maps *shell;
	size_t mapping, map;
	uint32_t area;
};

static bool next_taken(struct taken *taken, uint64_t *start, uint64_t *end)
{
	uint64_t candidates[3][2] = { { UINT64_MAX }, { UINT64_MAX }, { UINT64_MAX } };
	unsigned lowest = 0;

	if (taken->map < taken->shell->count) {
		candidates[0][0] = taken->shell->entries[taken->map].start;
		candidates[0][1] = taken->shell->entries[taken->map].end;
	}
	if (taken->mapping < taken->image->head.mappings) {
		candidates[1][0] = taken->image->mappings[taken->mapping].start;
		candidates[1][1] = taken->image->mappings[taken->mapping].end;
	}
	if (taken->area < taken->image->vdso.areas) {
		candidates[2][0] = taken->image->vdso_areas[taken->area].start;
		candidates[2][1] = taken->image->vdso_areas[taken->area].end;
	}
	for (unsigned i = 1; i < 3; i++)
		if (candidates[i][0] < candidates[lowest][0])
			lowest = i;
	*start = candidates[lowest][0];
	*end = candidates[lowest][1];
	if (*start == UINT64_MAX)
		return false;
	taken->map += lowest == 0;
	taken->mapping += lowest == 1;
	taken->area += lowest == 2;
	return true;
}

/* Finds the lowest gap of `bytes` from `low` on; 0 if there is none.  Leaves a page free on either
 * side, so that nothing there joins or grows into a neighbour. */
static uint64_t find_gap(const struct rf_image *image, const struct rf_maps *shell, uint64_t low,
			 uint64_t max_address, uint64_t bytes)
{
	struct taken taken = { .image = image, .shell = shell };
	uint64_t start, end;

	low += PAGE_BYTES;
	bytes += PAGE_BYTES;
	while (next_taken(&taken, &start, &end)) {
		if (start > max_address)
			break; /* the kernel's own, such as [vsyscall] */
		if (start > low && start - low >= bytes)
			return low;
		if (end + PAGE_BYTES > low)
			low = end + PAGE_BYTES;
	}
	return low < max_address && max_address - low >= bytes ? low : 0;
}

uint64_t rf_plan_find_far_place(const struct rf_image *image, uint64_t min_address,
				uint64_t max_address, uint64_t bytes)
{
	const struct rf_maps nothing = { 0 };
	struct taken taken = { .image = image, .shell = &nothing };
	uint64_t low = min_address, best = min_address, largest = 0;
	uint64_t start, end;
	bool is_taken;

	do {
		is_taken = next_taken(&taken, &start, &end);
		if (!is_taken || start > max_address)
			start = max_address;
		if (start > low && start - low > largest) {
			best = low;
			largest = start - low;
		}
		low = end;
	} while (is_taken && start < max_address);
	if (largest < bytes + 2 * PAGE_BYTES)
		return 0;
	return (best + (largest - bytes) / 2) & ~(uint64_t)(PAGE_BYTES - 1);
}

static uint64_t staged_alignment(const struct rf_image_mapping *mapping)
{
	uint64_t bytes = rf_mapping_huge_bytes(mapping);

	return bytes > HUGE_PAGE_BYTES ? bytes : HUGE_PAGE_BYTES;
}

/* Whether it may have huge pages, whoever asked for them. */
static bool is_large(const struct rf_image_mapping *mapping)
{
	return mapping->end - mapping->start >= HUGE_PAGE_BYTES || rf_mapping_huge_bytes(mapping);
}

/* A large mapping is staged at home's offset within a huge page, or the kernel would split its huge
 * pages to move it.  A page stays free behind each: what was one mapping there with its neighbour
 * the kernel would join at home, too. */
static uint64_t staged_bytes(const struct rf_image_mapping *mapping)
{
	uint64_t bytes = mapping->end - mapping->start + PAGE_BYTES;

	return is_large(mapping) ? bytes + staged_alignment(mapping) : bytes;
}

static uint64_t staged_address(const struct rf_image_mapping *mapping, uint64_t low)
{
	return is_large(mapping) ? low + ((mapping->start - low) & (staged_alignment(mapping) - 1))
				 : low;
}

/* Sets the homes that are free, and the size of the staging area for the others. */
static void place_mappings(struct rf_places *places, const struct rf_image *image,
			   const struct rf_maps *shell)
{
	size_t map = 0;

	places->staging_bytes = 0;
	for (size_t i = 0; i < image->head.mappings; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];

		while (map < shell->count && shell->entries[map].end <= mapping->start)
			map++;
		places->mappings[i] = (struct rf_place){ .address = mapping->start };
		if (map < shell->count && shell->entries[map].start < mapping->end) {
			places->mappings[i].address = 0;
			places->staging_bytes += staged_bytes(mapping);
		}
	}
}

/* Lays out, from `address` on, what of shared memory must be mapped before its mappings are; its
 * bytes. */
static uint64_t place_shared(struct rf_places *places, const struct rf_image *image,
			     uint64_t address)
{
	uint64_t bytes = 0;
	uint32_t known = 0;

	for (size_t i = 0; i < image->head.mappings && known < image->shared_read; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];

		if (!rf_mapping_is_shared_memory(mapping) || mapping->file < known)
			continue;
		places->shared[known] = (struct rf_shared_place){ .address = 0 };
		if (mapping->end - mapping->start < image->shared[known].bytes) {
			places->shared[known].address = address + bytes;
			bytes += image->shared[known].bytes;
		}
		known++;
	}
	return bytes;
}

/* Whether the shell's vdso can be moved home while the shell is still there: each move costs. */
static bool is_vdso_home_free(const struct rf_image *image, const struct rf_maps *shell)
{
	uint64_t start, end;

	if (image->vdso.areas == 0)
		return false;
	start = image->vdso_areas[0].start;
	end = image->vdso_areas[image->vdso.areas - 1].end;
	for (size_t i = 0; i < shell->count; i++)
		if (shell->entries[i].start < end && shell->entries[i].end > start)
			return false;
	for (size_t i = 0; i < image->head.mappings; i++)
		if (image->mappings[i].start < end && image->mappings[i].end > start)
			return false;
	return true;
}

int rf_plan_place(struct rf_places *places, const struct rf_image *image,
		  const struct rf_maps *shell, const struct rf_vdso *vdso, uint64_t min_address,
		  uint64_t max_address, struct rf_report *report)
{
	uint64_t total, gap;

	place_mappings(places, image, shell);
	places->is_vdso_home_free = is_vdso_home_free(image, shell);
	places->parking_bytes = (uint64_t)(vdso->code_pages + vdso->data_pages) * PAGE_BYTES;
	places->sharing_bytes = place_shared(places, image, 0);
	total = places->region_bytes + places->parking_bytes + places->staging_bytes +
		places->sharing_bytes;
	gap = find_gap(image, shell, PREFERRED_ADDRESS, max_address, total);
	if (!gap)
		gap = find_gap(image, shell, min_address, max_address, total);
	if (!gap)
		return rf_report(report, ENOMEM, "no gap of %lu bytes in the address space", total);
	places->region_address = gap;
	places->parking_address = gap + places->region_bytes;
	places->staging_address = places->parking_address + places->parking_bytes;
	gap = places->staging_address;
	for (size_t i = 0; i < image->head.mappings; i++) {
		if (places->mappings[i].address)
			continue;
		places->mappings[i].address = staged_address(&image->mappings[i], gap);
		gap += staged_bytes(&image->mappings[i]);
	}
	places->sharing_address = places->staging_address + places->staging_bytes;
	place_shared(places, image, places->sharing_address);
	return 0;
}

/* -- steps ---------------------------------------------------------------------------------- */

struct writer {
	struct rf_step *steps;
	size_t count;
};

static struct rf_step *add_step(struct writer *writer, uint32_t number, uint64_t a, uint64_t b,
				uint64_t c, uint64_t d, uint64_t e)
{
	struct rf_step *step = &writer->steps[writer->count++];

	*step = (struct rf_step){ .check = RF_STEP_SUCCEEDS,
				  .number = number,
				  .arguments = { a, b, c, d, e, 0 } };
	return step;
}

static void add_move(struct writer *writer, uint64_t from, uint64_t to, uint64_t bytes)
{
	struct rf_step *step =
		add_step(writer, SYS_mremap, from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	step->check = RF_STEP_EQUALS;
	step->expected = to;
}

/* The kernel writes to the registered area whenever it schedules the thread. */
static void leave_rseq(struct writer *writer, const struct rf_plan_shell *shell)
{
	if (shell->rseq_address)
		add_step(writer, SYS_rseq, shell->rseq_address, shell->rseq_bytes,
			 RSEQ_FLAG_UNREGISTER, shell->rseq_signature, 0);
}

/* What the image has no room for stays, and is unmapped with the shell. */
static void move_vdso_home(struct writer *writer, const struct rf_image *image,
			   const struct rf_vdso *vdso)
{
	for (uint32_t i = 0; i < vdso->count && i < image->vdso.areas; i++)
		add_move(writer, vdso->areas[i].start, image->vdso_areas[i].start,
			 vdso->areas[i].end - vdso->areas[i].start);
}

static void park_vdso(struct writer *writer, const struct rf_image *image,
		      const struct rf_places *places, const struct rf_vdso *vdso)
{
	uint64_t parking = places->parking_address;

	if (places->is_vdso_home_free) {
		move_vdso_home(writer, image, vdso);
		return;
	}
	for (uint32_t i = 0; i < vdso->count; i++) {
		uint64_t bytes = vdso->areas[i].end - vdso->areas[i].start;

		add_move(writer, vdso->areas[i].start, parking, bytes);
		parking += bytes;
	}
}

static void bring_vdso_home(struct writer *writer, const struct rf_image *image,
			    const struct rf_places *places, const struct rf_vdso *vdso)
{
	uint64_t parking = places->parking_address;

	for (uint32_t i = 0; i < vdso->count && !places->is_vdso_home_free; i++) {
		uint64_t bytes = vdso->areas[i].end - vdso->areas[i].start;

		if (i < image->vdso.areas)
			add_move(writer, parking, image->vdso_areas[i].start, bytes);
		else
			add_step(writer, SYS_munmap, parking, bytes, 0, 0, 0);
		parking += bytes;
	}
}

/* Walks, in ascending order, over what must survive the shell: homes in use, the vdso's among them,
 * and our own areas. */
struct kept {
	const struct rf_image *image;
	const struct rf_places *places;
	size_t mapping;
	bool is_ours_passed, is_vdso_passed;
};

struct range {
	uint64_t start, end;
};

/* Which of the candidates is the lowest; one that starts at UINT64_MAX is none. */
static unsigned find_lowest(const struct range *candidates, unsigned count)
{
	unsigned lowest = 0;

	for (unsigned i = 1; i < count; i++)
		if (candidates[i].start < candidates[lowest].start)
			lowest = i;
	return lowest;
}

static bool next_kept(struct kept *kept, uint64_t *start, uint64_t *end)
{
	const struct rf_places *places = kept->places;
	const struct rf_image *image = kept->image;
	struct range candidates[3] = { { UINT64_MAX, 0 }, { UINT64_MAX, 0 }, { UINT64_MAX, 0 } };
	unsigned lowest;

	while (kept->mapping < image->head.mappings &&
	       places->mappings[kept->mapping].address != image->mappings[kept->mapping].start)
		kept->mapping++;
	if (kept->mapping < image->head.mappings)
		candidates[0] = (struct range){ image->mappings[kept->mapping].start,
						image->mappings[kept->mapping].end };
	/* region, parking and staging follow one another */
	if (!kept->is_ours_passed)
		candidates[1] = (struct range){ places->region_address,
						places->staging_address + places->staging_bytes };
	if (places->is_vdso_home_free && !kept->is_vdso_passed)
		candidates[2] = (struct range){ image->vdso_areas[0].start,
						image->vdso_areas[image->vdso.areas - 1].end };
	lowest = find_lowest(candidates, 3);
	*start = candidates[lowest].start;
	*end = candidates[lowest].end;
	kept->mapping += lowest == 0;
	kept->is_ours_passed |= lowest == 1;
	kept->is_vdso_passed |= lowest == 2;
	return *start != UINT64_MAX;
}

static void unmap(struct writer *writer, uint64_t start, uint64_t end)
{
	if (start < end)
		add_step(writer, SYS_munmap, start, end - start, 0, 0, 0);
}

/* Unmaps all that is not kept, whatever it is: nothing of the shell can be forgotten.  The vdso is
 * parked or at home by now; where nothing is mapped, unmapping costs little. */
static void leave_shell(struct writer *writer, const struct rf_image *image,
			const struct rf_places *places, const struct rf_plan_shell *shell)
{
	struct kept kept = { .image = image, .places = places };
	uint64_t from = shell->min_address;
	uint64_t start, end;

	while (next_kept(&kept, &start, &end)) {
		unmap(writer, from, start);
		from = end;
	}
	unmap(writer, from, shell->max_address);
}

/* What can be read is brought in, as it was; the rest as far as that is ever possible. */
static void lock_memory(struct writer *writer, const struct rf_image_mapping *mapping)
{
	uint64_t bytes = mapping->end - mapping->start;

	if (mapping->protection & RF_PROTECTION_READ && !(mapping->flags & RF_MAPPING_ONFAULT))
		add_step(writer, SYS_mlock, mapping->start, bytes, 0, 0, 0);
	else
		add_step(writer, SYS_mlock2, mapping->start, bytes, MLOCK_ONFAULT, 0, 0);
}

static void bring_mappings_home(struct writer *writer, const struct rf_image *image,
				const struct rf_places *places)
{
	for (size_t i = 0; i < image->head.mappings; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];
		const struct rf_place *place = &places->mappings[i];
		uint64_t bytes = mapping->end - mapping->start;

		if (place->address != mapping->start)
			add_move(writer, place->address, mapping->start, bytes);
		/* RF_PROTECTION_* are the kernel's PROT_* */
		if (place->protection != mapping->protection)
			add_step(writer, SYS_mprotect, mapping->start, bytes, mapping->protection,
				 0, 0);
		if (mapping->flags & RF_MAPPING_LOCKED)
			lock_memory(writer, mapping);
	}
}

_Static_assert(RF_PROTECTION_READ == PROT_READ && RF_PROTECTION_WRITE == PROT_WRITE &&
		       RF_PROTECTION_EXECUTE == PROT_EXEC,
	       "protections go to the kernel as they are");

/* The shell has default actions for all signals; only what differs costs a step. */
static void restore_actions(struct writer *writer, const struct rf_image *image,
			    uint64_t actions_address)
{
	for (int signal = 1; signal <= RF_IMAGE_SIGNALS; signal++) {
		const struct rf_image_sigaction *action = &image->sigactions[signal - 1];

		if (signal == SIGKILL || signal == SIGSTOP ||
		    !(action->handler | action->flags | action->restorer | action->mask))
			continue;
		add_step(writer, SYS_rt_sigaction, (uint64_t)signal,
			 actions_address + (uint64_t)(signal - 1) * sizeof(*action), 0,
			 KERNEL_SIGSET_BYTES, 0);
	}
}

/* Whatever the restored thread may do with it: nothing else touches the image's memory any more. */
static void give_keys(struct writer *writer, const struct rf_image *image)
{
	const struct rf_image_mapping *mapping = image->mappings;

	for (uint32_t i = 0; i < image->mark_count; i++) {
		const struct rf_image_mark *mark = &image->marks[i];

		while (mapping->end < mark->end)
			mapping++;
		if (mark->key)
			add_step(writer, SYS_pkey_mprotect, mark->start, mark->end - mark->start,
				 mapping->protection, mark->key, 0);
	}
}

size_t rf_plan_build_seals(struct rf_step *steps, const struct rf_image *image)
{
	struct writer writer = { .steps = steps };

	give_keys(&writer, image);
	for (uint32_t i = 0; i < image->mark_count; i++) {
		const struct rf_image_mark *mark = &image->marks[i];

		if (mark->flags & RF_MAPPING_SEALED)
			add_step(&writer, RF_SYS_MSEAL, mark->start, mark->end - mark->start, 0, 0,
				 0);
	}
	return writer.count;
}

size_t rf_plan_max_steps(const struct rf_image *image)
{
	/* for each mapping a gap before it, a move, a protection, a lock, a key and a seal */
	return 6 * (size_t)image->head.mappings + 2 * RF_IMAGE_MAX_VDSO_AREAS + RF_IMAGE_SIGNALS +
	       16;
}

size_t rf_plan_build(struct rf_step *steps, const struct rf_image *image,
		     const struct rf_places *places, const struct rf_plan_shell *shell)
{
	struct writer writer = { .steps = steps };

	leave_rseq(&writer, shell);
	park_vdso(&writer, image, places, shell->vdso);
	leave_shell(&writer, image, places, shell);
	bring_mappings_home(&writer, image, places);
	bring_vdso_home(&writer, image, places, shell->vdso);
	if (shell->has_mm_map)
		add_step(&writer, SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, shell->mm_map_address,
			 shell->mm_map_bytes, 0);
	restore_actions(&writer, image, shell->actions_address);
	return writer.count;
}

size_t rf_plan_build_thread(struct rf_step *steps, const struct rf_image_thread *thread,
			    bool is_tid_cached)
{
	struct writer writer = { .steps = steps };
	struct rf_step *step;

	add_step(&writer, SYS_arch_prctl, ARCH_SET_FS, thread->registers.fs_base, 0, 0, 0);
	add_step(&writer, SYS_arch_prctl, ARCH_SET_GS, thread->registers.gs_base, 0, 0, 0);
	/* also where the image has none: the shell's would be written to when the thread exits */
	step = add_step(&writer, SYS_set_tid_address, thread->tid_address, 0, 0, 0, 0);
	if (thread->tid_address && is_tid_cached) {
		step->check = RF_STEP_STORES;
		step->expected = thread->tid_address;
	}
	add_step(&writer, SYS_set_robust_list, thread->robust_list,
		 thread->robust_list ? thread->robust_list_bytes : sizeof(struct robust_list_head),
		 0, 0, 0);
	if (thread->rseq_address)
		add_step(&writer, SYS_rseq, thread->rseq_address, thread->rseq_bytes, 0,
			 thread->rseq_signature, 0);
	return writer.count;
}

size_t rf_plan_build_last(struct rf_step *steps, int report_fd, uint64_t report_address)
{
	struct writer writer = { .steps = steps };

	if (report_address)
		add_step(&writer, SYS_write, (uint64_t)report_fd, report_address,
			 RF_SHELL_REPORT_SHORT_BYTES, 0, 0);
	if (report_fd >= 0)
		add_step(&writer, SYS_close, (uint64_t)report_fd, 0, 0, 0, 0);
	return writer.count;
}

bool rf_plan_vdso_fits(const struct rf_image *image, const struct rf_vdso *vdso)
{
	if (image->vdso.areas == 0)
		return true; /* the process had none, and needs none */
	if (image->vdso.areas != vdso->count || image->vdso.digest != vdso->digest)
		return false;
	for (uint32_t i = 0; i < vdso->count; i++)
		if (image->vdso_areas[i].kind != vdso->areas[i].kind ||
		    image->vdso_areas[i].end - image->vdso_areas[i].start !=
			    vdso->areas[i].end - vdso->areas[i].start ||
		    /* the code finds its data relative to itself */
		    image->vdso_areas[i].start - image->vdso_areas[0].start !=
			    vdso->areas[i].start - vdso->areas[0].start)
			return false;
	return true;
}
