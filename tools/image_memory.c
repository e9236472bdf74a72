/* SPDX-License-Identifier: MIT */
/*
 * Reads small pieces of the memory of an image, page by page.  Called by the parts of the
 * backtrace.
 */
#include "tools/image_memory.h"

#include <string.h>

#define PAGE_BYTES sizeof(((struct rf_image_memory *)NULL)->pages[0].data)

int rf_image_memory_init(struct rf_image_memory *memory, struct rf_source *source)
{
	memset(memory, 0, sizeof(*memory));
	memory->source = source;
	return rf_vdso_code_find(&memory->vdso, source);
}

void rf_image_memory_release(struct rf_image_memory *memory)
{
	rf_vdso_code_release(&memory->vdso);
}

/* How many bytes of a page could be read. */
static size_t read_page(struct rf_image_memory *memory, uint64_t address, unsigned char *data)
{
	const struct rf_vdso_code *vdso = &memory->vdso;
	ssize_t got;

	if (address - vdso->address < vdso->bytes) {
		memcpy(data, vdso->code + (address - vdso->address), PAGE_BYTES);
		return PAGE_BYTES;
	}
	got = rf_source_read(memory->source, address, data, PAGE_BYTES);
	return got < 0 ? 0 : (size_t)got;
}

/* How many bytes could be copied, at most to the end of the page. */
static size_t read_cached(struct rf_image_memory *memory, uint64_t address, void *buffer,
			  size_t bytes)
{
	const uint64_t number = address / PAGE_BYTES + 1;
	const size_t skip = address % PAGE_BYTES;
	__typeof__(&memory->pages[0]) page = &memory->pages[number % RF_IMAGE_MEMORY_PAGES];

	if (page->number != number) {
		page->bytes = read_page(memory, address - skip, page->data);
		page->number = number;
	}
	if (skip >= page->bytes)
		return 0;
	if (bytes > page->bytes - skip)
		bytes = page->bytes - skip;
	memcpy(buffer, page->data + skip, bytes);
	return bytes;
}

bool rf_image_memory_read(struct rf_image_memory *memory, uint64_t address, void *buffer,
			  size_t bytes)
{
	unsigned char *to = buffer;

	while (bytes > 0) {
		size_t got = read_cached(memory, address, to, bytes);

		if (got == 0)
			return false;
		to += got;
		address += got;
		bytes -= got;
	}
	return true;
}
