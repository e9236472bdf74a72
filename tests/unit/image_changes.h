/* SPDX-License-Identifier: MIT */
/*
 * For programs of Check that test the reader: the sample that it reads, what it has found in it,
 * and lists of changes to it, each with the reader's answer.
 */
#ifndef TEST_UNIT_IMAGE_CHANGES_H
#define TEST_UNIT_IMAGE_CHANGES_H

#include "tests/unit/image_reading.h"

/* Made by the fixture of each program, and given back by tear_down(). */
extern struct sample sample;
extern struct sample_reading reading;

void tear_down(void);

/* The reader's answer to a stream, and to the sample as it is.  The test fails if the reader
 * accepts what breaks a rule of the format. */
int read_stream(const unsigned char *stream, size_t bytes);
int read_sample(void);

/* A change to the good sample. */
struct change {
	const char *name;
	void (*make)(void);
	int answer;
};

/* All of the program, listed before main(). */
#define MAX_CHANGES 1024
extern struct change changes[MAX_CHANGES];
extern int change_count;

#define CHANGE(change_answer, name, ...)                                                           \
	static void name(void)                                                                     \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}                                                                                          \
	__attribute__((constructor)) static void add_##name(void)                                  \
	{                                                                                          \
		changes[change_count++] = (struct change){ #name, name, change_answer };           \
	}

#define REFUSED(error, name, ...) CHANGE(-(error), name, __VA_ARGS__)
#define CORRUPT(name, ...) REFUSED(EBADMSG, name, __VA_ARGS__)
#define ACCEPTED(name, ...) CHANGE(0, name, __VA_ARGS__)

/* Makes one of them, and compares the answer. */
void try_change(int nth);

#endif
