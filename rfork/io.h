/* SPDX-License-Identifier: MIT */
/*
 * Whole reads and writes on descriptors, without errno, malloc or SIGPIPE, so that
 * the frozen ghost may use them.
 */
#ifndef RF_IO_H
#define RF_IO_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define RF_NO_DEADLINE INT64_MAX

/* Nanoseconds of CLOCK_MONOTONIC, by system call: never through the vdso. */
int64_t rf_io_now_ns(void);

/* The deadline timeout_ms milliseconds from now; -1 = RF_NO_DEADLINE. */
int64_t rf_io_deadline_ns(int timeout_ms);

/* Looks for input for up to `longest_ns` without sleeping, where an answer is about to come: waking
 * a sleeping processor, of a virtual machine above all, takes tens of microseconds.  Whoever else
 * wants the processor gets it meanwhile. */
void rf_io_spin(int fd, int64_t longest_ns);

/* Waits until fd has one of `events`; 0, -ETIMEDOUT or another negative errno. */
int rf_io_wait(int fd, short events, int64_t deadline_ns);

/* The same for any of several. */
int rf_io_wait_any(struct pollfd *fds, nfds_t count, int64_t deadline_ns);

/*
 * Reads exactly `bytes`.  0, -ECONNRESET at end of file before the last byte, -ETIMEDOUT at
 * the deadline (CLOCK_MONOTONIC), or another negative errno.
 */
int rf_io_read_full(int fd, void *buffer, size_t bytes, int64_t deadline_ns);

/*
 * The same into several buffers, without a deadline; modifies iov.  count is at most 1024.  From a
 * TCP connection much is taken in large pieces: to be woken costs more, on both sides, than a
 * packet.  *is_trickling: that has proved vain, or is not possible with fd; false before the first
 * call.
 */
int rf_io_readv_full(int fd, struct iovec *iov, int count, bool *is_trickling);

/*
 * Writes exactly what iov holds; modifies iov.  count is at most 1024.  A closed peer is -EPIPE
 * or -ECONNRESET without a signal where fd is a socket.
 */
int rf_io_writev_full(int fd, struct iovec *iov, int count, int64_t deadline_ns);

/* The same at an offset of a file.  -ENOSPC, -EFBIG and the like, too. */
int rf_io_pwritev_full(int fd, struct iovec *iov, int count, uint64_t offset);

int rf_io_write_full(int fd, const void *buffer, size_t bytes, int64_t deadline_ns);

/*
 * Moves a new descriptor above the standard ones, which the program may have closed: what others
 * write to them must not reach it.  Takes fd, if it is not negative; the descriptor, which is
 * close-on-exec where it moved, or a negative errno.
 */
int rf_io_above_stdio(int fd);

/*
 * Moves a descriptor that stays open to where the program's own do not come: near the end of what
 * its limit allows, but where select(2) still reaches.  Takes fd, if it is not negative; the
 * descriptor, close-on-exec, or a negative errno.
 */
int rf_io_out_of_the_way(int fd);

/* Reads a whole small file (of /proc) into a zero-terminated buffer; its length or a negative
 * errno; -EFBIG if it does not fit. */
long rf_io_read_file(const char *path, char *buffer, size_t bytes);

#endif
