/* SPDX-License-Identifier: MIT */
/*
 * Memory of a picture, and its PNG file by libpng.  Called by render.c; only
 * the caller writes files, never a clone.
 */
#define _GNU_SOURCE
#include "examples/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int picture_make(struct picture *picture, unsigned width, unsigned height)
{
	*picture = (struct picture){ .width = width, .height = height };
	picture->pixels = calloc(height, (size_t)3 * width);
	picture->here = calloc(height, 1);
	return picture->pixels && picture->here ? 0 : -1;
}

void picture_free(struct picture *picture)
{
	free(picture->pixels);
	free(picture->here);
	*picture = (struct picture){ 0 };
}

uint8_t *picture_row(const struct picture *picture, unsigned row)
{
	return picture->pixels + (size_t)row * 3 * picture->width;
}

/* A new file beside `path`, with the mode that fopen() would give; NULL and errno. */
static FILE *open_temporary(char *temporary)
{
	mode_t mask = umask(0);
	FILE *file;
	int fd;

	umask(mask);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd == -1)
		return NULL;
	file = fdopen(fd, "wb");
	if (!file || fchmod(fd, 0666 & ~mask) == -1) {
		int error = errno;

		unlink(temporary);
		if (file)
			fclose(file);
		else
			close(fd);
		errno = error;
		return NULL;
	}
	return file;
}

/* 0, or -1 after a message. */
static int write_file(const struct picture *picture, FILE *file, const char *path)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = picture->width,
		.height = picture->height,
		.format = PNG_FORMAT_RGB,
	};

	if (!png_image_write_to_stdio(&image, file, 0, picture->pixels, 0, NULL)) {
		fprintf(stderr, "%s: %s\n", path, image.message);
		fclose(file);
		return -1;
	}
	if (fclose(file)) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}

int picture_write_png(const struct picture *picture, const char *path)
{
	char *temporary;
	int result = -1;
	FILE *file;

	if (asprintf(&temporary, "%s.XXXXXX", path) == -1) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	file = open_temporary(temporary);
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		goto out;
	}
	result = write_file(picture, file, path);
	if (result == 0 && rename(temporary, path) == -1) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		result = -1;
	}
	if (result == -1)
		unlink(temporary);
out:
	free(temporary);
	return result;
}
