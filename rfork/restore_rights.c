/* SPDX-License-Identifier: MIT */
/*
 * Drops capabilities.  Called by rfork-shell, in the process that becomes the image.
 */
#define _GNU_SOURCE
#include "rfork/restore_rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "rfork/sys.h"

#define CAPABILITIES 64u

/* The kernel answers EINVAL beyond the last that it knows. */
static int limit_bounding(uint64_t kept)
{
	for (unsigned i = 0; i < CAPABILITIES; i++) {
		int error = 0;

		if (!(kept >> i & 1) && rf_sys_prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			error = (int)rf_sys_prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
		if (error < 0)
			return error;
	}
	return 0;
}

/* The ambient set follows by itself.  What is inheritable a program that root executes gets, though
 * the bounding set has it not. */
static int limit_permitted(uint64_t kept, uint64_t kept_inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	long error = rf_syscall(SYS_capget, &header, data);

	if (error < 0)
		return (int)error;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(kept >> 32 * i);

		data[i].permitted &= half;
		data[i].effective &= half;
		data[i].inheritable &= (uint32_t)(kept_inheritable >> 32 * i);
	}
	return (int)rf_syscall(SYS_capset, &header, data);
}

int rf_restore_rights(const struct rf_image *image, struct rf_report *report)
{
	int error;

	if (!image->has_rights)
		return 0;
	error = limit_bounding(image->rights.bounding);
	if (error == 0)
		error = limit_permitted(image->rights.permitted,
					image->rights.permitted & image->rights.bounding);
	return error < 0
		       ? rf_report(report, -error, "capabilities that the caller does not have: %m")
		       : 0;
}
