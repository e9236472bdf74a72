/* SPDX-License-Identifier: MIT */
/*
 * What an image says about a process before its pages: collected by the ghost at
 * the capture point into its arena, then written out.
 */
#ifndef RF_SNAPSHOT_H
#define RF_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "rfork/arch.h"
#include "rfork/arena.h"
#include "rfork/attributes.h"
#include "rfork/fdtable.h"
#include "rfork/file_index.h"
#include "rfork/image_format.h"
#include "rfork/image_writer.h"
#include "rfork/map_proof.h"
#include "rfork/maps.h"
#include "rfork/own_image.h"
#include "rfork/pagemap.h"
#include "rfork/pending.h"
#include "rfork/pipes.h"
#include "rfork/procstate.h"
#include "rfork/protection_keys.h"
#include "rfork/protocol.h"
#include "rfork/refusals.h"
#include "rfork/report.h"
#include "rfork/shared_memory.h"
#include "rfork/statefile_writer.h"
#include "rfork/timers.h"
#include "rfork/vdso_mark.h"

struct rf_snapshot_file {
	struct rf_image_file image;
	const char *path;
};

struct rf_snapshot_mapping {
	struct rf_image_mapping image;
	enum rf_page_source source;
	bool is_shared;		/* with other processes, whatever the image makes of it */
	size_t first_run, runs; /* in rf_snapshot.runs */
	bool runs_complete;	/* else look again when the pages are sent */
	bool is_continued;	/* in the image it is one mapping with the one before it */
	uint32_t marks, key;	/* that it had before a copy took its place */
};

/* Where digests of file ranges come from when the node has another boot. */
struct rf_digest_cache;

/* What only an image at rest says. */
struct rf_snapshot_rest {
	struct rf_image_origin origin;
	const char *parent_path; /* origin.path_bytes of it */
	const struct rf_machine_facts *facts;
	const struct rf_image_lock *locks;
	size_t lock_count;
	const char *lost; /* lines of text */
	size_t lost_bytes;
};

struct rf_snapshot_request {
	uint32_t flags;			  /* RFORK_* */
	bool same_boot;			  /* the node runs on this very kernel */
	uint64_t node_vdso;		  /* the digest of the node's vdso; 0 = unknown */
	uint8_t boot_id[16];		  /* of this machine */
	uint64_t signal_mask;		  /* of the calling thread, before rfork() blocked all */
	struct rf_key_rights key_rights;  /* of the calling thread, before all were given */
	struct rf_fdtable *fds;		  /* mapped files may add contents */
	const struct rf_timers *timers;	  /* of a process that moves; else NULL */
	const struct rf_pending *pending; /* the same */
	const struct rf_pipes *pipes;	  /* the same */
	const struct rf_attributes *attributes;
	struct rf_procstate_ranges ranges;     /* if they could be read in the caller */
	const struct rf_snapshot *survey;      /* made in the caller; may be NULL */
	const struct rf_digest_cache *digests; /* may be NULL */
	const struct rf_snapshot_rest *rest;   /* of an image at rest; else NULL */
	struct rf_refusals *refusals; /* where to put them; NULL = the first one ends all */
	struct rf_drop *drop;	      /* of tests, see drop.h; else NULL */
	struct rf_image_identity identity;
	const char *connection;	       /* identity.connection_bytes of it */
	struct rf_image_rights rights; /* that the child may have at most */
	bool limits_rights;	       /* else whatever the node gives it */
};

