/* SPDX-License-Identifier: MIT */
/*
 * Judges what a reader of images has let through.
 */
#ifndef TEST_UNIT_IMAGE_RULES_H
#define TEST_UNIT_IMAGE_RULES_H

#include "rfork/image_reader.h"

/* The first rule of the format that a layout, or a forecast, breaks, or NULL. */
const char *sample_judge_layout(const struct rf_image *image);
const char *sample_judge_forecast(const struct rf_reader_forecast *forecast);

/* Whether an object of the image is a content. */
bool sample_is_content(const struct rf_image *image, uint32_t index);

#endif
