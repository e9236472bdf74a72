/* SPDX-License-Identifier: MIT */
/*
 * Whole reads and writes.  Called by every process of an rfork; in the ghost also
 * after the capture point, hence system calls only.
 */
#define _GNU_SOURCE
#include "rfork/io.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>

#include "rfork/sys.h"

int64_t rf_io_now_ns(void)
{
	struct timespec now = { 0 };

	rf_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t rf_io_deadline_ns(int timeout_ms)
{
	return timeout_ms < 0 ? RF_NO_DEADLINE : rf_io_now_ns() + (int64_t)timeout_ms * 1000000;
}

static int milliseconds_until(int64_t deadline_ns)
{
	int64_t left_ms;

	if (deadline_ns == RF_NO_DEADLINE)
		return -1;
	left_ms = (deadline_ns - rf_io_now_ns() + 999999) / 1000000;
	if (left_ms < 0)
		return 0;
	return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

void rf_io_spin(int fd, int64_t longest_ns)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	int64_t until_ns = rf_io_now_ns() + longest_ns;

	while (rf_sys_poll(&pollfd, 1, 0) == 0 && rf_io_now_ns() < until_ns)
		rf_syscall(SYS_sched_yield);
}

int rf_io_wait(int fd, short events, int64_t deadline_ns)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return rf_io_wait_any(&pollfd, 1, deadline_ns);
}

int rf_io_wait_any(struct pollfd *fds, nfds_t count, int64_t deadline_ns)
{
	int ready;

	do
		ready = rf_sys_poll(fds, count, milliseconds_until(deadline_ns));
	while (ready == -EINTR);
	if (ready == 0)
		return -ETIMEDOUT;
	return ready < 0 ? ready : 0;
}

int rf_io_read_full(int fd, void *buffer, size_t bytes, int64_t deadline_ns)
{
	char *next = buffer;

	while (bytes) {
		ssize_t got;

		if (deadline_ns != RF_NO_DEADLINE) {
			int waited = rf_io_wait(fd, POLLIN, deadline_ns);

			if (waited < 0)
				return waited;
		}
		got = rf_sys_read(fd, next, bytes);
		if (got == -EINTR || got == -EAGAIN)
			continue;
		if (got < 0)
			return (int)got;
		if (got == 0)
			return -ECONNRESET;
		next += got;
		bytes -= (size_t)got;
	}
	return 0;
}

/* Drops the first `bytes` of iov; returns how many entries are done. */
static int advance(struct iovec *iov, int count, size_t bytes)
{
	int done = 0;

	while (done < count && bytes >= iov[done].iov_len)
		bytes -= iov[done++].iov_len;
	if (done < count) {
		iov[done].iov_base = (char *)iov[done].iov_base + bytes;
		iov[done].iov_len -= bytes;
	}
	return done;
}

/* So much is waited for at once where it will certainly come, but no longer than this. */
#define GATHERED_BYTES ((size_t)256 << 10)
#define GATHERED_US 50000

/* How much must be there before a reader of fd wakes, and how long that may take; 0 if fd is a
 * socket. */
static int set_low_water(int fd, size_t bytes, long us)
{
	int low = bytes < GATHERED_BYTES ? (int)bytes : (int)GATHERED_BYTES;
	const struct timeval most = { 0, us };
	int error =
		(int)rf_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));

	return error < 0 ? error
			 : (int)rf_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, &low,
					   sizeof(low));
}

/* left: bytes of all of iov.  A receive buffer that is full of small packets holds less than is
 * waited for, and lets no more in. */
static int read_all(int fd, struct iovec *iov, int count, size_t left, bool *is_trickling)
{
	int done = advance(iov, count, 0);

	while (done < count) {
		ssize_t got = rf_sys_readv(fd, iov + done, count - done);

		if (got == -EAGAIN && !*is_trickling) {
			*is_trickling = true;
			set_low_water(fd, 1, 0);
			continue;
		}
		if (got == -EINTR)
			continue;
		if (got < 0)
			return (int)got;
		if (got == 0)
			return -ECONNRESET;
		done += advance(iov + done, count - done, (size_t)got);
		left -= (size_t)got;
		if (!*is_trickling && left && left < GATHERED_BYTES)
			set_low_water(fd, left, GATHERED_US);
	}
	return 0;
}