struct rf_snapshot {
	struct rf_arena *arena;
	struct rf_arena large; /* mapped only when the tables do not fit into the arena */
	char *maps_text;       /* of a survey: the list of mappings as the kernel wrote it */
	size_t maps_text_bytes;
	struct rf_maps maps;
	struct rf_own_image own;
	struct rf_image_process process;
	const unsigned char *auxv; /* in the request */
	char cwd[RF_IMAGE_MAX_PATH_BYTES + 1];
	struct rf_image_sigaction sigactions[RF_IMAGE_SIGNALS];
	struct rf_image_thread thread;
	struct rf_image_clocks clocks;
	struct rf_image_vdso vdso;
	struct rf_image_vdso_area vdso_areas[RF_IMAGE_MAX_VDSO_AREAS];
	const void *vdso_code;
	struct rf_vdso_mark mark; /* of a redirected vdso, which is no memory of the image */
	bool is_redirected;
	struct rf_snapshot_file *files;
	size_t file_count, file_capacity;
	struct rf_file_index file_index;
	const char *last_path; /* what last_status is of; NULL = nothing */
	struct stat last_status;
	struct rf_map_proof proof;
	struct rf_snapshot_mapping *mappings;
	size_t mapping_count;
	struct rf_shared_memories shared;
	size_t counted_mapping; /* the last one that the node has asked for, */
	uint32_t counted;	/* and its number */
	struct rf_page_run *runs;
	size_t run_count, run_capacity;
	struct rf_pagemap pagemap; /* fd -1 before it is opened */
	int smaps_fd;		   /* for rf_snapshot_write_marks(); the same */
	int original; /* the process that the calling one was forked from to be captured; or 0 */
};

/*
 * Collects the snapshot of the calling process.  Mappings of the arena itself are left out, and so
 * is what is added to request->refusals.  0 or a negative errno with a report.
 */
int rf_snapshot_collect(struct rf_snapshot *snapshot, struct rf_arena *arena,
			const struct rf_arch_context *context, struct rf_snapshot_request *request,
			struct rf_report *report);

/* The same, but for the pages: rf_snapshot_find_pages() is still to be called. */
int rf_snapshot_collect_state(struct rf_snapshot *snapshot, struct rf_arena *arena,
			      const struct rf_arch_context *context,
			      struct rf_snapshot_request *request, struct rf_report *report);

/* Takes memory from the arena, or where that is full from a large one of the ghost's own; NULL
 * when there is none. */
void *rf_snapshot_take(struct rf_snapshot *snapshot, size_t bytes);

/*
 * Makes the tables of mappings and their files, and no more, in the caller: for a forecast, and
 * for the ghost, which takes them over if the kernel's list is still the same.  Digests are not
 * looked up.  -ENOBUFS for a large process, or another negative errno with a report.
 */
int rf_snapshot_survey(struct rf_snapshot *snapshot, struct rf_arena *arena,
		       const struct rf_snapshot_request *request, struct rf_report *report);

/* Adds the digests of the mapped files: for a machine that cannot know a file by its identity.
 * Part of rf_snapshot_collect() unless request->same_boot. */
int rf_snapshot_digest_files(struct rf_snapshot *snapshot,
			     const struct rf_snapshot_request *request, struct rf_report *report);

/* Looks up the runs of pages of all mappings, and keeps them as far as there is room.  Part of
 * rf_snapshot_collect(). */
int rf_snapshot_find_pages(struct rf_snapshot *snapshot, struct rf_report *report);

/* Calls back for a run of pages; a negative result ends it. */
typedef int (*rf_snapshot_visit)(void *context, const struct rf_snapshot_mapping *mapping,
				 const struct rf_page_run *run);

/* For every run of a mapping, ascending, after rf_snapshot_find_pages(); 0 or the first negative
 * result. */
int rf_snapshot_for_each_run(struct rf_snapshot *snapshot,
			     const struct rf_snapshot_mapping *mapping, rf_snapshot_visit visit,
			     void *context);

/* As rf_pagemap_walk_runs(), by the mapping's source; all mappings of a walk must come in their
 * order. */
long rf_snapshot_find_runs(struct rf_pagemap_walk *walk, const struct rf_snapshot_mapping *mapping,
			   uint64_t start, struct rf_page_run *runs, size_t capacity,
			   uint64_t *next);

/* Writes all records up to LAYOUT. */
int rf_snapshot_write_layout(struct rf_snapshot *snapshot, struct rf_image_writer *writer,
			     const struct rf_snapshot_request *request);

/* Writes how mappings are marked, behind LAYOUT and before END (snapshot_marks.c).  0 or a negative
 * errno. */
int rf_snapshot_write_marks(struct rf_snapshot *snapshot, struct rf_image_writer *writer);

