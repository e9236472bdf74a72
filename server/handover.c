/* SPDX-License-Identifier: MIT */
/*
 * Hands a connection and the key from the listener to a session.  The key goes from
 * private page to private page through the kernel and never through another buffer.
 */
#define _GNU_SOURCE
#include "server/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/descriptor.h"

int rf_handover_send(int channel, const struct rf_handover *message, const struct rf_key *key,
		     int connection)
{
	struct iovec iov[2] = { { (void *)message, sizeof(*message) },
				{ key->bytes, RF_KEY_BYTES } };

	return rf_descriptor_send(channel, iov, 2, connection);
}

int rf_handover_receive(int channel, struct rf_handover *message, struct rf_key *key)
{
	struct iovec iov[2] = { { message, sizeof(*message) }, { key->bytes, RF_KEY_BYTES } };

	return rf_descriptor_receive(channel, iov, 2, sizeof(*message) + RF_KEY_BYTES);
}

void rf_handover_tell(int channel, enum rf_session_news news)
{
	char byte = (char)news;

	(void)send(channel, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}
