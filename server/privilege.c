/* SPDX-License-Identifier: MIT */
/*
 * Looks up and becomes the target user.  Called by main() and, right after its fork, by
 * each session; a session that cannot get rid of root must not go on.
 */
#define _GNU_SOURCE
#include "server/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without --user the environment of the server is as good as the user data base. */
static void describe_self(struct rf_target_user *user)
{
	const char *home = getenv("HOME");

	rf_format(user->home, sizeof(user->home), "%s", home && home[0] == '/' ? home : "/");
	user->uid = geteuid();
	user->gid = getegid();
}

int rf_privilege_resolve(struct rf_target_user *user, const char *name, struct rf_report *report)
{
	const struct passwd *entry;

	memset(user, 0, sizeof(*user));
	if (!name) {
		describe_self(user);
		return 0;
	}
	errno = 0;
	entry = getpwnam(name);
	if (!entry)
		return rf_report(report, EINVAL, "there is no user %s%s%s", name, errno ? ": " : "",
				 errno ? strerrordesc_np(errno) : "");
	if (geteuid() != 0 && entry->pw_uid != geteuid())
		return rf_report(report, EPERM, "only root can run children as user %s", name);
	user->change = geteuid() == 0;
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	rf_format(user->name, sizeof(user->name), "%s", entry->pw_name);
	rf_format(user->home, sizeof(user->home), "%s", entry->pw_dir);
	rf_format(user->shell, sizeof(user->shell), "%s", entry->pw_shell);
	user->group_count = RF_GROUPS_MAX;
	if (getgrouplist(name, entry->pw_gid, user->groups, &user->group_count) < 0)
		return rf_report(report, EINVAL, "user %s is in more than %d groups", name,
				 RF_GROUPS_MAX);
	return 0;
}

static int check_identity(const struct rf_target_user *user, struct rf_report *report)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return rf_report(report, errno, "reading back the user: %m");
	if (ruid != user->uid || euid != user->uid || suid != user->uid || rgid != user->gid ||
	    egid != user->gid || sgid != user->gid)
		return rf_report(report, EPERM, "the session did not become user %s", user->name);
	if (user->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0 || setgroups(0, NULL) == 0))
		return rf_report(report, EPERM, "the session could become root again");
	return 0;
}

int rf_privilege_drop(const struct rf_target_user *user, struct rf_report *report)
{
	if (!user->change)
		return 0;
	if (setgroups((size_t)user->group_count, user->groups) < 0)
		return rf_report(report, errno, "groups of user %s: %m", user->name);
	if (setresgid(user->gid, user->gid, user->gid) < 0)
		return rf_report(report, errno, "group of user %s: %m", user->name);
	if (setresuid(user->uid, user->uid, user->uid) < 0)
		return rf_report(report, errno, "becoming user %s: %m", user->name);
	return check_identity(user, report);
}
