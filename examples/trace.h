/* SPDX-License-Identifier: MIT */
/*
 * Ray tracing of a scene, row by row.  A row depends on the scene and its number only, so
 * that every process computes the same bytes for it.
 */
#ifndef EXAMPLES_TRACE_H
#define EXAMPLES_TRACE_H

#include <stdint.h>

#include "examples/scene.h"

/* Computes a row: 3 * scene->width bytes, red, green, blue. */
void trace_row(const struct scene *scene, unsigned row, uint8_t *pixels);

#endif
