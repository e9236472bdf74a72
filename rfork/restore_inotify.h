/* SPDX-License-Identifier: MIT */
/*
 * An inotify(7) of the image, made again.
 */
#ifndef RF_RESTORE_INOTIFY_H
#define RF_RESTORE_INOTIFY_H

#include "rfork/object.h"

/* Makes it and lets it watch what it watched, under the same numbers; the descriptor, or a negative
 * errno: -ENOENT what was watched is not here, -ESTALE it is of another type. */
int rf_restore_inotify(const struct rf_object_state *object);

#endif
