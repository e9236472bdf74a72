/* SPDX-License-Identifier: MIT */
/*
 * Puts the calling process into a time namespace of its own, in which the clocks of an image go on.
 * Called by rfork-shell and rfork-start once the layout is read, before anything is timed by the
 * clock.  A privilege, not a need: whoever lacks it keeps the machine's clocks.
 */
#define _GNU_SOURCE
#include "rfork/restore_clocks.h"

#include <errno.h>
#include <sched.h>

#include "rfork/clocks.h"
#include "rfork/io.h"
#include "rfork/report.h"
#include "rfork/sys.h"
#include "rfork/timer_value.h"

/* Linux 5.6, include/uapi/linux/sched.h; missing in older headers. */
#define RF_CLONE_NEWTIME 0x80

#define OFFSETS "/proc/self/timens_offsets"
#define SECOND_NS INT64_C(1000000000)

struct offsets {
	int64_t monotonic_ns, boottime_ns;
};

bool rf_restore_clocks_are_same(const struct rf_image *image, bool is_same_boot,
				uint64_t time_namespace, int64_t since_ns)
{
	const struct rf_image_clocks *clocks = &image->clocks;

	if (!image->has_clocks)
		return true;
	/* the number of a namespace that is gone may be another's: such a clock must not go back */
	return is_same_boot && clocks->time_namespace == time_namespace &&
	       (uint64_t)since_ns >= clocks->monotonic_ns;
}

/* -- text of the kernel ------------------------------------------------------------------------ */

/* The next number of a text, wherever that is. */
static int64_t take_number(const char **next)
{
	bool is_negative;
	int64_t number = 0;

	while (**next && **next != '-' && (**next < '0' || **next > '9'))
		(*next)++;
	is_negative = **next == '-';
	*next += is_negative;
	for (; **next >= '0' && **next <= '9'; (*next)++)
		number = number * 10 + (**next - '0');
	return is_negative ? -number : number;
}

static int64_t take_time(const char **next)
{
	int64_t seconds = take_number(next);

	return seconds * SECOND_NS + take_number(next);
}

/* Those of the namespace that children are made in, to which new ones are relative. */
static int read_offsets(struct offsets *offsets)
{
	char text[256];
	const char *next = text;
	long length = rf_io_read_file(OFFSETS, text, sizeof(text));

	if (length < 0)
		return (int)length;
	/* monotonic comes first, as it has since there is such a file */
	offsets->monotonic_ns = take_time(&next);
	offsets->boottime_ns = take_time(&next);
	return 0;
}

static int64_t floor_seconds(int64_t time_ns)
{
	return time_ns / SECOND_NS - (time_ns % SECOND_NS < 0);
}

/* In one call: the kernel takes both or none. */
static int write_offsets(const struct offsets *offsets)
{
	int64_t monotonic_s = floor_seconds(offsets->monotonic_ns);
	int64_t boottime_s = floor_seconds(offsets->boottime_ns);
	char text[256];
	size_t bytes = rf_format(text, sizeof(text), "monotonic %ld %ld\nboottime %ld %ld\n",
				 monotonic_s, offsets->monotonic_ns - monotonic_s * SECOND_NS,
				 boottime_s, offsets->boottime_ns - boottime_s * SECOND_NS);
	int fd = rf_sys_open(OFFSETS, O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return fd;
	written = rf_sys_write(fd, text, bytes);
	rf_sys_close(fd);
	return written < 0 ? (int)written : 0;
}

/* -- the namespace ----------------------------------------------------------------------------- */

/* The kernel then exchanges the data pages of the vdso, where they lie.  Linux 5.6. */
static int join(const char *path)
{
	int fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return fd;
	error = (int)rf_syscall(SYS_setns, fd, RF_CLONE_NEWTIME);
	rf_sys_close(fd);
	return error;
}

/* CLOCK_MONOTONIC_COARSE is so much behind at most, here as at home. */
static int64_t find_tick_ns(void)
{
	struct timespec tick = { 0 };

	rf_syscall(SYS_clock_getres, CLOCK_MONOTONIC_COARSE, &tick);
	return (int64_t)rf_timer_timespec_ns(&tick);
}

/* How far both clocks must be put forward, or back, to show what the image says: and a tick more,
 * of the time that was on the way, so that the coarse clock does not go back either. */
static struct offsets find_change(const struct rf_image_clocks *clocks, int64_t since_ns)
{
	int64_t monotonic_ns = (int64_t)rf_clocks_now_ns(CLOCK_MONOTONIC);
	int64_t boottime_ns = (int64_t)rf_clocks_now_ns(CLOCK_BOOTTIME);
	int64_t passed_ns = monotonic_ns - since_ns;
	int64_t tick_ns = find_tick_ns();

	return (struct offsets){
		.monotonic_ns = (int64_t)clocks->monotonic_ns + tick_ns - since_ns,
		.boottime_ns = (int64_t)clocks->boottime_ns + tick_ns - (boottime_ns - passed_ns),
	};
}

int64_t rf_restore_clocks(const struct rf_image *image, int64_t since_ns)
{
	struct offsets change = find_change(&image->clocks, since_ns);
	struct offsets offsets;
	int error = (int)rf_syscall(SYS_unshare, RF_CLONE_NEWTIME);

	if (error < 0)
		return since_ns;
	error = read_offsets(&offsets);
	if (error == 0) {
		offsets.monotonic_ns += change.monotonic_ns;
		offsets.boottime_ns += change.boottime_ns;
		error = write_offsets(&offsets);
	}
	if (error == 0)
		error = join("/proc/self/ns/time_for_children");
	if (error == 0)
		return since_ns + change.monotonic_ns;
	/* children stay with us; without /proc they see the same clocks in the new one */
	(void)join(RF_CLOCKS_OWN);
	return since_ns;
}
