/* SPDX-License-Identifier: MIT */
/*
 * The user whom children run as, and the way there, which has no way back.
 * doc/privileges.md says which process runs as whom.
 */
#ifndef RF_PRIVILEGE_H
#define RF_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "rfork/report.h"

#define RF_GROUPS_MAX 256

struct rf_target_user {
	bool change; /* false: children run as the server does */
	uid_t uid;
	gid_t gid;
	gid_t groups[RF_GROUPS_MAX];
	int group_count;
	char name[64];
	char home[256];
	char shell[256];
};

/*
 * Looks the user up, in the listener: it may load name service modules.  name NULL = the user
 * that the server runs as.  0; -EINVAL for an unknown user, -EPERM for another than the
 * server's own where the server is not root; with a report.
 */
int rf_privilege_resolve(struct rf_target_user *user, const char *name, struct rf_report *report);

/* Becomes the user for good, and makes sure of it; 0, or a negative errno with a report. */
int rf_privilege_drop(const struct rf_target_user *user, struct rf_report *report);

#endif
