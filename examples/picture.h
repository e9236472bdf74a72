/* SPDX-License-Identifier: MIT */
/*
 * The picture that is being made: its rows come in any order, each once.
 */
#ifndef EXAMPLES_PICTURE_H
#define EXAMPLES_PICTURE_H

#include <stdint.h>

struct picture {
	unsigned width, height;
	unsigned rows;	 /* that are here */
	uint8_t *pixels; /* red, green, blue; row by row from the top */
	uint8_t *here;	 /* for each row: 1 = it is here */
};

/* 0, or -1 and errno.  picture_free() is right after both. */
int picture_make(struct picture *picture, unsigned width, unsigned height);
void picture_free(struct picture *picture);

/* Where a row's 3 * width bytes stand. */
uint8_t *picture_row(const struct picture *picture, unsigned row);

/* Writes a PNG file: whole, by a temporary file beside it, or not at all.  0, or -1 after a
 * message on standard error. */
int picture_write_png(const struct picture *picture, const char *path);

#endif
