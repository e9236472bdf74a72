/* SPDX-License-Identifier: MIT */
/*
 * Whether this machine has an RDMA device, without a library that would open it.
 */
#ifndef RF_RDMA_DEVICE_H
#define RF_RDMA_DEVICE_H

#include <stdbool.h>

/* Whether the kernel lists one.  Opens a descriptor for a moment; no malloc and no errno. */
bool rf_rdma_has_device(void);

/* The same for a device of that name. */
bool rf_rdma_has_device_named(const char *name);

#endif
