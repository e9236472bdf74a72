/* SPDX-License-Identifier: MIT */
/*
 * Counts the layers of the thread's Landlock domain.  Called by sandbox.c, in the caller.
 *
 * A domain has at most 16 layers, one for each call of landlock_restrict_self(2).  So a process
 * that inherits it, and adds layers until the kernel says E2BIG, can add fewer than 16 only if
 * there were some.
 */
#define _GNU_SOURCE
#include "rfork/landlock.h"

#include <linux/kcmp.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "rfork/aside.h"
#include "rfork/sys.h"

#define MAX_LAYERS 16u /* LANDLOCK_MAX_NUM_LAYERS, security/landlock/limits.h */

/* To an ordinary process everything looks the same in a domain.  But root may look at any process,
 * unless a domain keeps it from those outside. */
static bool may_have_domain(void)
{
	if (rf_sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return true;
	return rf_syscall(SYS_geteuid) == 0 &&
	       rf_syscall(SYS_kcmp, rf_syscall(SYS_getpid), rf_syscall(SYS_getppid), KCMP_VM, 0,
			  0) == -EPERM;
}

/* Fills the domain up. */
static void fill_domain(void *layers)
{
	struct landlock_ruleset_attr rules = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM };
	long ruleset = rf_syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	long error = ruleset < 0 ? ruleset : rf_sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	unsigned added = 0;

	while (error == 0 && added <= MAX_LAYERS) {
		error = rf_syscall(SYS_landlock_restrict_self, ruleset, 0);
		added += error == 0;
	}
	if (error == -E2BIG && added < MAX_LAYERS)
		*(unsigned *)layers = MAX_LAYERS - added;
}

unsigned rf_landlock_layers(void)
{
	unsigned layers = 0;

	if (may_have_domain())
		rf_aside(fill_domain, &layers);
	return layers;
}
