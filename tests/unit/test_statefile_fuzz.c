/* SPDX-License-Identifier: MIT */
/*
 * Mutations of a good statefile against its readers: of the records, of the index, of the note,
 * of the ELF headers.  Whatever comes, the answer is a refusal that names the file, or what is
 * accepted keeps to the rules of the format (statefile_sample.c).  RFORK_TEST_SEED and
 * RFORK_FUZZ_ROUNDS choose other rounds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/statefile.h"
#include "rfork/statefile_reader.h"
#include "tests/unit/image_mutation.h"
#include "tests/unit/image_reading.h"
#include "tests/unit/statefile_sample.h"

#define ROUNDS 10000
/* No parent is there, whatever name a mutation gives it. */
#define PATH "/nonexistent/x.state"

struct tally {
	uint64_t opened, whole;
};

static void change_note(struct rf_statefile_note *note)
{
	unsigned char *bytes = (unsigned char *)note;
	uint64_t value = mutation_value();
	uint64_t width = UINT64_C(4) << mutation_below(2);
	uint64_t at = mutation_below(sizeof(*note) / width) * width;

	if (mutation_below(2)) { /* a little more or less than it was */
		memcpy(&value, bytes + at, width);
		value += mutation_below(9) - 4;
	}
	memcpy(bytes + at, &value, width);
}

/* In the ELF and program headers, and the note's own, of which only the head's digest knows. */
static void change_head(unsigned char *file)
{
	uint64_t value = mutation_value();
	uint64_t width = UINT64_C(1) << mutation_below(4);
	uint64_t at = mutation_below(RF_STATEFILE_NOTE_OFFSET / width) * width;

	memcpy(file + at, &value, width);
}

static bool is_refusal(int answer)
{
	return sample_is_refusal(answer) || answer == -ENOENT || answer == -ENOTDIR ||
	       answer == -EINVAL || answer == -EACCES || answer == -ESTALE || answer == -EISDIR;
}

/* Opens and checks the file; what is wrong with the answer, or NULL. */
static const char *judge(int fd, size_t bytes, struct rf_report *report, struct tally *tally)
{
	struct rf_source source;
	const char *fault;
	int answer = rf_statefile_open_fd(&source, fd, PATH, SAMPLE_MIN_ADDRESS, SAMPLE_MAX_ADDRESS,
					  report);

	if (answer < 0) {
		if (!is_refusal(answer) || report->error != -answer)
			return "this is no answer to hostile bytes";
		return strchr(report->sentence, '/') ? NULL : "the sentence names no file";
	}
	tally->opened++;
	fault = statefile_judge(&source, bytes);
	answer = rf_statefile_check(&source, report);
	tally->whole += answer == 0;
	rf_source_close(&source);
	if (!fault && answer && answer != -EBADMSG)
		fault = "this is no answer of a check";
	return fault;
}

static bool run_round(const struct statefile_sample *good, struct tally *tally)
{
	static int fd = -1;
	struct rf_report report = { 0 };
	struct statefile_sample sample = *good;
	unsigned char *file;
	const char *fault;
	size_t bytes;

	sample_copy(&sample.records, &good->records);
	if (mutation_below(8))
		mutation_change(&sample.records);
	if (mutation_below(4) == 0)
		sample.change_note = change_note;
	file = statefile_encode(&sample, &bytes);
	if (mutation_below(8) == 0)
		change_head(file);
	if (mutation_below(16) == 0)
		bytes = mutation_below(bytes);
	if (fd < 0)
		fd = memfd_create("statefile", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, file, bytes, 0) != (ssize_t)bytes)
		abort();
	free(file);
	sample_free(&sample.records);
	fault = judge(fd, bytes, &report, tally);
	if (fault)
		fprintf(stderr, "%s: %s\n", fault, report.sentence);
	return !fault;
}

int main(void)
{
	uint64_t seed = mutation_number("RFORK_TEST_SEED", 1);
	uint64_t rounds = mutation_number("RFORK_FUZZ_ROUNDS", ROUNDS);
	static struct statefile_sample good;
	struct tally tally = { 0 };

	printf("RFORK_TEST_SEED=%" PRIu64 " RFORK_FUZZ_ROUNDS=%" PRIu64 "\n", seed, rounds);
	fflush(stdout);
	statefile_make(&good);
	for (uint64_t round = 0; round < rounds; round++) {
		/* Each round by itself can be had again. */
		mutation_begin(seed + round);
		if (!run_round(&good, &tally)) {
			fprintf(stderr, "again: RFORK_TEST_SEED=%" PRIu64 " RFORK_FUZZ_ROUNDS=1\n",
				seed + round);
			return EXIT_FAILURE;
		}
	}
	sample_free(&good.records);
	printf("%" PRIu64 " statefiles were opened, %" PRIu64 " were whole\n", tally.opened,
	       tally.whole);
	/* Mutations that are all refused at once would show nothing. */
	return tally.opened > rounds / 50 || rounds < 1000 ? EXIT_SUCCESS : EXIT_FAILURE;
}
