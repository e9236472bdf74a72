/* SPDX-License-Identifier: MIT */
/*
 * Between a session and its shell: one SOCK_SEQPACKET socket pair.
 *
 * The session executes rfork-shell with the descriptors below and no others, as the target user,
 * in a process group of its own, with a parent-death signal.  When a caller has authenticated and
 * both sides' facts fit, the session sends one struct rf_shell_order with the connection attached
 * (SCM_RIGHTS).  Where pages may come by RDMA, another order goes before it, with
 * rfork-shell-rdma attached: the shell executes that program, which finds everything as the shell
 * did, the next order included.  The shell reads the image from it, answers NEED on it, and
 * becomes the image.  Meanwhile it sends one struct rf_shell_stream for each channel above
 * RF_CHANNEL_TERMINAL, with the session's end attached, and for a datagram socket a second one
 * with the child's end.  Its answer is one struct rf_shell_report (rfork/restore_plan.h): from
 * the shell when it gives up, from the restorer when a step fails, or from the restored
 * thread.  A shell that is only to check the image tells the caller itself what it has against it,
 * and its report is RF_SHELL_CHECKED.  A thread that reports RF_SHELL_WAITING or _EXPECTING then
 * waits for one byte from the session.
 */
#ifndef RF_SHELL_PROTOCOL_H
#define RF_SHELL_PROTOCOL_H

#include <stdint.h>

#include "rfork/protocol.h"
#include "rfork/restore_plan.h"

/* Beside rfork-shell: the same, linked with the libraries of RDMA. */
#define RF_SHELL_RDMA_NAME "rfork-shell-rdma"

#define RF_SHELL_ORDER_VERSION 4u

/* Descriptors at the shell's start.  0 to 2 are /dev/null. */
#define RF_SHELL_SESSION_FD 3
/* The child's ends of the pipes for channels 0 (read), 1 and 2 (write); what the image does not use
 * the shell closes. */
#define RF_SHELL_STANDARD_FD 4
/* The terminal, which is the controlling one; where the session could make one. */
#define RF_SHELL_TERMINAL_FD 7

/* The argument upon which a shell does nothing: it could be loaded. */
#define RF_SHELL_CHECK "--check"

/* Linux 6.16, include/uapi/asm-generic/socket.h; missing in older headers. */
#define RF_SO_PASSRIGHTS 83

/* The session's end of a channel that the shell has made.  Close-on-exec and blocking; the
 * open file description is the session's alone. */
enum rf_shell_end { RF_SHELL_END_SESSION = 0, RF_SHELL_END_CHILD = 1 };

struct rf_shell_stream {
	uint32_t kind; /* RF_SHELL_STREAM */
	uint32_t channel;
	uint32_t stream; /* RF_STREAM_*, of the child's end */
	uint32_t end;	 /* enum rf_shell_end */
	uint32_t inode; /* of the child's socket, if it is a listening one: its name comes, O_PATH */
};

enum rf_shell_order_kind {
	RF_SHELL_BECOME_IMAGE = 0,   /* the connection is attached */
	RF_SHELL_CHANGE_PROGRAM = 1, /* the program is attached; only version and kind count */
};

/* The kernel's IB_DEVICE_NAME_MAX. */
#define RF_RDMA_DEVICE_BYTES 64

struct rf_shell_order {
	uint32_t version;
	uint32_t kind; /* enum rf_shell_order_kind */
	uint32_t connection_id;
	uint32_t has_terminal;	       /* RF_SHELL_TERMINAL_FD is the child's */
	uint32_t is_check;	       /* it looks at the image, and becomes nothing */
	uint32_t codecs;	       /* RF_CODEC_BIT of those that pages may be packed by */
	struct rf_machine_facts facts; /* of this node: collected once, by the listener */
	char rdma_device[RF_RDMA_DEVICE_BYTES]; /* the only one to be used; "" = any */
};

#endif
