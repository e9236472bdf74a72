/* SPDX-License-Identifier: MIT */
/*
 * Which boot of which machine this is.
 */
#ifndef RF_BOOT_ID_H
#define RF_BOOT_ID_H

#include <stdbool.h>
#include <stdint.h>

#define RF_BOOT_ID_BYTES 16

/* All zero where the kernel does not say: a container may hide the file. */
void rf_boot_id_read(uint8_t boot_id[RF_BOOT_ID_BYTES]);

/* Whether two are known, and the same. */
bool rf_boot_id_is_same(const uint8_t a[RF_BOOT_ID_BYTES], const uint8_t b[RF_BOOT_ID_BYTES]);

#endif
