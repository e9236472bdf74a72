/* SPDX-License-Identifier: MIT */
/*
 * Which private pages of the calling process are certainly the same as when it was looked at last:
 * asynchronous write protection by userfaultfd(2), read by PAGEMAP_SCAN, Linux 6.7.  Every doubt
 * counts as a change.
 *
 * Only anonymous memory is tracked.  A page is named only while the kernel's mark is on it, which
 * a look sets and a write takes off, and only in a mapping that has been registered without a
 * break.  So a page that is new, dropped, moved, or not protected at all is never named.  What
 * devices write into pages that they hold since before the look (O_DIRECT, RDMA, io_uring) goes
 * unseen, as it does by fork(2).
 */
#ifndef RF_WRITE_TRACKER_H
#define RF_WRITE_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/kept_fd.h"

struct rf_page_range {
	uint64_t start, end;
};

/* Ascending, not overlapping; memory of the caller's. */
struct rf_range_list {
	struct rf_page_range *ranges;
	size_t count, capacity;
	bool is_full; /* something had no room */
};

struct rf_write_tracker {
	struct rf_kept_fd uffd; /* of userfaultfd(2) */
	pid_t pid;		/* a fork child is not tracked */
};

/* A tracker that does not track. */
#define RF_WRITE_TRACKER_NONE ((struct rf_write_tracker){ .uffd = { .fd = -1 } })

/* Whether the tracker works in this process; a fork child has another's, which must not be used. */
bool rf_write_tracker_is_on(const struct rf_write_tracker *tracker);

/* Starts to track: nothing is protected before the first look.  -ENOSYS, -EPERM, -EINVAL: the
 * kernel does not know how, or forbids it; or another negative errno. */
int rf_write_tracker_start(struct rf_write_tracker *tracker);

/* Ends it; what the kernel has marked is as it was.  In a fork child it only closes. */
void rf_write_tracker_stop(struct rf_write_tracker *tracker);

/*
 * Protects all private anonymous memory against unseen writes, and lists what has not been written
 * since the last look.  All that is not listed may have changed; where the list is full, pages are
 * left out.  maps_buffer: memory for the list of mappings.  No malloc, no errno.  No other thread
 * may change mappings meanwhile.  0, or a negative errno: the list is empty then, the tracker as
 * it was, and the next look still right.
 */
int rf_write_tracker_look(struct rf_write_tracker *tracker, void *maps_buffer,
			  size_t maps_buffer_bytes, struct rf_range_list *unchanged);

/* Lists what has been written since the last look, and protects nothing: for what the caller writes
 * between a look and its fork().  0 or a negative errno; -ENOBUFS where the list has no room. */
int rf_write_tracker_list_written(const struct rf_write_tracker *tracker,
				  struct rf_range_list *written);

#endif
