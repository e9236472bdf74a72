/* SPDX-License-Identifier: MIT */
/*
 * The parts of rfork-shell: the empty process that reads an image and becomes it.
 */
#ifndef RF_SHELL_H
#define RF_SHELL_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/image_reader.h"
#include "rfork/maps.h"
#include "rfork/plan_builder.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "rfork/vdso.h"

struct rf_shell {
	struct rf_machine_facts facts; /* of this node */
	struct rf_vdso vdso;
	bool has_mm_map; /* prctl(PR_SET_MM_MAP) works here */
	void *maps_buffer;
	size_t maps_bytes;
	struct rf_maps maps; /* of this shell, when it was ready */
	int connection;
	int report_fd;
	struct rf_reader reader;
	struct rf_image image;
	struct rf_places places;
	struct rf_report report;
};

/* shell_memory.c */

/* Decides which mapped files are taken by reference, chooses places, maps everything and sends
 * NEED.  0 or a negative errno with a report. */
int rf_shell_map_image(struct rf_shell *shell);

/* Receives all pages into place. */
int rf_shell_receive_pages(struct rf_shell *shell);

/* shell_descriptors.c */

/* Replaces the shell's descriptors by the image's; shell->report_fd moves to a number above them. */
int rf_shell_make_descriptors(struct rf_shell *shell);

/* Opens a file of the image if it is the same object here; a descriptor, -ENOENT or another
 * negative errno if it is not. */
int rf_shell_open_same(const struct rf_shell *shell, const struct rf_reader_file *file, int flags);

/* shell_overlay.c */

/* Bytes of the restorer's region. */
uint64_t rf_shell_region_bytes(const struct rf_shell *shell);

/* Builds the plan and leaves the shell for good.  Returns only a negative errno with a report. */
int rf_shell_become_image(struct rf_shell *shell);

#endif
