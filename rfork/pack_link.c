/* SPDX-License-Identifier: MIT */
/*
 * A file of its own because <linux/tcp.h>, which knows more of TCP than the C library, cannot be
 * included beside its headers.
 */
#include "rfork/pack_link.h"

#include <linux/tcp.h>

#include "rfork/io.h"
#include "rfork/sys.h"

#define PROTOCOL_TCP 6 /* IPPROTO_TCP */

bool rf_pack_link_look(int connection, struct rf_pack_link *link)
{
	struct tcp_info info = { 0 };
	uint32_t bytes = sizeof(info);

	if (rf_syscall(SYS_getsockopt, connection, PROTOCOL_TCP, TCP_INFO, &info, &bytes) < 0)
		return false;
	*link = (struct rf_pack_link){ .now_ns = rf_io_now_ns(),
				       .acked_bytes = info.tcpi_bytes_acked,
				       .delivery_rate = info.tcpi_delivery_rate_app_limited
								? 0
								: info.tcpi_delivery_rate,
				       .round_trip_us = info.tcpi_rtt,
				       .window_bytes = info.tcpi_snd_cwnd * info.tcpi_snd_mss,
				       .is_busy = info.tcpi_notsent_bytes != 0 };
	return true;
}
