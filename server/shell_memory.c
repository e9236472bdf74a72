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

#include "rfork/arch.h"
#include "rfork/digest.h"
#include "rfork/file_identity.h"
#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/sys.h"
#include "server/shell.h"

#define PAGE_BYTES 4096u
/* Up to here an image's tables come from the heap that the shell had when it was ready. */
#define SMALL_COUNT 128u
#define HUGE_PAGE_BYTES ((uint64_t)2 << 20)

/* Linux 6.13, include/uapi/asm-generic/mman-common.h; missing in older headers. */
#define ADVICE_GUARD_INSTALL 102

/* -- files ---------------------------------------------------------------------------------- */

/* Files stay open between the decision about them and their mapping, but not without limit. */
#define OPEN_FILES_KEPT 128u

/* A file of the image on this node.  Zeroed = not looked at yet. */
struct node_file {
	bool is_open;
	int flags;
	int fd; /* negative errno if it could not be opened */
	struct stat status;
};

static void close_file(struct node_file *file)
{
	if (file->is_open && file->fd >= 0)
		rf_sys_close(file->fd);
	file->is_open = false;
}

static void open_file(struct rf_shell *shell, struct node_file *file, uint32_t index, int flags)
{
	if (file->is_open && file->flags == flags)
		return;
	close_file(file);
	file->is_open = true;
	file->flags = flags;
	/* O_NONBLOCK: what stands at that path here may be a FIFO */
	file->fd = rf_sys_open(shell->image.files[index].path, flags | O_CLOEXEC | O_NONBLOCK);
	if (file->fd >= 0 && rf_sys_fstat(file->fd, &file->status) < 0) {
		rf_sys_close(file->fd);
		file->fd = -EIO;
	}
}

static bool is_same_boot(const struct rf_shell *shell)
{
	static const uint8_t unknown[sizeof(shell->facts.boot_id)];

	return memcmp(shell->facts.boot_id, unknown, sizeof(unknown)) != 0 &&
	       memcmp(shell->facts.boot_id, shell->image.head.boot_id, sizeof(unknown)) == 0;
}

static bool is_same_object(const struct rf_shell *shell, const struct rf_image_file *file,
			   const struct stat *status)
{
	struct rf_image_file here = rf_file_identity(status);

	return is_same_boot(shell) && here.device == file->device && here.inode == file->inode &&
	       here.size_bytes == file->size_bytes && here.mtime_ns == file->mtime_ns &&
	       here.ctime_ns == file->ctime_ns;
}

static bool has_same_digest(const struct rf_image_mapping *mapping,
			    const struct rf_image_file *file, const struct node_file *here)
{
	uint64_t digest[2];

	if (!(mapping->flags & RF_MAPPING_DIGEST) || !S_ISREG(here->status.st_mode) ||
	    (mapping->flags & RF_MAPPING_SHARED && mapping->protection & RF_PROTECTION_WRITE) ||
	    (uint64_t)here->status.st_size != file->size_bytes)
		return false;
	return rf_digest_file(here->fd, mapping->file_offset, mapping->end - mapping->start,
			      digest) == 0 &&
	       digest[0] == mapping->digest[0] && digest[1] == mapping->digest[1];
}

static bool can_stand_in(const struct rf_shell *shell, const struct rf_image_file *file,
			 const struct stat *status)
{
	return (rf_is_common_device(status) && S_ISCHR(file->mode)) ||
	       is_same_object(shell, file, status);
}

int rf_shell_open_same(const struct rf_shell *shell, const struct rf_reader_file *file, int flags)
{
	struct stat status;
	int fd = rf_sys_stat(file->path, &status);

	if (fd < 0)
		return fd;
	/* before it is opened too: opening another object may block, or do something */
	if (!can_stand_in(shell, &file->image, &status))
		return -ENOENT;
	fd = rf_sys_open(file->path, flags);
	if (fd < 0)
		return fd;
	if (rf_sys_fstat(fd, &status) == 0 && can_stand_in(shell, &file->image, &status))
		return fd;
	rf_sys_close(fd);
	return -ENOENT;
}

/* -- mapping ---------------------------------------------------------------------------------- */

static int map_failed(struct rf_shell *shell, const struct rf_image_mapping *mapping, long error)
{
	const char *path = mapping->kind == RF_MAPPING_FILE ? shell->image.files[mapping->file].path
							    : "anonymous";

	return rf_report(&shell->report, (int)-error, "mapping %lx-%lx (%s): %m", mapping->start,
			 mapping->end, path);
}

