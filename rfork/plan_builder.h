/* SPDX-License-Identifier: MIT */
/*
 * From a validated image to a plan, without a system call: where each mapping is put while
 * the shell still stands, and which steps turn the one into the other.
 */
#ifndef RF_PLAN_BUILDER_H
#define RF_PLAN_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_reader.h"
#include "rfork/maps.h"
#include "rfork/report.h"
#include "rfork/restore_plan.h"
#include "rfork/vdso.h"

/* Where one mapping of the image lies until the restorer runs. */
struct rf_place {
	uint64_t address;    /* the mapping's home, or its place in the staging area */
	uint32_t protection; /* that it has there */
};

/* Where memory that several mappings show is mapped whole, from its beginning on. */
struct rf_shared_place {
	uint64_t address; /* 0 = where its first mapping is, which has all of it */
	bool is_mapped;
	bool is_huge; /* fd is the memory itself, in huge pages */
	int fd;
};

struct rf_places {
	bool is_vdso_home_free;			 /* the shell's vdso goes there at once */
	struct rf_place *mappings;		 /* one for each mapping of the image */
	struct rf_shared_place *shared;		 /* one for each shared memory of the image */
	uint64_t region_address, region_bytes;	 /* the restorer's */
	uint64_t parking_address, parking_bytes; /* for the shell's vdso */
	uint64_t staging_address,
		staging_bytes; /* for mappings whose home is taken; may be empty */
	uint64_t sharing_address, sharing_bytes; /* for shared memory that no mapping has whole; the
						  * plan unmaps it */
};

/*
 * Chooses addresses: home where the shell has nothing, else one staging area that is free in
 * both.  places->mappings and places->shared have room for all of the image's; places->region_bytes
 * is set.  0, or -ENOMEM with a report when no gap is large enough.
 */
int rf_plan_place(struct rf_places *places, const struct rf_image *image,
		  const struct rf_maps *shell, const struct rf_vdso *vdso, uint64_t min_address,
		  uint64_t max_address, struct rf_report *report);

/*
 * Finds a place in the image, whatever the shell has there, for what stays beside the process as
 * long as that lives: in the middle of the largest gap, far from heap and stack, which grow.  0 if
 * there is none of so many bytes.
 */
uint64_t rf_plan_find_far_place(const struct rf_image *image, uint64_t min_address,
				uint64_t max_address, uint64_t bytes);

/* Facts of the shell that end with it. */
struct rf_plan_shell {
	const struct rf_vdso *vdso;
	uint64_t rseq_address; /* 0 = none registered */
	uint32_t rseq_bytes, rseq_signature;
	bool has_mm_map;		   /* prctl(PR_SET_MM_MAP) works */
	uint64_t min_address, max_address; /* what can be mapped here */
	uint64_t actions_address;	   /* where the image's sigactions lie in the region */
	uint64_t mm_map_address;	   /* where struct prctl_mm_map lies in the region */
	uint64_t mm_map_bytes;
};

/* How many steps rf_plan_build() and rf_plan_build_seals() write at most. */
size_t rf_plan_max_steps(const struct rf_image *image);

/*
 * Writes the steps that the process needs, whatever its threads are; returns their number.  The
 * shell's vdso must have the same areas as the image's (rf_plan_vdso_fits).
 */
size_t rf_plan_build(struct rf_step *steps, const struct rf_image *image,
		     const struct rf_places *places, const struct rf_plan_shell *shell);

/* Writes the steps that put memory under its keys and seal it: the last ones, for what is sealed
 * can be moved and protected no more; returns their number. */
size_t rf_plan_build_seals(struct rf_step *steps, const struct rf_image *image);

#define RF_PLAN_THREAD_STEPS 5u

/* Writes what a thread does for itself, at most RF_PLAN_THREAD_STEPS; returns how much that is.
 * is_tid_cached: the image's tid_address holds its tid, and is to hold the new one. */
size_t rf_plan_build_thread(struct rf_step *steps, const struct rf_image_thread *thread,
			    bool is_tid_cached);

#define RF_PLAN_LAST_STEPS 2u

/* Writes what is done in the name of an image whose main thread was interrupted, for no code of
 * ours will run in it: it reports what lies at report_address, if that is not 0, and closes the
 * descriptor, if there is one. */
size_t rf_plan_build_last(struct rf_step *steps, int report_fd, uint64_t report_address);

/* Whether the image's vdso can be stood in for by the shell's: same build, same areas. */
bool rf_plan_vdso_fits(const struct rf_image *image, const struct rf_vdso *vdso);

#endif
