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

static uint64_t read_permitted(uint64_t *effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	rf_syscall(SYS_capget, &header, data);
	*effective = data[0].effective | (uint64_t)data[1].effective << 32;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static uint64_t bit(unsigned capability)
{
	return UINT64_C(1) << capability;
}

/* Each is a question of its own; the kernel answers EINVAL beyond the last that it knows. */
static long ask_bounding(unsigned capability)
{
	return capability < CAPABILITIES ? rf_sys_prctl(PR_CAPBSET_READ, capability, 0, 0, 0)
					 : -EINVAL;
}

/* *unknown: those that this kernel does not know yet. */
static uint64_t read_bounding(uint64_t *unknown)
{
	uint64_t bounding = 0;
	unsigned next = 0;
	long has;

	for (; (has = ask_bounding(next)) >= 0; next++)
		bounding |= has ? bit(next) : 0;
	*unknown = next < CAPABILITIES ? ~(bit(next) - 1) : 0;
	return bounding;
}

static uint32_t read_user_namespace(void)
{
	struct stat status;

	return rf_sys_stat("/proc/self/ns/user", &status) == 0 ? (uint32_t)status.st_ino : 0;
}

static uint32_t read_securebits(void)
{
	long securebits = rf_sys_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	return securebits < 0 ? 0 : (uint32_t)securebits;
}

void rf_rights_read(struct rf_rights *rights)
{
	struct stat root = { 0 };

	rf_sys_stat("/", &root);
	*rights = (struct rf_rights){ .root_device = root.st_dev,
				      .root_inode = root.st_ino,
				      .permitted = read_permitted(&(uint64_t){ 0 }),
				      .bounding = read_bounding(&(uint64_t){ 0 }),
				      .user_namespace = read_user_namespace(),
				      .securebits = read_securebits() };
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

void rf_rights_name(uint64_t capabilities, char *text, size_t bytes)
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

/* What the kernel does not know nobody has dropped. */
static void add_unknown(struct rf_image_rights *rights, bool is_root, uint64_t unknown)
{
	rights->permitted = is_root ? rights->permitted | unknown : UINT64_MAX;
	rights->effective = is_root ? rights->effective | unknown : UINT64_MAX;
	rights->bounding |= unknown;
}

void rf_rights_bound(struct rf_image_rights *rights, bool is_root)
{
	uint64_t unknown;

	read_bounding(&unknown);
	add_unknown(rights, is_root, unknown);
}

bool rf_rights_are_limited(const struct rf_image_rights *rights)
{
	return ~(rights->permitted & rights->effective & rights->bounding) || rights->root_inode;
}

/* In another user namespace capabilities mean something else, and neither have more of them. */
static bool are_comparable(const struct rf_image_rights *rights, const struct rf_rights *node,
			   bool same_boot)
{
	return rights->user_namespace == node->user_namespace &&
	       (same_boot || rights->user_namespace == INITIAL_USER_NAMESPACE ||
		rights->user_namespace == 0);
}

bool rf_rights_limit(struct rf_image_rights *rights, const struct rf_machine_facts *facts,
		     bool same_boot)
{
	struct rf_rights node;
	uint64_t gained;

	memcpy(&node, facts->program, sizeof(node));
	gained = (node.permitted & ~(rights->permitted & rights->effective)) |
		 (node.bounding & ~rights->bounding);
	return gained && are_comparable(rights, &node, same_boot);
}

static bool may_limit(const struct rf_rights *node)
{
	return node->permitted >> CAP_SETPCAP & 1;
}

/* What no program that the child executes could get, set-user-ID or not; the set is only for those
 * who have a capability for that. */
static void refuse_bounding(const struct rf_image_rights *rights, const struct rf_rights *node,
			    bool same_boot, struct rf_refusals *refusals)
{
	uint64_t gained = node->bounding & ~rights->bounding;
	char text[RF_REPORT_BYTES / 2] = "";

	if (!gained || may_limit(node) || !are_comparable(rights, node, same_boot))
		return;
	rf_rights_name(gained, text, sizeof(text));
	rf_refuse(refusals, "bounding set: the child could get %s", text);
}

/* Locked bits stay as they are, whoever wants to change them. */
static void refuse_securebits(uint32_t securebits, const struct rf_rights *node,
			      struct rf_refusals *refusals)
{
	uint32_t lacking = securebits & RF_CONFINING_SECUREBITS & ~node->securebits;
	uint32_t locked = (node->securebits & SECURE_ALL_LOCKS) >> 1;

	if (lacking && (!may_limit(node) || lacking & locked))
		rf_refuse(refusals, "securebits: the child would run without 0x%x", lacking);
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

static void read_root(struct rf_image_rights *rights)
{
	struct stat root = { 0 };

	if (!is_changed_root())
		return;
	rf_sys_stat("/", &root);
	rights->root_device = root.st_dev;
	rights->root_inode = root.st_ino;
}

static void refuse_root(const struct rf_image_rights *rights, const struct rf_rights *node,
			bool same_boot, struct rf_refusals *refusals)
{
	if (rights->root_inode && (!same_boot || rights->root_device != node->root_device ||
				   rights->root_inode != node->root_inode))
		rf_refuse(refusals, "root directory: chroot(2) would not confine the child");
}

/* -- the whole --------------------------------------------------------------------------------- */

void rf_rights_collect(struct rf_image_rights *rights)
{
	bool is_root = rf_syscall(SYS_geteuid) == 0;
	uint64_t unknown;

	*rights = (struct rf_image_rights){ .bounding = read_bounding(&unknown) };
	if (is_root)
		rights->permitted = read_permitted(&rights->effective);
	add_unknown(rights, is_root, unknown);
	read_root(rights);
	if (rf_rights_are_limited(rights))
		rights->user_namespace = read_user_namespace();
}

void rf_rights_refuse(const struct rf_image_rights *rights, const struct rf_image_state *state,
		      const struct rf_machine_facts *facts, bool same_boot,
		      struct rf_refusals *refusals)
{
	struct rf_rights node;

	memcpy(&node, facts->program, sizeof(node));
	/* else no program that the child executes gives it anything */
	if (!(state->flags & RF_STATE_NO_NEW_PRIVS)) {
		refuse_bounding(rights, &node, same_boot, refusals);
		refuse_securebits(state->securebits, &node, refusals);
	}
	refuse_root(rights, &node, same_boot, refusals);
}
