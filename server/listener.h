/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets: opened from the configuration or taken over from a service
 * manager, and the port file that tells where they are.
 */
#ifndef RF_LISTENER_H
#define RF_LISTENER_H

#include "rfork/report.h"
#include "server/config.h"

#define RF_LISTENER_SOCKETS_MAX (2 * RF_LISTEN_MAX)

struct rf_listener {
	int fds[RF_LISTENER_SOCKETS_MAX];
	size_t count;
	/* Local sockets that are ours to remove. */
	char unlink_paths[RF_LISTEN_MAX][sizeof(((struct sockaddr_un *)0)->sun_path)];
	size_t unlink_count;
};

/* How many sockets a service manager passed to this process (LISTEN_PID, LISTEN_FDS). */
int rf_listener_activated(void);

/* Opens all; on failure a negative errno with a report, and nothing left behind. */
int rf_listener_open(struct rf_listener *listener, const struct rf_config *config, int activated,
		     struct rf_report *report);

/* Writes the port file: complete from its first moment on. */
int rf_listener_write_ports(const struct rf_listener *listener, const char *path,
			    struct rf_report *report);

/* Says in the log where it listens. */
void rf_listener_announce(const struct rf_listener *listener);

/* Accepts one connection: a descriptor, -EAGAIN if there is none, or another negative errno. */
int rf_listener_accept(int fd);

/* Closes the sockets and removes the local ones. */
void rf_listener_close(struct rf_listener *listener);

#endif
