/* SPDX-License-Identifier: MIT */
/*
 * What an incremental statefile holds.  For each page of a mapping there are two questions: what
 * the process has there, and what its base has.  A page is left out only if the base has the same:
 * because it was not written since, or because the bytes are equal.
 */
#define _GNU_SOURCE
#include "rfork/increment_plan.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/statefile.h"
#include "rfork/sys.h"
#include "rfork/zero_page.h"

#define PAGE_BYTES RF_ZERO_PAGE_BYTES

/* -- the base -------------------------------------------------------------------------------- */

static bool is_in_the_way(int fd, int directory, const char *name)
{
	struct stat ours, there;

	return rf_sys_fstat(fd, &ours) < 0 ||
	       (rf_syscall(SYS_newfstatat, directory, name, &there, 0) == 0 &&
		ours.st_dev == there.st_dev && ours.st_ino == there.st_ino);
}

/* Opens a file of the chain if it is still the same. */
static int open_file(const struct rf_chain_file *file, int directory, const char *name)
{
	struct rf_report unheard = { 0 };
	struct rf_statefile_note note;
	int fd = rf_sys_open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return fd;
	if (rf_statefile_find_note(fd, file->path, &note, NULL, &unheard) == 0 &&
	    memcmp(note.id, file->id, sizeof(note.id)) == 0 && !is_in_the_way(fd, directory, name))
		return fd;
	rf_sys_close(fd);
	return -ESTALE;
}

static bool open_files(struct rf_base *base, int directory, const char *name)
{
	const struct rf_chain_head *head = base->chain.head;

	for (uint32_t i = 0; i < head->file_count; i++) {
		base->fds[i] = open_file(&head->files[i], directory, name);
		if (base->fds[i] < 0)
			return false;
	}
	return true;
}