/* Writes the pages that go by content whatever the node has. */
int rf_snapshot_write_pages(struct rf_snapshot *snapshot, struct rf_image_writer *writer);

/* Writes guard pages alone: whoever is asked about an image must know of those, and of no
 * others. */
int rf_snapshot_write_guards(struct rf_snapshot *snapshot, struct rf_image_writer *writer);

/* Writes all pages of one file mapping whose file the node lacks; -EBADMSG for a bad index. */
int rf_snapshot_write_lacking(struct rf_snapshot *snapshot, struct rf_image_writer *writer,
			      uint32_t index);

/* Whether a forked process still has the huge pages of a private mapping; 0, or a negative errno
 * with a report: -EAGAIN it has not (snapshot_huge.c). */
int rf_snapshot_check_huge(struct rf_snapshot *snapshot, const struct rf_image_mapping *image,
			   struct rf_report *report);

/* -- shared memory (snapshot_shared.c) -------------------------------------------------------- */

/*
 * Makes a mapping one of the memory that the process shares with its children: finds the others
 * of the same memory, and sees to it that a stream has its pages once.  0 or -ENOMEM.
 */
int rf_snapshot_share(struct rf_snapshot *snapshot, struct rf_snapshot_mapping *mapping,
		      const struct rf_map *map, bool is_at_rest);

/* -- at rest (snapshot_rest.c) ---------------------------------------------------------------- */

/*
 * Gives the calling process copies of its own of the memory that it shares with others, which may
 * go on changing it, and of huge pages; from then on it is private memory.  After rf_snapshot_collect_state(),
 * before rf_snapshot_find_pages().  memory_fd: /proc/self/mem.  0 or a negative errno with a
 * report.
 */
int rf_snapshot_unshare(struct rf_snapshot *snapshot, int memory_fd, struct rf_report *report);

/* Has mapped files carried by content whose paths lead to other files by now, as after an
 * upgrade.  Before rf_snapshot_find_pages(). */
void rf_snapshot_carry_replaced(struct rf_snapshot *snapshot);

/* What pages are planned with. */
struct rf_snapshot_plan {
	struct rf_statefile_writer *writer;
	int memory_fd; /* /proc/self/mem */
	void *bounce;  /* RF_CHUNK_BYTES */
};

/* Plans the pages of a statefile.  0 or a negative errno: -ENOBUFS if they are too scattered. */
int rf_snapshot_plan_pages(struct rf_snapshot *snapshot, struct rf_snapshot_plan *plan);

/* The parts of it, for who plans some pages only: a run, and whether pages that nobody has touched
 * are zero, and can be read. */
int rf_snapshot_plan_run(const struct rf_snapshot_plan *plan,
			 const struct rf_snapshot_mapping *mapping, const struct rf_page_run *run);
bool rf_snapshot_has_zeros_between(const struct rf_snapshot_mapping *mapping);

/* The rf_statefile_look of pages that were planned so; context: the descriptor of
 * /proc/self/mem. */
int rf_snapshot_look(void *context, const struct rf_statefile_segment *segment, uint64_t address,
		     size_t bytes, void *bounce, const void **data);

/* Fills the digest of what a mapping shows of its file, from the cache (which may be NULL) or by
 * reading; 0 or a negative errno. */
int rf_snapshot_digest_mapping(struct rf_image_mapping *mapping, const struct rf_image_file *file,
			       const char *path, const struct rf_digest_cache *cache);

/* Computes the digests of the calling process's mapped files that the cache lacks: in the caller,
 * so that the next rfork() finds them too.  What fails is left to the ghost. */
void rf_snapshot_warm_digests(struct rf_digest_cache *cache);

/* How the image is proved to be frozen, see RFORK_CHECK_FROZEN. */
enum rf_frozen_check {
	RF_FROZEN_TRUSTED,
	RF_FROZEN_CHECKED, /* prove that the image does not change while it is sent or held */
	RF_FROZEN_BROKEN,  /* and change it, to prove the proof */
};

/* XXH3-64 over address and bytes of every page that rf_snapshot_write_pages() would look at in
 * place: equal before and after if the image is frozen. */
uint64_t rf_snapshot_digest(struct rf_snapshot *snapshot);

#endif