/* MAP_FIXED_NOREPLACE: a place that is taken after all is an error, never an overwrite. */
static long map_at(uint64_t address, uint64_t bytes, uint32_t protection, int flags, int fd,
		   uint64_t offset)
{
	long result = rf_sys_mmap(address, bytes, (int)protection, flags | MAP_FIXED_NOREPLACE, fd,
				  offset);

	if (result >= 0 && (uint64_t)result != address) {
		/* a kernel before 4.17 takes the flag for a hint */
		rf_sys_munmap((uintptr_t)result, bytes);
		return -EEXIST;
	}
	return result;
}

static int map_anonymous(struct rf_shell *shell, size_t index)
{
	const struct rf_image_mapping *mapping = &shell->image.mappings[index];
	struct rf_place *place = &shell->places.mappings[index];
	uint64_t bytes = mapping->end - mapping->start;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS |
		    (mapping->flags & RF_MAPPING_GROWSDOWN ? MAP_GROWSDOWN : 0);
	long result;

	place->protection = mapping->protection | (mapping->data_pages ? RF_PROTECTION_WRITE : 0);
	result = map_at(place->address, bytes, place->protection, flags, -1, 0);
	/* What the caller reserved without commitment must be so here; but only then, for such
	 * memory does not join its neighbours. */
	if (result == -ENOMEM)
		result = map_at(place->address, bytes, place->protection, flags | MAP_NORESERVE, -1,
				0);
	if (result < 0)
		return map_failed(shell, mapping, result);
	/* Dense memory arrives in huge pages: a fault for each 2 MiB instead of 512.  Advice only, and
	 * not for the heap: what brk() adds would be a second mapping beside it. */
	if (bytes >= HUGE_PAGE_BYTES && mapping->data_pages > bytes / PAGE_BYTES / 2 &&
	    !(mapping->start < shell->image.process.brk &&
	      shell->image.process.brk <= mapping->end))
		rf_sys_madvise(place->address, bytes, MADV_HUGEPAGE);
	return 0;
}

static bool is_written_through(const struct rf_image_mapping *mapping)
{
	return mapping->flags & RF_MAPPING_SHARED && mapping->protection & RF_PROTECTION_WRITE;
}

static void open_for(struct rf_shell *shell, struct node_file *files,
		     const struct rf_image_mapping *mapping)
{
	struct node_file *file = &files[mapping->file];

	open_file(shell, file, mapping->file, is_written_through(mapping) ? O_RDWR : O_RDONLY);
}

/* Whether the node has the mapping's file. */
static bool is_here(struct rf_shell *shell, struct node_file *files,
		    const struct rf_image_mapping *mapping)
{
	const struct rf_image_file *file = &shell->image.files[mapping->file].image;
	const struct node_file *here = &files[mapping->file];

	open_for(shell, files, mapping);
	return here->fd >= 0 &&
	       (is_same_object(shell, file, &here->status) || has_same_digest(mapping, file, here));
}

static int map_file(struct rf_shell *shell, size_t index, struct node_file *files)
{
	const struct rf_image_mapping *mapping = &shell->image.mappings[index];
	struct rf_place *place = &shell->places.mappings[index];
	bool is_shared = mapping->flags & RF_MAPPING_SHARED;
	long result;

	open_for(shell, files, mapping);
	place->protection = mapping->protection;
	if (mapping->data_pages && !is_shared)
		place->protection |= RF_PROTECTION_WRITE;
	result = files[mapping->file].fd < 0
			 ? files[mapping->file].fd
			 : map_at(place->address, mapping->end - mapping->start, place->protection,
				  is_shared ? MAP_SHARED : MAP_PRIVATE, files[mapping->file].fd,
				  mapping->file_offset);
	return result < 0 ? map_failed(shell, mapping, result) : 0;
}

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
	if (is_written_through(mapping))
		return rf_report(&shell->report, ENOTSUP,
				 "mapping %lx-%lx (%s): a shared writable file must be the same "
				 "object on the node",
				 mapping->start, mapping->end,
				 shell->image.files[mapping->file].path);
	mapping->kind = RF_MAPPING_ANONYMOUS;
	mapping->flags = 0;
	mapping->data_pages = (mapping->end - mapping->start) / PAGE_BYTES;
	return 0;
}

