/* SPDX-License-Identifier: MIT */
/*
 * Reads and compares rights.  Called by a session before it has a caller, and by the caller while
 * its ghost is still to come; neither allocates.
 */
#define _GNU_SOURCE
#include "rfork/rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/prctl.h>

#include "rfork/sys.h"

_Static_assert(sizeof(struct rf_rights) <= sizeof(((struct rf_machine_facts *)0)->program),
	       "doc/protocol.txt, 3");

#define CAPABILITIES 64u

/* PROC_USER_INIT_INO, include/linux/proc_ns.h of the kernel. */
#define INITIAL_USER_NAMESPACE 0xEFFFFFFDu

static uint64_t read_permitted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	rf_syscall(SYS_capget, &header, data);
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/* Those of `asked` that the bounding set has; each is a question of its own. */
static uint64_t read_bounding(uint64_t asked)
{
	uint64_t bounding = 0;

	for (unsigned capability = 0; capability < CAPABILITIES; capability++)
		if (asked >> capability & 1 &&
		    rf_sys_prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1)
			bounding |= UINT64_C(1) << capability;
	return bounding;
}

static uint64_t read_user_namespace(void)
{
	struct stat status;

	return rf_sys_stat("/proc/self/ns/user", &status) == 0 ? status.st_ino : 0;
}

void rf_rights_read(struct rf_rights *rights)
{
	struct stat root = { 0 };

	rf_sys_stat("/", &root);
	*rights = (struct rf_rights){ .root_device = root.st_dev,
				      .root_inode = root.st_ino,
				      .permitted = read_permitted(),
				      .bounding = read_bounding(UINT64_MAX),
				      .user_namespace = read_user_namespace() };
}

void rf_rights_put(struct rf_machine_facts *welcome, const struct rf_rights *rights)
{
	memset(welcome->program, 0, sizeof(welcome->program));
	memcpy(welcome->program, rights, sizeof(*rights));
}

/* -- capabilities ------------------------------------------------------------------------------ */

/* By number, without "cap_"; include/uapi/linux/capability.h. */
static const char *const names[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};

static void name_all(uint64_t capabilities, char *text, size_t bytes)
{
	size_t used = 0;

	for (unsigned i = 0; i < CAPABILITIES; i++) {
		const char *comma = used ? ", " : "";

		if (!(capabilities >> i & 1))
			continue;
		if (i < sizeof(names) / sizeof(names[0]))
			used += rf_format(text + used, bytes - used, "%s%s", comma, names[i]);
		else
			used += rf_format(text + used, bytes - used, "%s%u", comma, i);
	}
}

/* What root has dropped.  Of others the node decides as which user a child runs, and what that may
 * do. */
static uint64_t find_gained(uint64_t node)
{
	return node && rf_syscall(SYS_geteuid) == 0 ? node & ~read_permitted() : 0;
}

/* What no program that the process executes can get, set-user-ID or not. */
static uint64_t find_gained_bounding(uint64_t node)
{
	return node & ~read_bounding(node);
}

/* In another user namespace capabilities mean something else, and neither have more of them. */
static bool are_comparable(const struct rf_rights *node, bool same_boot)
{
	uint64_t here = read_user_namespace();

	return here == node->user_namespace &&
	       (same_boot || here == INITIAL_USER_NAMESPACE || here == 0);
}

bool rf_rights_limit(struct rf_image_rights *limit, const struct rf_machine_facts *node,
		     bool same_boot)
{
	struct rf_rights rights;
	uint64_t gained, bounding;

	memcpy(&rights, node->program, sizeof(rights));
	gained = find_gained(rights.permitted);
	bounding = find_gained_bounding(rights.bounding);
	if ((gained || bounding) && !are_comparable(&rights, same_boot))
		gained = bounding = 0;
	*limit = (struct rf_image_rights){ .permitted = ~gained, .bounding = ~bounding };
	return gained || bounding;
}

/* The bounding set is only for those who have a capability for that. */
static void refuse_bounding(const struct rf_rights *node, bool same_boot,
			    struct rf_refusals *refusals)
{
	char text[RF_REPORT_BYTES / 2] = "";
	uint64_t gained;

	if (node->permitted >> CAP_SETPCAP & 1)
		return;
	gained = find_gained_bounding(node->bounding);
	name_all(gained, text, sizeof(text));
	if (gained && are_comparable(node, same_boot))
		rf_refuse(refusals, "bounding set: the child could get %s", text);
}

/* -- the root directory ------------------------------------------------------------------------ */

/* The root of a mount is that of a machine or a container, as far as one can see from within; any
 * other directory was made the root by chroot(2).  Before Linux 5.8 nobody tells. */
static bool is_changed_root(void)
{
	struct statx root = { 0 };

	return rf_syscall(SYS_statx, AT_FDCWD, "/", 0, 0, &root) == 0 &&
	       root.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT &&
	       !(root.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static void refuse_root(const struct rf_rights *node, bool same_boot, struct rf_refusals *refusals)
{
	struct stat root = { 0 };

	if (!is_changed_root())
		return;
	rf_sys_stat("/", &root);
	if (!same_boot || root.st_dev != node->root_device || root.st_ino != node->root_inode)
		rf_refuse(refusals, "root directory: chroot(2) would not confine the child");
}

void rf_rights_refuse(const struct rf_machine_facts *node, bool same_boot,
		      struct rf_refusals *refusals)
{
	struct rf_rights rights;

	memcpy(&rights, node->program, sizeof(rights));
	refuse_bounding(&rights, same_boot, refusals);
	refuse_root(&rights, same_boot, refusals);
}
