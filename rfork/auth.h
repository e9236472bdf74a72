/* SPDX-License-Identifier: MIT */
/*
 * Mutual proof of the shared key (doc/protocol.txt, 3), before either side looks
 * at anything else that the other sent.  The caller's side runs in rfork() before the
 * fork; the node's side in a session.
 */
#ifndef RF_AUTH_H
#define RF_AUTH_H

#include <stdint.h>

#include "rfork/key.h"
#include "rfork/report.h"

/*
 * Sends HELLO, which is returned for rf_auth_caller().  The key can be read before that is called: the
 * node makes its challenge meanwhile.
 * 0, or a negative errno with a report.  peer_name names the node in sentences.
 */
int rf_auth_hello(int fd, struct rf_frame_hello *hello, int64_t deadline_ns, const char *peer_name,
		  struct rf_report *report);

/*
 * CHALLENGE, then PROOF and REQUEST in one write: the node answers the latter with WELCOME, and what
 * takes time here can be done meanwhile.
 * 0; -EKEYREJECTED, -EPROTONOSUPPORT, -ETIMEDOUT, -ECONNRESET, -EBADMSG or another error
 * with a report.  After a failure the connection is good for nothing but close().
 */
int rf_auth_caller(int fd, const struct rf_frame_hello *hello, const struct rf_key *key,
		   const struct rf_machine_facts *request, int64_t deadline_ns,
		   const char *peer_name, struct rf_report *report);

/*
 * The node's side; has sent REFUSED where the protocol allows it.
 * 0, or a negative errno with a report.
 */
int rf_auth_node(int fd, const struct rf_key *key, int64_t deadline_ns, struct rf_report *report);

#endif
