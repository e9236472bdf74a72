/* SPDX-License-Identifier: MIT */
/*
 * Maps the image's memory: files by reference where they are provably the same, all
 * else anonymous, at home where home is free; then receives the pages in place.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "rfork/arch.h"
#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/restore_region.h"
#include "rfork/sys.h"
#include "server/shell.h"

#define PAGE_BYTES 4096u
#define HUGE_PAGE_BYTES ((uint64_t)2 << 20)
/* A run that is worth a huge page, though it may fill no more than an eighth of it. */
#define DENSE_RUN_PAGES 64u

/* Within this time the kernel has told of the marks of a small process. */
#define MARKS_NS 300000

/* Files stay open between the decision about them and their mapping, but not without limit. */
#define OPEN_FILES_KEPT 128u

/* Linux 6.13, include/uapi/asm-generic/mman-common.h; missing in older headers. */
#define ADVICE_GUARD_INSTALL 102
/* Linux 5.14 */
#define ADVICE_POPULATE_WRITE 23

/* -- mapping ---------------------------------------------------------------------------------- */

static int map_failed(struct rf_shell *shell, const struct rf_image *image,
		      const struct rf_image_mapping *mapping, long error)
{
	const char *path = mapping->kind == RF_MAPPING_FILE ? image->files[mapping->file].path
							    : "anonymous";

	return rf_report(&shell->report, (int)-error, "mapping %lx-%lx (%s): %m", mapping->start,
			 mapping->end, path);
}

/* Whether memory that could hold a huge page is mostly data. */
static bool is_dense(const struct rf_image_mapping *mapping)
{
	return mapping->data_pages > (mapping->end - mapping->start) / PAGE_BYTES / 2;
}

static int map_anonymous(struct rf_shell *shell, const struct rf_shell_memory *memory, size_t index)
{
	const struct rf_image_mapping *mapping = &memory->image->mappings[index];
	struct rf_place *place = &memory->places[index];
	uint64_t brk = memory->image->process.brk;
	uint64_t bytes = mapping->end - mapping->start;
	long result;

	place->protection = mapping->protection | (mapping->data_pages ? RF_PROTECTION_WRITE : 0);
	result = rf_restore_map_anonymous(mapping, place->address, place->protection,
					  &shell->warnings);
	if (result < 0)
		return map_failed(shell, memory->image, mapping, result);
	/* Dense memory arrives in huge pages: a fault for each 2 MiB instead of 512.  Advice only,
	 * and not for the heap: what brk() adds would be a second mapping beside it. */
	if (bytes >= HUGE_PAGE_BYTES && !rf_mapping_huge_bytes(mapping) && is_dense(mapping) &&
	    !(mapping->start < brk && brk <= mapping->end))
		rf_sys_madvise(place->address, bytes, MADV_HUGEPAGE);
	return 0;
}

static int map_shared(struct rf_shell *shell, const struct rf_shell_memory *memory, size_t index)
{
	const struct rf_image_mapping *mapping = &memory->image->mappings[index];
	long result;

	memory->places[index].protection = mapping->protection |
					   (mapping->data_pages ? RF_PROTECTION_WRITE : 0);
	result = rf_restore_map_shared(memory->image, &shell->places, index, &shell->warnings);
	return result < 0 ? map_failed(shell, memory->image, mapping, result) : 0;
}

static int map_file(struct rf_shell *shell, const struct rf_shell_memory *memory, size_t index)
{
	const struct rf_image_mapping *mapping = &memory->image->mappings[index];
	struct rf_place *place = &memory->places[index];
	bool is_shared = mapping->flags & RF_MAPPING_SHARED;
	long result = rf_shell_open_file(memory, mapping);

	place->protection = mapping->protection;
	if (mapping->data_pages && !is_shared)
		place->protection |= RF_PROTECTION_WRITE;
	if (result >= 0)
		result = rf_restore_map(place->address, mapping->end - mapping->start,
					place->protection, is_shared ? MAP_SHARED : MAP_PRIVATE,
					(int)result, mapping->file_offset);
	return result < 0 ? map_failed(shell, memory->image, mapping, result) : 0;
}

