/* SPDX-License-Identifier: MIT */
#include "tests/unit/image_changes.h"

#include <check.h>
#include <stdlib.h>

struct sample sample;
struct sample_reading reading;
struct change changes[MAX_CHANGES];
int change_count;

void tear_down(void)
{
	sample_forget(&reading);
	sample_free(&sample);
}

int read_stream(const unsigned char *stream, size_t bytes)
{
	const char *fault;
	int answer = sample_read(&reading, stream, bytes, &fault);

	ck_assert_msg(!fault, "%s (answer %d, %s)", fault, answer, reading.report.sentence);
	return answer;
}

int read_sample(void)
{
	size_t bytes;
	unsigned char *stream = sample_encode(&sample, &bytes);
	int answer = read_stream(stream, bytes);

	free(stream);
	return answer;
}

void try_change(int nth)
{
	const struct change *change = &changes[nth];
	int answer;

	change->make();
	answer = read_sample();
	ck_assert_msg(answer == change->answer, "%s: answer %d, not %d: %s", change->name, answer,
		      change->answer, reading.report.sentence);
}
