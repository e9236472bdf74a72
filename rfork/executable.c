/* SPDX-License-Identifier: MIT */
/*
 * Copies rfork-start, which is part of this library, to the beginning of executables.
 */
#define _GNU_SOURCE
#include "rfork/executable.h"

#include <elf.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/statefile.h"

#define PAGE_BYTES 4096u

/* executable_start.S */
extern const unsigned char rf_start_blob[] __attribute__((visibility("hidden")));
extern const unsigned char rf_start_blob_end[] __attribute__((visibility("hidden")));

static uint64_t align(uint64_t bytes)
{
	return (bytes + 3) & ~UINT64_C(3);
}

/* Where the description of the note of this type begins; 0 = there is none. */
static uint64_t find_in_segment(const Elf64_Phdr *segment, uint32_t type)
{
	uint64_t at = segment->p_offset, end = at + segment->p_filesz;

	while (at + sizeof(Elf64_Nhdr) <= end) {
		const Elf64_Nhdr *note = (const Elf64_Nhdr *)(rf_start_blob + at);
		uint64_t description = at + sizeof(*note) + align(note->n_namesz);

		if (note->n_type == type)
			return description;
		at = description + align(note->n_descsz);
	}
	return 0;
}

static uint64_t find_note(uint32_t type)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)rf_start_blob;
	const Elf64_Phdr *segments = (const Elf64_Phdr *)(rf_start_blob + head->e_phoff);

	for (unsigned i = 0; i < head->e_phnum; i++)
		if (segments[i].p_type == PT_NOTE)
			return find_in_segment(&segments[i], type);
	return 0;
}

uint32_t rf_executable_head_pages(void)
{
	return (uint32_t)((rf_start_blob_end - rf_start_blob + PAGE_BYTES - 1) / PAGE_BYTES);
}

int rf_executable_write_head(int fd, uint32_t flags, uint64_t *note_offset)
{
	struct rf_start_options options = { .flags = flags };
	uint64_t at = find_note(RF_START_OPTIONS_TYPE);
	const unsigned char *rest = rf_start_blob + at + sizeof(options);
	struct iovec pieces[] = { { (void *)rf_start_blob, at },
				  { &options, sizeof(options) },
				  { (void *)rest, (size_t)(rf_start_blob_end - rest) } };

	*note_offset = find_note(RF_STATEFILE_NOTE_TYPE);
	return rf_io_pwritev_full(fd, pieces, 3, 0);
}
