/* SPDX-License-Identifier: MIT */
/*
 * rfork-shell is static, and gets all pages by the connection.
 */
#define _GNU_SOURCE
#include "server/shell_road.h"

const struct rf_page_road *rf_shell_road(struct rf_shell *shell, const char *device)
{
	(void)shell;
	(void)device;
	return NULL;
}
