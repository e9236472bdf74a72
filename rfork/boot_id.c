/* SPDX-License-Identifier: MIT */
/*
 * Reads the kernel's random number of the boot, and compares such numbers.
 */
#define _GNU_SOURCE
#include "rfork/boot_id.h"

#include <string.h>

#include "rfork/io.h"

#define DIGITS (2 * RF_BOOT_ID_BYTES)

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void rf_boot_id_read(uint8_t boot_id[RF_BOOT_ID_BYTES])
{
	char text[64];
	unsigned digits = 0;

	memset(boot_id, 0, RF_BOOT_ID_BYTES);
	if (rf_io_read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text)) < 0)
		return;
	for (const char *c = text; *c && *c != '\n' && digits < DIGITS; c++) {
		int value = hex_value(*c);

		if (*c == '-')
			continue;
		if (value < 0)
			break;
		boot_id[digits / 2] = (uint8_t)(boot_id[digits / 2] << 4 | value);
		digits++;
	}
	if (digits != DIGITS)
		memset(boot_id, 0, RF_BOOT_ID_BYTES);
}

bool rf_boot_id_is_same(const uint8_t a[RF_BOOT_ID_BYTES], const uint8_t b[RF_BOOT_ID_BYTES])
{
	static const uint8_t unknown[RF_BOOT_ID_BYTES];

	return memcmp(a, b, RF_BOOT_ID_BYTES) == 0 && memcmp(a, unknown, RF_BOOT_ID_BYTES) != 0;
}
