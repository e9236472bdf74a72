/* SPDX-License-Identifier: MIT */
/*
 * PAGEMAP_SCAN, Linux 6.7: include/uapi/linux/fs.h.  Older headers lack it.
 */
#ifndef RF_PAGEMAP_SCAN_H
#define RF_PAGEMAP_SCAN_H

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "rfork/sys.h"

struct rf_scan_region {
	uint64_t start, end, categories;
};

struct rf_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define RF_SCAN_REQUEST _IOWR('f', 16, struct rf_scan)

/* rf_scan.flags */
#define RF_SCAN_PROTECT 1u	 /* PM_SCAN_WP_MATCHING: against writes, and tell, in one */
#define RF_SCAN_CHECK_TRACKED 2u /* PM_SCAN_CHECK_WPASYNC: fail where writes are not tracked */

#define RF_CATEGORY_TRACKED (1u << 0) /* PAGE_IS_WPALLOWED, of the whole mapping */
#define RF_CATEGORY_WRITTEN (1u << 1) /* not protected against writes */
#define RF_CATEGORY_FILE (1u << 2)
#define RF_CATEGORY_PRESENT (1u << 3)
#define RF_CATEGORY_SWAPPED (1u << 4) /* or another entry of a page that is not there */
#define RF_CATEGORY_ZERO (1u << 5)
#define RF_CATEGORY_GUARD (1u << 8) /* Linux 6.15 */

/* The number of regions, or a negative errno. */
static inline long rf_scan(int pagemap, struct rf_scan *scan)
{
	long count;

	scan->size = sizeof(*scan);
	do
		count = rf_sys_ioctl(pagemap, RF_SCAN_REQUEST, scan);
	while (count == -EINTR);
	return count;
}

#endif
