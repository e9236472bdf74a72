/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells of AF_UNIX sockets (sock_diag(7)): how much a peer has not read yet, which
 * no call on one's own end tells.  For session_stream.c.  Needs no rights; a kernel may lack it
 * (CONFIG_UNIX_DIAG).
 */
#ifndef RF_UNIX_DIAG_H
#define RF_UNIX_DIAG_H

#include <stdint.h>

/* Opens the way to ask; a descriptor, or a negative errno: -ENOENT if the kernel answers
 * nothing. */
int rf_unix_diag_open(void);

/* The inode of the socket to which fd is connected; 0 if it has none any more, or cannot be
 * asked. */
uint32_t rf_unix_diag_peer(int diag, int fd);

/* Bytes in the receive queue of the socket with this inode; -ENOENT if there is no such socket any
 * more, or another negative errno. */
long rf_unix_diag_unread(int diag, uint32_t inode);

#endif
