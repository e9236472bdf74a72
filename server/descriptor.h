/* SPDX-License-Identifier: MIT */
/*
 * A message with one descriptor attached (SCM_RIGHTS), and moving descriptors out of
 * the way.  Used by the listener, the sessions and spawn.
 */
#ifndef RF_DESCRIPTOR_H
#define RF_DESCRIPTOR_H

#include <stddef.h>
#include <sys/uio.h>

/* Sends one message that carries fd; 0 or a negative errno. */
int rf_descriptor_send(int socket, struct iovec *iov, size_t count, int fd);

/*
 * Receives one message of exactly `bytes` with one descriptor, which is returned, close-on-exec.
 * -ECONNRESET at end of file, -EBADMSG for anything else than such a message.
 */
int rf_descriptor_receive(int socket, struct iovec *iov, size_t count, size_t bytes);

/*
 * Receives one message of at most what iov holds, without waiting: its length, with the descriptor
 * in *fd or -1 if there was none.  -EAGAIN if there is no message, -ECONNRESET at end of file,
 * -EBADMSG for one that was cut or had more than one descriptor.
 */
long rf_descriptor_receive_now(int socket, struct iovec *iov, size_t count, int *fd);

/* Moves *fd to a number of at least `lowest`, close-on-exec; 0 or a negative errno, and then *fd is
 * as before. */
int rf_descriptor_raise(int *fd, int lowest);

/* Closes *fd unless it is -1, and makes it -1. */
void rf_descriptor_close(int *fd);

#endif
