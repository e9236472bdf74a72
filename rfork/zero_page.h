/* SPDX-License-Identifier: MIT */
/*
 * Whether a page is all zero.  Called by the writers of images, where the page lies.
 */
#ifndef RF_ZERO_PAGE_H
#define RF_ZERO_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#define RF_ZERO_PAGE_BYTES 4096u

/* page: aligned to 8 bytes. */
static inline bool rf_is_zero_page(const void *page)
{
	const uint64_t *word = page;
	const uint64_t *end = word + RF_ZERO_PAGE_BYTES / sizeof(*word);

	for (; word < end; word += 8)
		if (word[0] | word[1] | word[2] | word[3] | word[4] | word[5] | word[6] | word[7])
			return false;
	return true;
}

#endif
