/* SPDX-License-Identifier: MIT */
/*
 * Reads the clocks of the calling process, and in which time namespace it is.  Called by snapshot.c
 * after the capture point, by rfork-shell, rfork-start and undump.
 */
#define _GNU_SOURCE
#include "rfork/clocks.h"

#include "rfork/sys.h"
#include "rfork/timer_value.h"

uint64_t rf_clocks_now_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	rf_syscall(SYS_clock_gettime, clock, &now);
	return rf_timer_timespec_ns(&now);
}

uint64_t rf_clocks_namespace(const char *path)
{
	struct stat status;

	return rf_sys_stat(path, &status) == 0 ? status.st_ino : 0;
}

void rf_clocks_read(struct rf_image_clocks *clocks)
{
	clocks->monotonic_ns = rf_clocks_now_ns(CLOCK_MONOTONIC);
	clocks->boottime_ns = rf_clocks_now_ns(CLOCK_BOOTTIME);
	clocks->time_namespace = rf_clocks_namespace(RF_CLOCKS_OWN);
}
