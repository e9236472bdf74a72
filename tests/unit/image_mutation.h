/* SPDX-License-Identifier: MIT */
/*
 * Mutations of images for fuzz tests, the same ones for the same seed.
 */
#ifndef TEST_UNIT_IMAGE_MUTATION_H
#define TEST_UNIT_IMAGE_MUTATION_H

#include <stdint.h>

#include "tests/unit/image_sample.h"

/* What is drawn from here on follows from the seed. */
void mutation_begin(uint64_t seed);

/* A number below limit. */
uint64_t mutation_below(uint64_t limit);

/* A value at which checks turn. */
uint64_t mutation_value(void);

/* Changes records here and there. */
void mutation_change(struct sample *sample);

/* A number from the environment. */
uint64_t mutation_number(const char *name, uint64_t otherwise);

#endif
