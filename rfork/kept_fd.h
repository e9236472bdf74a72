/* SPDX-License-Identifier: MIT */
/*
 * A descriptor that the library keeps in the program from one call to the next.  Programs close
 * descriptors that they do not know, and open their own under the same number: it is used, and
 * closed, only while it is still ours.
 */
#ifndef RF_KEPT_FD_H
#define RF_KEPT_FD_H

#include <stdbool.h>
#include <stdint.h>

struct rf_kept_fd {
	int fd; /* -1 = none */
	uint64_t device, inode;
};

#define RF_KEPT_FD_NONE ((struct rf_kept_fd){ .fd = -1 })

/* Takes fd, of a file that nobody else has opened, out of the program's way; a negative fd is an
 * error of before.  0 or a negative errno: then nothing is kept. */
int rf_kept_fd_take(struct rf_kept_fd *kept, int fd);

bool rf_kept_fd_is_open(const struct rf_kept_fd *kept);

/* Whether fd is this one, and still ours. */
bool rf_kept_fd_is(const struct rf_kept_fd *kept, int fd);

void rf_kept_fd_close(struct rf_kept_fd *kept);

#endif
