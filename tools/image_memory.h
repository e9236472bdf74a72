/* SPDX-License-Identifier: MIT */
/*
 * The memory of a process at rest as a debugger sees it: what the source reads, and the vdso; with
 * a cache, for readers of few bytes at a time.  Hostile: every address may be asked for.
 */
#ifndef TOOLS_IMAGE_MEMORY_H
#define TOOLS_IMAGE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/source.h"
#include "tools/vdso_code.h"

#define RF_IMAGE_MEMORY_PAGES 64u

struct rf_image_memory {
	struct rf_source *source;
	struct rf_vdso_code vdso;
	struct {
		uint64_t number; /* address / page size + 1; 0 = none */
		size_t bytes;	 /* that can be read, from its beginning */
		unsigned char data[4096];
	} pages[RF_IMAGE_MEMORY_PAGES];
};

/* 0 or -ENOMEM.  The source must outlive it. */
int rf_image_memory_init(struct rf_image_memory *memory, struct rf_source *source);
void rf_image_memory_release(struct rf_image_memory *memory);

/* Whether all of it could be read. */
bool rf_image_memory_read(struct rf_image_memory *memory, uint64_t address, void *buffer,
			  size_t bytes);

#endif