int rf_io_readv_full(int fd, struct iovec *iov, int count, bool *is_trickling)
{
	bool has_little = true;
	size_t bytes = 0;
	int error;

	for (int i = 0; i < count; i++)
		bytes += iov[i].iov_len;
	if (*is_trickling || bytes < GATHERED_BYTES)
		return read_all(fd, iov, count, bytes, &has_little);
	*is_trickling = set_low_water(fd, bytes, GATHERED_US) < 0;
	error = read_all(fd, iov, count, bytes, is_trickling);
	set_low_water(fd, 1, 0);
	return error;
}

int rf_io_writev_full(int fd, struct iovec *iov, int count, int64_t deadline_ns)
{
	int done = advance(iov, count, 0);
	int dontwait = deadline_ns == RF_NO_DEADLINE ? 0 : MSG_DONTWAIT;
	int is_socket = 1;

	while (done < count) {
		ssize_t put;

		if (is_socket) {
			struct msghdr message = { .msg_iov = iov + done,
						  .msg_iovlen = (size_t)(count - done) };

			put = rf_sys_sendmsg(fd, &message, MSG_NOSIGNAL | dontwait);
		} else {
			put = rf_sys_writev(fd, iov + done, count - done);
		}
		if (put == -ENOTSOCK) {
			is_socket = 0;
		} else if (put == -EAGAIN) {
			int waited = rf_io_wait(fd, POLLOUT, deadline_ns);

			if (waited < 0)
				return waited;
		} else if (put < 0 && put != -EINTR) {
			return (int)put;
		} else if (put > 0) {
			done += advance(iov + done, count - done, (size_t)put);
		}
	}
	return 0;
}

int rf_io_pwritev_full(int fd, struct iovec *iov, int count, uint64_t offset)
{
	int done = advance(iov, count, 0);

	while (done < count) {
		/* the offset's halves, as pwritev(2) takes them where a long has 64 bits */
		ssize_t put = rf_syscall(SYS_pwritev, fd, iov + done, count - done, offset, 0);

		if (put == -EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? (int)put : -EIO;
		offset += (uint64_t)put;
		done += advance(iov + done, count - done, (size_t)put);
	}
	return 0;
}

int rf_io_write_full(int fd, const void *buffer, size_t bytes, int64_t deadline_ns)
{
	struct iovec iov = { .iov_base = (void *)buffer, .iov_len = bytes };

	return rf_io_writev_full(fd, &iov, 1, deadline_ns);
}

int rf_io_above_stdio(int fd)
{
	int moved;

	if (fd < 0 || fd > 2)
		return fd;
	moved = (int)rf_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
	rf_sys_close(fd);
	return moved;
}

int rf_io_out_of_the_way(int fd)
{
	enum { KEPT_CLEAR = 64, SELECT_END = 1024 };
	struct rlimit limit = { SELECT_END, SELECT_END };
	int moved;

	if (fd < 0)
		return fd;
	rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	if (limit.rlim_cur > SELECT_END)
		limit.rlim_cur = SELECT_END;
	moved = limit.rlim_cur <= KEPT_CLEAR ? -EINVAL
					     : (int)rf_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC,
							       limit.rlim_cur - KEPT_CLEAR);
	if (moved < 0)
		return rf_io_above_stdio(fd);
	rf_sys_close(fd);
	return moved;
}

long rf_io_read_file(const char *path, char *buffer, size_t bytes)
{
	size_t used = 0;
	long got;
	int fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fd;
	do {
		got = rf_sys_read(fd, buffer + used, bytes - 1 - used);
		if (got > 0)
			used += (size_t)got;
	} while (got > 0 || got == -EINTR);
	rf_sys_close(fd);
	if (got < 0)
		return got;
	buffer[used] = '\0';
	return used == bytes - 1 ? -EFBIG : (long)used;
}