/* Decides about all file mappings, and says which contents are needed: before anything is mapped, so
 * that the ghost can answer meanwhile. */
static int ask_for_lacking(struct rf_shell *shell, struct node_file *files)
{
	uint32_t *lacking = malloc(shell->image.head.mappings * sizeof(*lacking));
	size_t count = 0;
	int error = lacking ? 0 : rf_report(&shell->report, ENOMEM, "no memory to place the image");

	for (uint32_t i = 0; i < shell->image.head.mappings && error == 0; i++) {
		struct rf_image_mapping *mapping = &shell->image.mappings[i];

		if (mapping->kind != RF_MAPPING_FILE)
			continue;
		if (!is_here(shell, files, mapping)) {
			lacking[count++] = i;
			error = take_contents(shell, mapping);
		} else if (mapping->file >= OPEN_FILES_KEPT) {
			close_file(&files[mapping->file]);
		}
	}
	if (error == 0)
		error = send_need(shell, lacking, count);
	free(lacking);
	return error;
}

static int map_all(struct rf_shell *shell, struct node_file *files)
{
	int error = 0;

	for (size_t i = 0; i < shell->image.head.mappings && error == 0; i++) {
		const struct rf_image_mapping *mapping = &shell->image.mappings[i];

		if (mapping->kind == RF_MAPPING_ANONYMOUS) {
			error = map_anonymous(shell, i);
			continue;
		}
		error = map_file(shell, i, files);
		if (mapping->file >= OPEN_FILES_KEPT)
			close_file(&files[mapping->file]);
	}
	for (uint32_t i = 0; i < shell->image.head.files; i++)
		close_file(&files[i]);
	return error;
}

/* Whether tables of this image may have grown the shell since it listed its mappings. */
static bool is_small(const struct rf_image_head *head)
{
	return head->mappings <= SMALL_COUNT && head->files <= SMALL_COUNT &&
	       head->descriptors <= SMALL_COUNT;
}

static int choose_places(struct rf_shell *shell)
{
	struct rf_places *places = &shell->places;
	int error = is_small(&shell->image.head)
			    ? 0
			    : rf_maps_read(&shell->maps, shell->maps_buffer, shell->maps_bytes);

	if (error < 0)
		return rf_report(&shell->report, -error, "the mappings of the shell: %m");
	places->region_bytes = rf_shell_region_bytes(shell);
	error = rf_plan_place(places, &shell->image, &shell->maps, &shell->vdso,
			      shell->facts.min_address, shell->facts.max_address, &shell->report);
	if (error < 0)
		return error;
	/* The region now, lest anything of the shell's own gets there; the parking area stays
	 * free for the vdso, and nothing is mapped any more before that is moved. */
	error = (int)map_at(places->region_address, places->region_bytes,
			    RF_PROTECTION_READ | RF_PROTECTION_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0) < 0
			? -ENOMEM
			: 0;
	return error < 0 ? rf_report(&shell->report, ENOMEM, "the restorer's region: %m") : 0;
}

int rf_shell_map_image(struct rf_shell *shell)
{
	size_t count = shell->image.head.mappings;
	struct node_file *files = calloc(shell->image.head.files + 1, sizeof(*files));
	int error;

	shell->places.mappings = malloc(count * sizeof(*shell->places.mappings));
	if (!files || !shell->places.mappings)
		return rf_report(&shell->report, ENOMEM, "no memory to place the image");
	error = ask_for_lacking(shell, files);
	if (error == 0)
		error = choose_places(shell);
	if (error == 0)
		error = map_all(shell, files);
	free(files);
	return error;
}

/* -- pages -------------------------------------------------------------------------------------- */

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
		return error < 0 ? rf_report(&shell->report, ENOTSUP,
					     "guard pages at %lx are not supported by the node's "
					     "kernel",
					     run->address)
				 : 0;
	}
	if (place->protection & RF_PROTECTION_WRITE)
		return 0;
	error = (int)rf_syscall(SYS_mprotect, place->address, mapping->end - mapping->start,
				place->protection | RF_PROTECTION_WRITE);
	if (error < 0)
		return map_failed(shell, mapping, error);
	place->protection |= RF_PROTECTION_WRITE;
	return 0;
}

int rf_shell_receive_pages(struct rf_shell *shell)
{
	return rf_reader_pages(&shell->reader, &shell->image, locate, shell);
}
