/* SPDX-License-Identifier: MIT */
/*
 * Reads the state of a TCP connection from the kernel (tcp(7), TCP_INFO).  Called by the ghost and
 * by the session.
 */
#define _GNU_SOURCE
#include "rfork/link_watch.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "rfork/io.h"
#include "rfork/sys.h"

bool rf_link_watch_has_queued(int fd)
{
	int queued = 0;

	return rf_sys_ioctl(fd, SIOCOUTQ, &queued) == 0 && queued > 0;
}

/* False for what is no TCP connection. */
static bool get_info(int fd, struct tcp_info *info)
{
	socklen_t bytes = sizeof(*info);

	*info = (struct tcp_info){ 0 };
	return rf_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &bytes) == 0;
}

static bool is_awaiting(const struct tcp_info *info)
{
	return info->tcpi_unacked > 0 || info->tcpi_probes > 0;
}

bool rf_link_watch_is_acknowledged(int fd)
{
	struct tcp_info info;

	/* What a unix socket has taken is there.  Queued and not in flight: the other side's window
	 * is closed, for it does not read. */
	return !get_info(fd, &info) || !rf_link_watch_has_queued(fd) || !is_awaiting(&info);
}

/*
 * tcpi_last_ack_recv alone would not do: nothing is acknowledged where nothing was sent, and the
 * probes of a closed window come up to two minutes apart.
 */
bool rf_link_watch_is_dead(struct rf_link_watch *watch, int fd, unsigned dead_after_s)
{
	int64_t now_ns = rf_io_now_ns();
	struct tcp_info info;
	int64_t last_ns;

	if (!rf_link_watch_has_queued(fd) || !get_info(fd, &info) || !is_awaiting(&info)) {
		watch->awaiting_ns = 0;
		return false;
	}
	last_ns = now_ns - (int64_t)info.tcpi_last_ack_recv * 1000000;
	if (!watch->awaiting_ns)
		watch->awaiting_ns = now_ns;
	if (last_ns < watch->awaiting_ns)
		last_ns = watch->awaiting_ns;
	return now_ns - last_ns >= (int64_t)dead_after_s * 1000000000;
}

void rf_link_watch_leave_to_kernel(int fd, unsigned dead_after_s)
{
	unsigned timeout_ms = dead_after_s * 1000;

	rf_syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
		   sizeof(timeout_ms));
}
