/* SPDX-License-Identifier: MIT */
/*
 * The command line of rfork-server, parsed and checked.  Filled once by main() and
 * read-only from then on, in the listener and, inherited, in the sessions.
 */
#ifndef RF_CONFIG_H
#define RF_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "rfork/report.h"
#include "server/shell_protocol.h"

#define RF_LISTEN_MAX 16
#define RF_CHILDREN_DEFAULT 1024u
#define RF_CHILDREN_MAX 65536u
#define RF_DEAD_AFTER_DEFAULT_S 15u
#define RF_DEAD_AFTER_MAX_S 86400u

struct rf_listen_address {
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
		struct sockaddr_un local;
	} address;
	socklen_t bytes;
	bool optional; /* the default's second address: a machine may lack IPv6 */
};

struct rf_config {
	struct rf_listen_address listen[RF_LISTEN_MAX];
	size_t listen_count;
	char port_file[PATH_MAX]; /* absolute; "" = none */
	char key_file[PATH_MAX];  /* absolute; "" = the default file */
	const char *user;	  /* NULL = none */
	unsigned max_children;
	unsigned dead_after_s;
	char rdma_device[RF_RDMA_DEVICE_BYTES]; /* "" = any */
	bool no_rdma;
	bool daemon;
	bool insecure_plaintext;
	bool activated; /* sockets came from a service manager: no default addresses */
};

/*
 * Parses the command line; prints help, the version or what is wrong with an option and exits
 * where argp does (0 or 2).  Returns 0, or -EINVAL with a report.
 */
int rf_config_parse(struct rf_config *config, int argc, char **argv, struct rf_report *report);

/* Parses "ADDR:PORT", "[V6]:PORT", "ADDR", or "unix:PATH"; 0, or -EINVAL with a report. */
int rf_config_parse_address(struct rf_listen_address *address, const char *text,
			    struct rf_report *report);

/* Whether others than this machine can reach the address. */
bool rf_config_beyond_loopback(const struct sockaddr *address);

/*
 * Whether such an address may be listened on, by a server of effective user `uid`: plaintext
 * beyond loopback must be asked for, and root must name the user to become.
 * 0, or -EPERM with a report.
 */
int rf_config_allow_address(const struct rf_config *config, const struct sockaddr *address,
			    uid_t uid, struct rf_report *report);

#endif
