/* SPDX-License-Identifier: MIT */
/*
 * The proofs of the handshake, written from doc/protocol.txt and apart from the library's own.
 */
#ifndef TEST_SUPPORT_HANDSHAKE_H
#define TEST_SUPPORT_HANDSHAKE_H

#include <stddef.h>

#include "rfork/protocol.h"

#define HANDSHAKE_NODE_LABEL "rfork node proof"
#define HANDSHAKE_NODE_BYTES 40 /* of CHALLENGE that the node's proof covers */
#define HANDSHAKE_CALLER_LABEL "rfork caller proof"
#define HANDSHAKE_CALLER_BYTES 72

/* What a caller of this process has sent before the first image record, with the headers: of one that
 * has a terminal more than of one that has none. */
#define HANDSHAKE_BYTES handshake_bytes()
size_t handshake_bytes(void);

#define HANDSHAKE_SHORT_BYTES                                                                      \
	(3 * sizeof(struct rf_frame_header) + sizeof(struct rf_frame_hello) +                      \
	 sizeof(struct rf_frame_proof) + sizeof(struct rf_machine_facts))
#define HANDSHAKE_TERMINAL_BYTES (sizeof(struct rf_frame_header) + sizeof(struct rf_frame_terminal))

void handshake_prove(unsigned char proof[RF_PROOF_BYTES], const char *label,
		     const struct rf_frame_hello *hello, const struct rf_frame_challenge *challenge,
		     size_t challenge_bytes, const unsigned char key[RF_KEY_BYTES]);

#endif