static int map_content(struct rf_shell *shell, const struct rf_shell_memory *memory, size_t index)
{
	const struct rf_image_mapping *mapping = &memory->image->mappings[index];
	struct rf_place *place = &memory->places[index];
	bool is_shared = mapping->flags & RF_MAPPING_SHARED;
	int fd = rf_shell_open_content(shell, mapping);
	long result = fd;

	place->protection = mapping->protection;
	if (mapping->data_pages && !is_shared)
		place->protection |= RF_PROTECTION_WRITE;
	if (fd >= 0) {
		result = rf_restore_map(place->address, mapping->end - mapping->start,
					place->protection, is_shared ? MAP_SHARED : MAP_PRIVATE, fd,
					mapping->file_offset);
		rf_sys_close(fd);
	}
	return result < 0 ? map_failed(shell, memory->image, mapping, result) : 0;
}

int rf_shell_map(struct rf_shell *shell, const struct rf_shell_memory *memory, size_t index)
{
	const struct rf_image_mapping *mapping = &memory->image->mappings[index];

	if (mapping->kind == RF_MAPPING_FILE)
		return map_file(shell, memory, index);
	if (mapping->kind == RF_MAPPING_OBJECT)
		return map_content(shell, memory, index);
	return rf_mapping_is_shared_memory(mapping) ? map_shared(shell, memory, index)
						    : map_anonymous(shell, memory, index);
}

/* -- the layout ------------------------------------------------------------------------------- */

static int send_need(struct rf_shell *shell, const uint32_t *lacking, size_t count)
{
	const size_t most = RF_FRAME_MAX_BYTES / sizeof(*lacking);
	size_t batch;

	do {
		int error;

		batch = count < most ? count : most;
		error = rf_frame_send(shell->connection, RF_FRAME_NEED,
				      batch == count ? RF_NEED_LAST : 0, 0, lacking,
				      batch * sizeof(*lacking), RF_NO_DEADLINE);
		if (error < 0)
			return rf_report(&shell->report, -error, "asking for missing files: %m");
		lacking += batch;
		count -= batch;
	} while (count);
	return 0;
}

/* A file that the node lacks: its contents will come, into memory without a name. */
static int take_contents(struct rf_shell *shell, struct rf_image_mapping *mapping)
{
	int error = 0;

	if (mapping->flags & RF_MAPPING_SHARED && mapping->protection & RF_PROTECTION_WRITE) {
		rf_report(&shell->report, ENOTSUP,
			  "mapping %lx-%lx (%s): a shared writable file must be the same object on "
			  "the node; RFORK_COPY_FILES carries its content",
			  mapping->start, mapping->end, shell->image.files[mapping->file].path);
		error = rf_shell_object(shell);
	}
	mapping->kind = RF_MAPPING_ANONYMOUS;
	mapping->flags = 0;
	mapping->data_pages = (mapping->end - mapping->start) / PAGE_BYTES;
	return error;
}

/* Decides about all file mappings, and says which contents are needed: before anything is mapped,
 * so that the ghost can answer meanwhile. */
