/* SPDX-License-Identifier: MIT */
/*
 * Computes proofs for the callers and nodes that tests play.  Called by image.c and
 * fake_node.c; shares no code with rfork/auth.c, so that both must follow the document.
 */
#define _GNU_SOURCE
#include "tests/support/handshake.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

void handshake_prove(unsigned char proof[RF_PROOF_BYTES], const char *label,
		     const struct rf_frame_hello *hello, const struct rf_frame_challenge *challenge,
		     size_t challenge_bytes, const unsigned char key[RF_KEY_BYTES])
{
	crypto_auth_hmacsha512256_state state;

	crypto_auth_hmacsha512256_init(&state, key, RF_KEY_BYTES);
	crypto_auth_hmacsha512256_update(&state, (const void *)label, strlen(label));
	crypto_auth_hmacsha512256_update(&state, (const void *)hello, sizeof(*hello));
	crypto_auth_hmacsha512256_update(&state, (const void *)challenge, challenge_bytes);
	crypto_auth_hmacsha512256_final(&state, proof);
}

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || isatty(0) || isatty(1) || isatty(2);
}

size_t handshake_bytes(void)
{
	return HANDSHAKE_SHORT_BYTES + (has_terminal() ? HANDSHAKE_TERMINAL_BYTES : 0);
}
