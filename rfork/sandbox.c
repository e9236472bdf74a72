/* SPDX-License-Identifier: MIT */
/*
 * Finds what stands against any fork, wherever to.  Called before anything else of a call is done,
 * for a filter may not permit that.
 */
#define _GNU_SOURCE
#include "rfork/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "rfork/arch.h"
#include "rfork/attributes.h"
#include "rfork/landlock.h"
#include "rfork/sys.h"

/* io_uring/tctx.h of the kernel: IO_RINGFD_REG_MAX; and Linux 5.18, include/uapi/linux/io_uring.h,
 * missing in older headers. */
#define REGISTERED_RINGS 16u
#define ENTER_REGISTERED_RING 16u

/* A filter may refuse the question, too; only a kernel without seccomp knows nothing of it. */
static void refuse_seccomp(struct rf_refusals *refusals)
{
	int mode = rf_sys_prctl(PR_GET_SECCOMP, 0, 0, 0, 0);

	if (mode != SECCOMP_MODE_DISABLED && mode != -EINVAL)
		rf_refuse(refusals, "seccomp: the child would run without the filter");
}

/* A ring may be registered with the thread, and have no descriptor any more.  EINVAL: the thread
 * has never had a ring, or the kernel is older than 5.18 and registers none. */
static void refuse_registered_rings(struct rf_refusals *refusals)
{
	for (unsigned ring = 0; ring < REGISTERED_RINGS; ring++) {
		long result =
			rf_syscall(SYS_io_uring_enter, ring, 0, 0, ENTER_REGISTERED_RING, NULL, 0);

		if (result == -EINVAL || result == -ENOSYS)
			return;
		if (result >= 0)
			rf_refuse(refusals, "io_uring: registered ring %u", ring);
	}
}

static void refuse_domain(struct rf_refusals *refusals)
{
	unsigned layers = rf_landlock_layers();

	if (layers)
		rf_refuse(refusals, "landlock: the child would run without the rules (layers: %u)",
			  layers);
}

static void refuse_machine_state(struct rf_refusals *refusals)
{
	const char *words = rf_arch_name_uncarried(&rf_attributes_own);

	if (words)
		rf_refuse(refusals, "%s", words);
}

void rf_sandbox_refuse(struct rf_refusals *refusals)
{
	refuse_seccomp(refusals);
	if (refusals->count)
		return; /* it may end the process for the next question */
	refuse_domain(refusals);
	refuse_registered_rings(refusals);
	refuse_machine_state(refusals);
}