static int ask_for_lacking(struct rf_shell *shell, const struct rf_shell_memory *memory)
{
	uint32_t most = shell->image.head.mappings + shell->image.head.objects;
	uint32_t *lacking = malloc(most * sizeof(*lacking));
	size_t count = 0;
	uint32_t added = 0; /* mappings so far that the ghost does not know */
	int error = lacking ? 0 : rf_report(&shell->report, ENOMEM, "no memory to place the image");

	if (error == 0)
		error = rf_shell_make_contents(shell, memory, lacking, &count);
	for (uint32_t i = 0; i < shell->image.head.mappings && error == 0; i++) {
		struct rf_image_mapping *mapping = &shell->image.mappings[i];

		added += mapping->kind == RF_MAPPING_OF_VDSO;
		if (mapping->kind != RF_MAPPING_FILE || rf_shell_confirmed(shell, i))
			continue;
		if (!rf_shell_has_file(shell, memory, mapping)) {
			lacking[count++] = i - added;
			error = take_contents(shell, mapping);
		} else if (mapping->file >= OPEN_FILES_KEPT) {
			rf_shell_close_file(&memory->files[mapping->file]);
		}
	}
	if (error == 0)
		error = rf_shell_insist(shell);
	if (error == 0)
		error = send_need(shell, lacking, count);
	free(lacking);
	return error;
}

static int map_all(struct rf_shell *shell, const struct rf_shell_memory *memory)
{
	int error = 0;

	for (size_t i = 0; i < shell->image.head.mappings && error == 0; i++) {
		const struct rf_image_mapping *mapping = &shell->image.mappings[i];
		const struct rf_place *confirmed = rf_shell_confirmed(shell, i);

		if (confirmed) {
			shell->places.mappings[i] = *confirmed;
			continue;
		}
		error = rf_shell_map(shell, memory, i);
		if (mapping->kind == RF_MAPPING_FILE && mapping->file >= OPEN_FILES_KEPT)
			rf_shell_close_file(&memory->files[mapping->file]);
	}
	rf_restore_shared_done(&shell->image, &shell->places);
	for (uint32_t i = 0; i < shell->image.head.files; i++)
		rf_shell_close_file(&memory->files[i]);
	return error;
}

static int choose_places(struct rf_shell *shell)
{
	struct rf_places *places = &shell->places;
	int error = rf_shell_is_small(&shell->image)
			    ? 0
			    : rf_maps_read(&shell->maps, shell->maps_buffer, shell->maps_bytes);

	if (error < 0)
		return rf_report(&shell->report, -error, "the mappings of the shell: %m");
	places->region_bytes = rf_restore_region_bytes(&shell->image, &shell->facts);
	error = rf_plan_place(places, &shell->image, &shell->maps, &shell->vdso,
			      shell->facts.min_address, shell->facts.max_address, &shell->report);
	/* The parking area stays free for the vdso: nothing is mapped any more before that is
	 * moved. */
	return error < 0 ? error : rf_restore_map_region(places, &shell->report);
}

int rf_shell_map_image(struct rf_shell *shell)
{
	size_t count = shell->image.head.mappings;
	struct rf_shell_memory memory = { .image = &shell->image };
	int error;

	memory.files = calloc(shell->image.head.files + 1, sizeof(*memory.files));
	memory.places = shell->places.mappings = malloc(count * sizeof(*memory.places));
	shell->places.shared = calloc(shell->image.shared_read + 1, sizeof(*shell->places.shared));
	if (!memory.files || !memory.places || !shell->places.shared)
		return rf_report(&shell->report, ENOMEM, "no memory to place the image");
	rf_shell_confirm_forecast(shell);
	error = ask_for_lacking(shell, &memory);
	if (error == 0)
		error = choose_places(shell);
	if (error == 0)
		error = map_all(shell, &memory);
	free(memory.files);
	return error;
}

/* -- pages ------------------------------------------------------------------------------------- */

static int make_writable(struct rf_shell *shell, const struct rf_image_mapping *mapping,
			 struct rf_place *place)
{
	int error;

	if (place->protection & RF_PROTECTION_WRITE)
		return 0;
	error = (int)rf_syscall(SYS_mprotect, place->address, mapping->end - mapping->start,
				place->protection | RF_PROTECTION_WRITE);
	if (error < 0)
		return map_failed(shell, &shell->image, mapping, error);
	place->protection |= RF_PROTECTION_WRITE;
	return 0;
}

