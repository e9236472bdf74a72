/* SPDX-License-Identifier: MIT */
/*
 * The parts of rfork-start: the program at the beginning of an executable that undump wrote,
 * which reads the image behind it and becomes it.
 */
#ifndef RF_START_H
#define RF_START_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "rfork/attributes.h"
#include "rfork/boot_id.h"
#include "rfork/maps.h"
#include "rfork/plan_builder.h"
#include "rfork/report.h"
#include "rfork/restore_pipes.h"
#include "rfork/restore_vdso.h"
#include "rfork/statefile_image.h"
#include "rfork/vdso.h"
#include "rfork/warnings.h"

/* What the kernel passed. */
struct rf_start_arguments {
	int argc;
	char **argv;
	char **envp;
	uint64_t phdr, phdrs; /* of this program: AT_PHDR, AT_PHNUM */
	uint64_t vdso;	      /* AT_SYSINFO_EHDR; 0 = none */
	const char *file;     /* AT_EXECFN */
	const char *strings;  /* of all arguments, then of the environment */
	uint64_t strings_bytes;
};

struct rf_start {
	struct rf_start_arguments arguments;
	int fd; /* of the own file */
	struct rf_statefile file;
	uint8_t boot_id[RF_BOOT_ID_BYTES];
	bool is_same_boot;	       /* as the image says */
	struct rf_machine_facts facts; /* of this machine, as far as they matter here */
	uint64_t memory_start, memory_bytes;
	struct rf_maps maps; /* of this program */
	struct rf_vdso vdso;
	struct rf_restore_vdso foreign_vdso; /* of an image from another kernel */
	struct rf_places places;
	struct rf_attributes own; /* as the kernel started us */
	struct rf_warnings warnings;
	int64_t started_ns; /* CLOCK_MONOTONIC as it is now */
	int *contents; /* files whose bytes the image holds, by object; NULL = there are none */
	struct rlimit limit; /* of open files, as it was */
	bool is_limit_raised;
	int report_fd; /* standard error, above all numbers of the image */
	struct rf_report report;
};

/* All functions return 0 or a negative errno with a report, unless they say otherwise. */

/* self.c */

/* Opens the own file and finds its note. */
int rf_start_open_self(struct rf_start *start);

/* Lists the own mappings and finds the vdso, also where there is no /proc. */
int rf_start_find_maps(struct rf_start *start);

/* contents.c */

/* Makes the files whose bytes the image holds, complete but for their seals. */
int rf_start_make_contents(struct rf_start *start);

/* Opens the file of a mapping of one; the descriptor or a negative errno, without a report. */
int rf_start_open_content(const struct rf_start *start, const struct rf_image_mapping *mapping);

/* Closes all descriptors from `first` on but those of these files. */
void rf_start_close_others(const struct rf_start *start, unsigned first);

/* Gives the files their modes and seals, and closes them. */
int rf_start_finish_contents(struct rf_start *start);

/* memory.c */

/* Chooses places and maps the image's memory. */
int rf_start_map_image(struct rf_start *start);

/* descriptors.c */

/* Replaces the own descriptors by the image's; start->report_fd moves above them. */
int rf_start_make_descriptors(struct rf_start *start);

/* The lowest number above all of the image's. */
unsigned rf_start_first_free_fd(const struct rf_start *start);

/* Raises the limit of open files, if it can be, so that there are `more` numbers above those of
 * the image, and some. */
void rf_start_raise_limit(struct rf_start *start, uint32_t more);

/* files.c */

/* Opens the file of a FILE mapping if it is provably the same; the descriptor, -ESTALE if
 * another file has its path, or another negative errno; without a report. */
int rf_start_open_mapped(const struct rf_start *start, const struct rf_image_mapping *mapping);

/* The same for a descriptor's, with flags of open(2). */
int rf_start_reopen(const struct rf_start *start, const struct rf_image_descriptor *descriptor,
		    int flags);

#endif
