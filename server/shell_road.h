/* SPDX-License-Identifier: MIT */
/*
 * The shell's other road for pages (rfork/page_road.h).  rfork-shell has none: shell_no_road.c.
 * rfork-shell-rdma has that of road.c; only the files of that name know the libraries of RDMA.
 */
#ifndef RF_SHELL_ROAD_H
#define RF_SHELL_ROAD_H

#include "rfork/page_road.h"
#include "server/shell.h"

/* The road, not open yet, or NULL.  device: the only one to be used; "" = any. */
const struct rf_page_road *rf_shell_road(struct rf_shell *shell, const char *device);

#endif
