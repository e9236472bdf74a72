/* SPDX-License-Identifier: MIT */
/*
 * The system calls that run where errno must not be touched: in the ghost after
 * the capture point, and in the shell after its image has begun to arrive.  Each
 * returns a result or a negative errno.
 */
#ifndef RF_SYS_H
#define RF_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "rfork/x86_64/syscall.h"

#define RF_SYSCALL_PICK(a, b, c, d, e, f, g, name, ...) name
#define RF_SYSCALL1(n) rf_arch_syscall6((n), 0, 0, 0, 0, 0, 0)
#define RF_SYSCALL2(n, a) rf_arch_syscall6((n), (long)(a), 0, 0, 0, 0, 0)
#define RF_SYSCALL3(n, a, b) rf_arch_syscall6((n), (long)(a), (long)(b), 0, 0, 0, 0)
#define RF_SYSCALL4(n, a, b, c) rf_arch_syscall6((n), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RF_SYSCALL5(n, a, b, c, d)                                                                 \
	rf_arch_syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define RF_SYSCALL6(n, a, b, c, d, e)                                                              \
	rf_arch_syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define RF_SYSCALL7(n, a, b, c, d, e, f)                                                           \
	rf_arch_syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* rf_syscall(SYS_name, up to six arguments) */
#define rf_syscall(...)                                                                            \
	RF_SYSCALL_PICK(__VA_ARGS__, RF_SYSCALL7, RF_SYSCALL6, RF_SYSCALL5, RF_SYSCALL4,           \
			RF_SYSCALL3, RF_SYSCALL2, RF_SYSCALL1, 0)                                  \
	(__VA_ARGS__)

static inline int rf_sys_open(const char *path, int flags)
{
	return (int)rf_syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

static inline int rf_sys_close(int fd)
{
	return (int)rf_syscall(SYS_close, fd);
}

/* The highest number that a descriptor has where the system's limit was not raised. */
#define RF_SYS_MAX_FD 1048575u

/* Closes what is open from first to last, both included; before Linux 5.9 one by one. */
static inline void rf_sys_close_between(unsigned first, unsigned last)
{
	if (first > last || rf_syscall(SYS_close_range, first, last, 0) != -ENOSYS)
		return;
	for (unsigned fd = first; fd <= last && fd <= RF_SYS_MAX_FD; fd++)
		rf_sys_close((int)fd);
}

static inline ssize_t rf_sys_read(int fd, void *buffer, size_t bytes)
{
	return rf_syscall(SYS_read, fd, buffer, bytes);
}

static inline ssize_t rf_sys_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	return rf_syscall(SYS_pread64, fd, buffer, bytes, offset);
}

static inline ssize_t rf_sys_write(int fd, const void *buffer, size_t bytes)
{
	return rf_syscall(SYS_write, fd, buffer, bytes);
}

static inline ssize_t rf_sys_readv(int fd, const struct iovec *iov, int count)
{
	return rf_syscall(SYS_readv, fd, iov, count);
}

static inline ssize_t rf_sys_writev(int fd, const struct iovec *iov, int count)
{
	return rf_syscall(SYS_writev, fd, iov, count);
}

static inline ssize_t rf_sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return rf_syscall(SYS_sendmsg, fd, message, flags);
}

static inline int rf_sys_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	return (int)rf_syscall(SYS_poll, fds, count, timeout_ms);
}

static inline int rf_sys_ioctl(int fd, unsigned long request, void *argument)
{
	return (int)rf_syscall(SYS_ioctl, fd, request, argument);
}

static inline long rf_sys_mmap(uintptr_t address, size_t bytes, int protection, int flags, int fd,
			       uint64_t offset)
{
	return rf_syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

static inline int rf_sys_munmap(uintptr_t address, size_t bytes)
{
	return (int)rf_syscall(SYS_munmap, address, bytes);
}

static inline int rf_sys_madvise(uintptr_t address, size_t bytes, int advice)
{
	return (int)rf_syscall(SYS_madvise, address, bytes, advice);
}

static inline int rf_sys_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
			       unsigned long d)
{
	return (int)rf_syscall(SYS_prctl, option, a, b, c, d);
}

/* The kernel's struct stat is glibc's on x86_64. */
static inline int rf_sys_stat(const char *path, struct stat *status)
{
	return (int)rf_syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);
}

static inline int rf_sys_fstat(int fd, struct stat *status)
{
	return (int)rf_syscall(SYS_fstat, fd, status);
}

_Noreturn static inline void rf_sys_exit(int status)
{
	for (;;)
		rf_syscall(SYS_exit_group, status);
}

#endif
