/* SPDX-License-Identifier: MIT */
/*
 * A library with thread-local data, for the tests that open one before or after the move.
 */
#define _GNU_SOURCE
#include "tests/integration/tls_module.h"

static _Thread_local int zeroed[64];
static _Thread_local int preset = 4711;

int *tls_module_zeroed(void)
{
	return zeroed;
}

int *tls_module_preset(void)
{
	return &preset;
}
