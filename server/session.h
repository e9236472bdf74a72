/* SPDX-License-Identifier: MIT */
/*
 * A session: the process for one connection.  Forked by the listener ahead of need (a
 * spare), it becomes the target user, starts its shell, and waits for a connection.  It
 * lives until every descendant of the child has ended; so a session that exits with 0
 * leaves nothing behind.
 */
#ifndef RF_SESSION_H
#define RF_SESSION_H

#include <sys/resource.h>

#include "rfork/protocol.h"
#include "server/privilege.h"

struct rf_session_setup {
	int channel;	   /* to the listener */
	int shell_program; /* O_PATH */
	int rdma_program;  /* rfork-shell-rdma, O_PATH; -1 = pages come by the connection only */
	const char *rdma_device; /* "" = any */
	pid_t listener;
	rlim_t files; /* soft limit of open files, as the server found it */
	const struct rf_target_user *user;
	const struct rf_machine_facts *facts; /* of this node */
};

/* Runs in the child of the listener's fork. */
_Noreturn void rf_session_run(const struct rf_session_setup *setup);

#endif
