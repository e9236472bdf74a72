/* SPDX-License-Identifier: MIT */
/*
 * The ELF objects that are loaded in an image, as far as its own memory says: the program, its
 * libraries, the vdso.  Needs no file: of other machines' libraries the image itself has the
 * headers.
 */
#ifndef TOOLS_OBJECTS_H
#define TOOLS_OBJECTS_H

#include "tools/image_memory.h"

#define RF_OBJECT_MAX_BUILD_ID 64u

struct rf_symbols;

struct rf_object {
	const char *name;		 /* path, "[vdso]", or "[memory]" */
	char *own_name;			 /* the same, to be freed; NULL = it is the image's */
	uint64_t start, end;		 /* from its first to its last segment */
	uint64_t bias;			 /* what is added to the addresses in its headers */
	uint64_t frame_header;		 /* address of .eh_frame_hdr; 0 = none */
	uint64_t dynamic, dynamic_bytes; /* of PT_DYNAMIC */
	unsigned char build_id[RF_OBJECT_MAX_BUILD_ID];
	size_t build_id_bytes;	    /* 0 = none */
	size_t mapping;		    /* the first one; SIZE_MAX of the vdso */
	struct rf_symbols *symbols; /* NULL = not looked for */
};

struct rf_objects {
	struct rf_image_memory *memory;
	struct rf_object *entries; /* ascending by start */
	size_t count;
};

/* 0 or -ENOMEM.  memory must outlive them. */
int rf_objects_find(struct rf_objects *objects, struct rf_image_memory *memory);
void rf_objects_release(struct rf_objects *objects);

/* The one that an address belongs to; NULL = none. */
struct rf_object *rf_objects_at(struct rf_objects *objects, uint64_t address);

/* Name of what is at an address, also where no object is: the file, or "" for none. */
const char *rf_objects_name(struct rf_objects *objects, uint64_t address);

/* objects_names.c: names those of whose file the image has another name, as far as the dynamic
 * linker has listed them. */
void rf_objects_find_names(struct rf_objects *objects);

#endif