/*
 * Where any memory may get huge pages, one page of data would fill 2 MiB of a hole in the child.
 * The switch is the whole process's, and the child's later on: there is none for a mapping that
 * could be put back.
 */
static int switch_huge_pages(struct rf_shell *shell, bool are_off)
{
	int error;

	if (shell->huge_pages_are_off == are_off)
		return 0;
	error = rf_sys_prctl(PR_SET_THP_DISABLE, are_off, 0, 0, 0);
	if (error < 0)
		return rf_report(&shell->report, -error, "transparent huge pages: %m");
	shell->huge_pages_are_off = are_off;
	return 0;
}

/* What an image announces for a mapping is a hint: a kernel without PAGEMAP_SCAN counts pages of
 * zeros that were only read.  The runs that come tell more. */
static int fill_in_fitting_pages(struct rf_shell *shell, const struct rf_image_mapping *mapping,
				 uint64_t address, uint32_t pages)
{
	bool is_hopeful = is_dense(mapping);
	int error;

	if ((!shell->huge_pages_are_always && !is_hopeful) ||
	    mapping->end - mapping->start < HUGE_PAGE_BYTES)
		return 0;
	error = switch_huge_pages(shell, !is_hopeful || pages < DENSE_RUN_PAGES);
	/* The data come when the switch may be another: at the end of a record, or by another road.
	 * Before Linux 5.14 that costs memory, no more. */
	if (error == 0 && shell->huge_pages_are_off)
		rf_sys_madvise(address, (size_t)pages * PAGE_BYTES, ADVICE_POPULATE_WRITE);
	return error;
}

/* Makes the place of a run ready to be written, and says where it is. */
static int locate(void *context, size_t index, const struct rf_image_run *run, uint64_t *offset)
{
	struct rf_shell *shell = context;
	const struct rf_image_mapping *mapping = &shell->image.mappings[index];
	struct rf_place *place = &shell->places.mappings[index];
	int error;

	*offset = place->address - mapping->start;
	if (run->kind == RF_RUN_GUARD) {
		error = rf_sys_madvise(run->address + *offset, (size_t)run->pages * PAGE_BYTES,
				       ADVICE_GUARD_INSTALL);
		if (error == 0)
			return 0;
		rf_report(&shell->report, ENOTSUP,
			  "guard pages at %lx are not supported by the node's kernel",
			  run->address);
		return rf_shell_object(shell);
	}
	error = make_writable(shell, mapping, place);
	if (error < 0)
		return error;
	return fill_in_fitting_pages(shell, mapping, run->address + *offset, run->pages);
}

int rf_shell_receive_pages(struct rf_shell *shell)
{
	int error = rf_reader_fill(&shell->reader, &shell->image, locate, shell);

	if (error == 0)
		error = rf_shell_insist(shell);
	return error < 0 ? error : switch_huge_pages(shell, false);
}

/* -- marks ------------------------------------------------------------------------------------- */

int rf_shell_receive_marks(struct rf_shell *shell)
{
	int error;

	if (!shell->reader.has_ended)
		rf_io_spin(shell->connection, MARKS_NS);
	error = rf_reader_pages(&shell->reader, &shell->image, locate, shell);
	if (error == 0)
		error = rf_restore_marks(&shell->image, &shell->places, &shell->report);
	return error < 0 ? rf_shell_object(shell) : 0;
}

void rf_shell_protect_at_home(struct rf_shell *shell)
{
	for (size_t i = 0; i < shell->image.head.mappings; i++) {
		const struct rf_image_mapping *mapping = &shell->image.mappings[i];
		struct rf_place *place = &shell->places.mappings[i];

		if (place->address == mapping->start && place->protection != mapping->protection &&
		    mapping->protection & RF_PROTECTION_READ &&
		    rf_syscall(SYS_mprotect, mapping->start, mapping->end - mapping->start,
			       mapping->protection) == 0)
			place->protection = mapping->protection;
	}
}
