/* SPDX-License-Identifier: MIT */
/*
 * What a move takes by TCP and by RDMA, by the size of the process, and how that compares with what
 * the device can do.  Called by bench.c for --rdma.
 */
#include "bench/rows_rdma.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/ib_read.h"
#include "bench/series.h"
#include "bench/subject.h"

#define MS 1e-6 /* of a nanosecond */
#define ROUNDS 3

enum road { TCP, RDMA, ROADS };

static const struct size {
	const char *name;
	const char *kibibytes;
	const char *count; /* of each round */
} sizes[] = {
	{ "64 KiB", "64", "10" },   { "1 MiB", "1024", "10" },	  { "16 MiB", "16384", "5" },
	{ "64 MiB", "65536", "3" }, { "256 MiB", "262144", "2" }, { "1 GiB", "1048576", "1" },
};
#define SIZES (sizeof(sizes) / sizeof(*sizes))

static const char *const schemes[ROADS] = { "tcp", "rdma" };
static struct series first[SIZES][ROADS], returned[SIZES][ROADS], bandwidth[SIZES][ROADS], reading;
static char device[64]; /* "" = none */

/* In KiB; the subject, its child, and what is warmed for either. */
static bool fits(const struct size *size)
{
	double needed = 3.5 * atof(size->kibibytes), available = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];

	while (file && available == 0 && fgets(line, sizeof(line), file))
		(void)sscanf(line, "MemAvailable: %lf kB", &available);
	if (file)
		fclose(file);
	return available > needed;
}

static void skip(size_t size, enum road road, const char *why)
{
	snprintf(first[size][road].skipped, SERIES_SENTENCE_BYTES, "%s", why);
	snprintf(returned[size][road].skipped, SERIES_SENTENCE_BYTES, "%s", why);
	snprintf(bandwidth[size][road].skipped, SERIES_SENTENCE_BYTES, "%s", why);
}

static int measure(const char *folder, const char *host, size_t size, enum road road)
{
	char target[128];
	const char *rest[] = { target, sizes[size].count, sizes[size].kibibytes, NULL };
	const struct reading readings[] = { { "first", &first[size][road], MS },
					    { "return", &returned[size][road], MS },
					    { NULL, NULL, 0 } };

	if (road == RDMA && !*device) {
		skip(size, road, "this machine has no RDMA device");
		return 0;
	}
	if (!fits(&sizes[size])) {
		skip(size, road, "not enough memory is available");
		return 0;
	}
	snprintf(target, sizeof(target), "%s://%s", schemes[road], host);
	return subject_run(folder, "rfork-bench-road", rest, readings);
}

/* Of all rounds, in GB/s. */
static void derive_bandwidth(size_t size, enum road road)
{
	double bytes = 1024 * atof(sizes[size].kibibytes);

	for (size_t i = 0; i < first[size][road].count; i++)
		series_add(&bandwidth[size][road], bytes / (first[size][road].values[i] / MS));
}

/* Before it is installed, the library does not find its helper beside itself. */
static int name_helper(const char *folder)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/../rdma/rfork-pages", folder);
	return access(path, X_OK) == 0 ? setenv("RFORK_PAGES_HELPER", path, 0) : 0;
}

int rows_rdma_measure(const char *folder, const char *host,
		      const volatile sig_atomic_t *interrupted)
{
	int result = name_helper(folder);

	if (ib_find_device(device, sizeof(device)))
		snprintf(reading.skipped, sizeof(reading.skipped),
			 "this machine has no RDMA device");
	else if (ib_read_bandwidth(device, &reading))
		result = -1;
	/* in turns, as either sees the machine's moods */
	for (int round = 0; round < ROUNDS; round++)
		for (size_t size = 0; size < SIZES; size++)
			for (int road = 0; road < ROADS && result == 0 && !*interrupted; road++)
				result = measure(folder, host, size, (enum road)road);
	for (size_t size = 0; size < SIZES; size++)
		for (int road = 0; road < ROADS; road++)
			derive_bandwidth(size, (enum road)road);
	return result;
}

void rows_rdma_device(FILE *file, const char *prefix)
{
	char text[256] = "none";

	if (*device)
		ib_describe(device, text, sizeof(text));
	fprintf(file, "%sRDMA       %s\n", prefix, text);
}

static void print_size(size_t size, FILE *csv)
{
	double tcp_first = series_quantile(&first[size][TCP], 0.5);
	double tcp_return = series_quantile(&returned[size][TCP], 0.5);
	char names[6][64];
	const struct row rows[] = {
		{ names[0], "ms", &first[size][TCP], "-", 0, 0, 0, NULL },
		{ names[1], "ms", &first[size][RDMA], "by TCP", tcp_first, 0, 0, NULL },
		{ names[2], "ms", &returned[size][TCP], "-", 0, 0, 0, NULL },
		{ names[3], "ms", &returned[size][RDMA], "by TCP", tcp_return, 0, 0, NULL },
		{ names[4], "GB/s", &bandwidth[size][TCP], "-", 0, 0, 0, NULL },
		{ names[5], "GB/s", &bandwidth[size][RDMA], "ib_read_bw, READs of 1 MiB",
		  series_quantile(&reading, 0.5), 0, 0, NULL },
	};
	static const char *const what[] = { "first instruction", "return in the caller",
					    "bandwidth" };

	for (int i = 0; i < 6; i++)
		snprintf(names[i], sizeof(names[i]), "%s by %s: %s", sizes[size].name,
			 schemes[i % 2], what[i / 2]);
	/* of a small process that says nothing */
	table_rows(rows, atof(sizes[size].kibibytes) < 16384 ? 4 : 6, csv);
}

void rows_rdma_print(FILE *csv)
{
	const struct row row = {
		"READs of 1 MiB by ib_read_bw", "GB/s", &reading, "-", 0, 0, 0, NULL
	};

	table_rows(&row, 1, csv);
	for (size_t size = 0; size < SIZES; size++)
		print_size(size, csv);
}
