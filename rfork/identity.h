/* SPDX-License-Identifier: MIT */
/*
 * Who a process has been, and where it is: what a capture says of that for the image, and what a
 * restore tells the restored thread.
 */
#ifndef RF_IDENTITY_H
#define RF_IDENTITY_H

#include <stdint.h>

#include <rfork.h>

#include "rfork/image_format.h"
#include "rfork/protocol.h"

/* What the restored thread is told; in the restorer's region (struct rf_arrival). */
struct rf_arrival_identity {
	struct rf_image_identity image; /* zero where the image says nothing */
	char connection[RF_IMAGE_MAX_CONNECTION_BYTES + 1];
	uint8_t boot_id[16]; /* of the machine it is on now */
	char host_name[RF_IMAGE_HOST_NAME_BYTES];
	uint32_t transport; /* RFORK_TRANSPORT_* */
};

/* Describes the calling process, but for a ghost, which is not there yet.  `own` is what
 * rf_identity_arrive() has made of it. */
void rf_identity_describe(struct rf_image_identity *image, const struct rfork_identity *own,
			  const struct rf_machine_facts *here);

/* In the restored thread: makes `own` of what it is told.  System calls only. */
void rf_identity_arrive(struct rfork_identity *own, const struct rf_arrival_identity *arrival);

#endif
