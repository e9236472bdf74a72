/* SPDX-License-Identifier: MIT */
/*
 * Drops capabilities.  Called by rfork-shell and by executables that restart themselves, in the
 * process that becomes the image, while it has one thread.
 */
#define _GNU_SOURCE
#include "rfork/restore_rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "rfork/rights.h"
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
static int limit_sets(const struct rf_image_rights *kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	long error = rf_syscall(SYS_capget, &header, data);

	if (error < 0)
		return (int)error;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t permitted = (uint32_t)(kept->permitted >> 32 * i);

		data[i].permitted &= permitted;
		data[i].effective &= permitted & (uint32_t)(kept->effective >> 32 * i);
		data[i].inheritable &= permitted & (uint32_t)(kept->bounding >> 32 * i);
	}
	return (int)rf_syscall(SYS_capset, &header, data);
}

/* The attributes have been restored, as far as that is permitted. */
static bool has_securebits(const struct rf_image *image)
{
	uint32_t wanted = image->state.securebits & RF_CONFINING_SECUREBITS;

	return !wanted || !(wanted & ~(uint32_t)rf_sys_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

/* Where the means to limit it are lacking, no program that it executes gives it anything; without
 * warnings that is not ours to decide. */
static int gain_nothing(const char *what, struct rf_warnings *warnings)
{
	if (rf_sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return 0;
	if (!warnings)
		return -EPERM;
	rf_warn(warnings, 0, "%s, and so no_new_privs is set", what);
	return (int)rf_sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int limit(const struct rf_image *image, struct rf_warnings *warnings)
{
	const struct rf_image_rights *kept = &image->rights;
	int error = image->has_rights ? limit_bounding(kept->bounding) : 0;

	if (error == -EPERM)
		error = gain_nothing("bounding set: it cannot be limited to what it was", warnings);
	if (error == 0 && !has_securebits(image))
		error = gain_nothing("securebits: those that confine it cannot be set", warnings);
	if (error == 0 && image->has_rights)
		error = limit_sets(kept);
	return error;
}

int rf_restore_rights(const struct rf_image *image, struct rf_warnings *warnings,
		      struct rf_report *report)
{
	int error = limit(image, warnings);

	return error < 0 ? rf_report(report, -error, "rights that the process did not have: %m")
			 : 0;
}
