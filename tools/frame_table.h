/* SPDX-License-Identifier: MIT */
/*
 * A search table of call frame information for an object that has none: static programs have no
 * .eh_frame_hdr.  Their .eh_frame is found in the memory of the image, by what it looks like, and
 * read once.
 */
#ifndef TOOLS_FRAME_TABLE_H
#define TOOLS_FRAME_TABLE_H

#include "tools/objects.h"

/* As the entries of .eh_frame_hdr: relative to the object's start. */
struct rf_frame_entry {
	int32_t function, description;
};

struct rf_frame_table {
	struct rf_frame_entry *entries; /* ascending by function */
	size_t count, capacity;
	unsigned records_left; /* that may be read: hostile ones could be read again and again */
};

/* Fills the table; it stays empty where nothing is found.  0 or -ENOMEM. */
int rf_frame_table_read(struct rf_frame_table *table, struct rf_image_memory *memory,
			const struct rf_object *object);
void rf_frame_table_release(struct rf_frame_table *table);

#endif
