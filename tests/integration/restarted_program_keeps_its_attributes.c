/* SPDX-License-Identifier: MIT */
/*
 * Claim: a restarted program has what it had chosen for itself, the signal of its parent's death
 * included, wherever it is started from.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/attributes.h"
#include "tests/support/restart.h"

static struct attributes_told told;

static int body(void)
{
	unsigned lost;

	attributes_set_all(&told, 0);
	restart_point();
	lost = attributes_count_lost(&told, "restarted");
	if (strcmp(rfork_report(), "") != 0)
		dprintf(STDERR_FILENO, "restarted: %s", rfork_report());
	return lost || strcmp(rfork_report(), "") != 0 ? 1 : RESTART_RIGHT;
}

int main(void)
{
	static const char *const names[] = { "app" };
	const char *path;

	test_begin();
	path = checkpoint_path("app");
	restart_write(path, body);
	restart_expect(path);
	checkpoint_clean(names, 1);
	return test_end();
}