/* Without changes all is compared. */
static void map_changes(struct rf_base *base, int fd)
{
	struct stat status;
	long address;

	if (fd < 0 || rf_sys_fstat(fd, &status) < 0)
		return;
	address = rf_sys_mmap(0, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (address < 0 && address > -4096)
		return;
	base->changes = (const void *)address;
	base->changes_bytes = (size_t)status.st_size;
}

bool rf_base_open(struct rf_base *base, int chain, int changes, int directory, const char *name)
{
	*base = (struct rf_base){ 0 };
	for (unsigned i = 0; i < RF_CHAIN_MAX_FILES; i++)
		base->fds[i] = -1;
	if (chain < 0 || directory < 0 || rf_chain_map(&base->chain, chain) < 0)
		return false;
	if (base->chain.head->file_count < RF_CHAIN_MAX_FILES &&
	    open_files(base, directory, name)) {
		map_changes(base, changes);
		return true;
	}
	rf_base_close(base);
	return false;
}

void rf_base_close(struct rf_base *base)
{
	for (unsigned i = 0; base->chain.head && i < base->chain.head->file_count; i++)
		if (base->fds[i] >= 0)
			rf_sys_close(base->fds[i]);
	if (base->changes)
		rf_sys_munmap((uintptr_t)base->changes, base->changes_bytes);
	rf_chain_unmap(&base->chain);
	*base = (struct rf_base){ 0 };
}

/* In the same folder a name is enough, so that the folder can be moved. */
void rf_base_name_parent(const struct rf_base *base, const char *path,
			 struct rf_snapshot_rest *rest)
{
	const struct rf_chain_head *head = base->chain.head;
	const struct rf_chain_file *parent;
	const char *slash = strrchr(path, '/');
	size_t folder_bytes = slash ? (size_t)(slash - path) + 1 : 0;

	memset(rest->origin.parent, 0, sizeof(rest->origin.parent));
	rest->parent_path = "";
	rest->origin.path_bytes = 0;
	if (!head)
		return;
	parent = &head->files[head->file_count - 1];
	memcpy(rest->origin.parent, parent->id, sizeof(rest->origin.parent));
	rest->parent_path = parent->path;
	if (strncmp(parent->path, path, folder_bytes) == 0 &&
	    !strchr(parent->path + folder_bytes, '/'))
		rest->parent_path += folder_bytes;
	rest->origin.path_bytes = (uint32_t)strlen(rest->parent_path);
}

/* -- the walk -------------------------------------------------------------------------------- */

struct walk {
	const struct rf_base *base;
	const struct rf_snapshot_plan *plan;
	void *parent_bounce;
	const struct rf_page_range *unchanged, *written;
	/* all ascend: what ends at or below the address in question is behind */
	size_t next_segment, next_unchanged, next_written;
	uint64_t done; /* of the mapping in question */
};

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What the base has at an address, NULL for nothing; *end comes down to where that ends. */
static const struct rf_chain_segment *find_segment(struct walk *walk, uint64_t address,
						   uint64_t *end)
{
	const struct rf_chain *chain = &walk->base->chain;
	const struct rf_chain_segment *segment;

	walk->next_segment = rf_chain_find(chain, walk->next_segment, address);
	if (walk->next_segment == chain->count)
		return NULL;
	segment = &chain->segments[walk->next_segment];
	if (segment->address > address) {
		*end = lower(*end, segment->address);
		return NULL;
	}
	*end = lower(*end, segment->address + segment->bytes);
	return segment;
}

/* Whether an address lies in a list of ranges; *end comes down to where that changes. */
static bool is_in(const struct rf_page_range *ranges, uint64_t count, size_t *next,
		  uint64_t address, uint64_t *end)
{
	while (*next < count && ranges[*next].end <= address)
		(*next)++;
	if (*next == count)
		return false;
	if (ranges[*next].start > address) {
		*end = lower(*end, ranges[*next].start);
		return false;
	}
	*end = lower(*end, ranges[*next].end);
	return true;
}

static bool is_unchanged(struct walk *walk, uint64_t address, uint64_t *end)
{
	const struct rf_changes *changes = walk->base->changes;

	return changes &&
	       is_in(walk->unchanged, changes->unchanged_count, &walk->next_unchanged, address,
		     end) &&
	       !is_in(walk->written, changes->written_count, &walk->next_written, address, end);
}

/* Whether the list of changes speaks of a mapping: what it does not call unchanged has been
 * written, or may as well be taken for it. */
static bool is_tracked(const struct walk *walk, const struct rf_snapshot_mapping *mapping)
{
	return walk->base->changes && mapping->source == RF_SOURCE_PRIVATE && !mapping->is_shared &&
	       mapping->image.kind == RF_MAPPING_ANONYMOUS &&
	       !rf_mapping_huge_bytes(&mapping->image);
}

/* -- pages that the process has -------------------------------------------------------------- */

/* What the process has at an address, where it lies or in the plan's bounce; NULL if it cannot be
 * read. */
static const unsigned char *see(const struct walk *walk, const struct rf_snapshot_mapping *mapping,
				const struct rf_page_run *run)
{
	size_t bytes = run->end - run->start;

	if (run->kind == RF_PAGES_DIRECT && mapping->image.protection & RF_PROTECTION_READ)
		return (const unsigned char *)run->start;
	if (rf_sys_pread(walk->plan->memory_fd, walk->plan->bounce, bytes, run->start) !=
	    (ssize_t)bytes)
		return NULL;
	return walk->plan->bounce;
}

/* The same of the base; what cannot be read is like nothing. */
static const unsigned char *see_parent(const struct walk *walk,
				       const struct rf_chain_segment *segment, uint64_t address,
				       size_t bytes)
{
	if (segment->kind == RF_SEGMENT_ZERO)
		return memset(walk->parent_bounce, 0, bytes);
	if (rf_sys_pread(walk->base->fds[segment->file], walk->parent_bounce, bytes,
			 segment->offset + (address - segment->address)) != (ssize_t)bytes)
		return NULL;
	return walk->parent_bounce;
}

/* Plans those pages of at most a chunk that differ. */
static int plan_unequal(const struct walk *walk, const struct rf_snapshot_mapping *mapping,
			const struct rf_page_run *run, const struct rf_chain_segment *segment)
{
	size_t bytes = run->end - run->start;
	const unsigned char *ours = see(walk, mapping, run);
	const unsigned char *theirs = see_parent(walk, segment, run->start, bytes);
	struct rf_page_run piece = *run;
	int error = 0;

	if (!ours || !theirs)
		return rf_snapshot_plan_run(walk->plan, mapping, run);
	for (size_t at = 0; at < bytes && error == 0; at += PAGE_BYTES) {
		if (memcmp(ours + at, theirs + at, PAGE_BYTES) == 0)
			continue;
		piece.start = run->start + at;
		piece.end = piece.start + PAGE_BYTES;
		error = rf_snapshot_plan_run(walk->plan, mapping, &piece);
	}
	return error;
}

static int compare(const struct walk *walk, const struct rf_snapshot_mapping *mapping,
		   const struct rf_page_run *run, const struct rf_chain_segment *segment)
{
	struct rf_page_run piece = *run;
	int error = 0;

	for (; piece.start < run->end && error == 0; piece.start = piece.end) {
		piece.end = lower(piece.start + RF_CHUNK_BYTES, run->end);
		error = plan_unequal(walk, mapping, &piece, segment);
	}
	return error;
}

/* A run of which all pages are alike, to the process and in the base. */
static int plan_alike(struct walk *walk, const struct rf_snapshot_mapping *mapping,
		      const struct rf_page_run *run, const struct rf_chain_segment *segment,
		      bool is_known)
{
	bool has_guard = segment && segment->kind == RF_SEGMENT_GUARD;

	if (run->kind == RF_PAGES_GUARD)
		return has_guard ? 0 : rf_snapshot_plan_run(walk->plan, mapping, run);
	if (!segment || has_guard)
		return rf_snapshot_plan_run(walk->plan, mapping, run);
	/* a fork child may see less than the process, see MADV_WIPEONFORK: then the base has
	 * ZERO */
	if (is_known && segment->kind == RF_SEGMENT_DATA)
		return 0;
	if (!is_known && is_tracked(walk, mapping))
		return rf_snapshot_plan_run(walk->plan, mapping, run);
	return compare(walk, mapping, run, segment);
}

static int plan_own(struct walk *walk, const struct rf_snapshot_mapping *mapping,
		    const struct rf_page_run *run)
{
	struct rf_page_run piece = *run;
	int error = 0;

	for (; piece.start < run->end && error == 0; piece.start = piece.end) {
		const struct rf_chain_segment *segment;
		bool is_known;

		piece.end = run->end;
		segment = find_segment(walk, piece.start, &piece.end);
		is_known = is_tracked(walk, mapping) && is_unchanged(walk, piece.start, &piece.end);
		error = plan_alike(walk, mapping, &piece, segment, is_known);
	}
	return error;
}

/* -- pages that it does not have ------------------------------------------------------------- */

/* Whether the base has zeros there, as it has between runs of pages that share a segment. */
static bool has_zeros(const struct walk *walk, const struct rf_chain_segment *segment,
		      const struct rf_page_run *run)
{
	size_t bytes = run->end - run->start;
	const unsigned char *theirs;

	if (segment->kind != RF_SEGMENT_DATA)
		return segment->kind == RF_SEGMENT_ZERO;
	if (bytes > RF_CHUNK_BYTES)
		return false;
	theirs = see_parent(walk, segment, run->start, bytes);
	for (size_t at = 0; theirs && at < bytes; at += PAGE_BYTES)
		if (!rf_is_zero_page(theirs + at))
			return false;
	return theirs;
}

/* They are zero, or as their file is; if the base has others, that is said. */
static int plan_absent(struct walk *walk, const struct rf_snapshot_mapping *mapping, uint64_t start,
		       uint64_t end)
{
	struct rf_page_run piece = { .start = start, .kind = RF_PAGES_CAREFUL };
	int error = 0;

	for (; piece.start < end && error == 0; piece.start = piece.end) {
		const struct rf_chain_segment *segment;

		piece.end = end;
		segment = find_segment(walk, piece.start, &piece.end);
		if (!segment)
			continue;
		if (mapping->image.kind == RF_MAPPING_FILE)
			error = rf_snapshot_plan_run(walk->plan, mapping, &piece);
		else if (!has_zeros(walk, segment, &piece))
			error = rf_statefile_plan(walk->plan->writer, piece.start,
						  (piece.end - piece.start) / PAGE_BYTES,
						  RF_SEGMENT_ZERO, 0);
	}
	return error;
}

static int visit_run(void *context, const struct rf_snapshot_mapping *mapping,
		     const struct rf_page_run *run)
{
	struct walk *walk = context;
	int error = plan_absent(walk, mapping, walk->done, run->start);

	walk->done = run->end;
	return error < 0 ? error : plan_own(walk, mapping, run);
}

/* Where the base has nothing, a mapping is planned as for a whole image. */
static bool has_segment(struct walk *walk, const struct rf_snapshot_mapping *mapping)
{
	uint64_t end = mapping->image.end;

	return find_segment(walk, mapping->image.start, &end) || end < mapping->image.end;
}

static int plan_mapping(struct walk *walk, struct rf_snapshot *snapshot,
			const struct rf_snapshot_mapping *mapping)
{
	int error;

	if (mapping->source == RF_SOURCE_NONE)
		return 0;
	walk->done = mapping->image.start;
	rf_statefile_mapping(walk->plan->writer,
			     !has_segment(walk, mapping) && rf_snapshot_has_zeros_between(mapping));
	error = rf_snapshot_for_each_run(snapshot, mapping, visit_run, walk);
	return error < 0 ? error : plan_absent(walk, mapping, walk->done, mapping->image.end);
}

int rf_base_plan_pages(const struct rf_base *base, struct rf_snapshot *snapshot,
		       const struct rf_snapshot_plan *plan, void *parent_bounce)
{
	struct walk walk = { .base = base, .plan = plan, .parent_bounce = parent_bounce };
	int error = 0;

	if (base->changes) {
		walk.unchanged = (const void *)(base->changes + 1);
		walk.written = walk.unchanged + base->changes->unchanged_count;
	}
	for (size_t i = 0; i < snapshot->mapping_count && error == 0; i++)
		error = plan_mapping(&walk, snapshot, &snapshot->mappings[i]);
	return error;
}
