/* SPDX-License-Identifier: MIT */
/*
 * A node that is another machine as far as files can tell: the server runs in a mount namespace
 * of its own, where the boot id is another one, and where chosen files may have other bytes.
 */
#ifndef TEST_SUPPORT_FOREIGN_NODE_H
#define TEST_SUPPORT_FOREIGN_NODE_H

#include "tests/support/node.h"

/* The node's boot id: what it reads at its usual place. */
#define FOREIGN_BOOT_ID "00000000-1111-2222-3333-444444444444"
#define FOREIGN_BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* What the node has otherwise; NULL = nothing of that. */
struct foreign_change {
	const char *path;	 /* a file of which it has a copy with one byte changed */
	uint64_t offset;	 /* of that byte */
	const char *replacement; /* the file that it has there, instead of such a copy */
	const char *hidden;	 /* a directory that is empty there */
	bool is_full;		 /* where files without a name go, there is room for 64 KiB */
};

/*
 * Starts such a node; skips the test, with the reason, where namespaces are not allowed.  Ends
 * with node_stop().
 */
void foreign_node_start(struct node *node, struct foreign_change change);

/* Of calls that name them: to pages by RDMA, which are not encrypted, such a node is beyond
 * loopback. */
extern const struct rfork_options foreign_node_options;

/* In the child: fails unless it runs on such a node. */
void foreign_node_expect_here(void);

#endif
