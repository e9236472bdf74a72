/* SPDX-License-Identifier: MIT */
/*
 * Medians, the table for the reader and the table for programs.  Called by bench.c; nothing
 * here measures.
 */
#include "bench/series.h"

#include <gnu/libc-version.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

void series_add(struct series *series, double value)
{
	if (series->count < SERIES_MOST)
		series->values[series->count++] = value;
}

static int compare_values(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

double series_quantile(struct series *series, double share)
{
	double place = share * (double)(series->count - 1), part;
	size_t below = (size_t)place;

	if (series->count == 0)
		return 0;
	qsort(series->values, series->count, sizeof(double), compare_values);
	part = place - (double)below;
	if (below + 1 == series->count)
		return series->values[below];
	return series->values[below] * (1 - part) + series->values[below + 1] * part;
}

/* -- the machine --------------------------------------------------------------------- */

/* The rest of the first line of a file that begins with `key`, or "unknown". */
static void find_line(const char *path, const char *key, char *text, size_t bytes)
{
	FILE *file = fopen(path, "re");
	char line[4096];

	snprintf(text, bytes, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		const char *rest = line + strlen(key);

		if (strncmp(line, key, strlen(key)))
			continue;
		line[strcspn(line, "\n")] = '\0';
		rest += strspn(rest, " \t:");
		snprintf(text, bytes, "%s", rest);
		break;
	}
	if (file)
		fclose(file);
}

void table_machine(FILE *file, const char *prefix)
{
	char cpu[128], flags[4096], total[64], available[64], huge[128], date[64];
	time_t now = time(NULL);
	struct utsname name;
	struct tm day;

	uname(&name);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &day));
	find_line("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	find_line("/proc/cpuinfo", "flags", flags, sizeof(flags));
	find_line("/proc/meminfo", "MemTotal:", total, sizeof(total));
	find_line("/proc/meminfo", "MemAvailable:", available, sizeof(available));
	find_line("/sys/kernel/mm/transparent_hugepage/enabled", "", huge, sizeof(huge));
	fprintf(file, "%sdate       %s\n", prefix, date);
	fprintf(file, "%sCPU        %s, %ld cores%s\n", prefix, cpu, sysconf(_SC_NPROCESSORS_ONLN),
		strstr(flags, " hypervisor") ? ", virtual machine" : "");
	fprintf(file, "%smemory     %s, %s available\n", prefix, total, available);
	fprintf(file, "%skernel     %s %s, glibc %s\n", prefix, name.sysname, name.release,
		gnu_get_libc_version());
	fprintf(file, "%shuge pages %s\n", prefix, huge);
}

/* -- rows ----------------------------------------------------------------------------- */

static const char *verdict(const struct row *row)
{
	if (row->ours->count == 0)
		return *row->ours->skipped ? "skipped" : "failed";
	if (!row->target || (row->floor == 0 && row->limit_ratio > 0))
		return "-";
	return series_quantile(row->ours, 0.5) <= row->limit_ratio * row->floor + row->limit_extra
		       ? "met"
		       : "missed";
}

void table_head(FILE *file)
{
	fprintf(file, "%-44s %4s %5s %9s %9s %9s  %-27s %9s %6s  %-14s %s\n", "what", "unit",
		"count", "median", "p10", "p90", "floor", "median", "ratio", "target", "verdict");
}

static void table_row(FILE *file, const struct row *row)
{
	double median = series_quantile(row->ours, 0.5);
	char ratio[16] = "-", floor_text[32] = "-";

	if (row->ours->count == 0) {
		fprintf(file, "%-44s %4s %5s %9s %9s %9s  %s: %s\n", row->what, row->unit, "-", "-",
			"-", "-", verdict(row),
			*row->ours->skipped ? row->ours->skipped : "see above");
		return;
	}
	if (row->floor > 0) {
		snprintf(ratio, sizeof(ratio), "%.2f", median / row->floor);
		snprintf(floor_text, sizeof(floor_text), "%.3f", row->floor);
	}
	fprintf(file, "%-44s %4s %5zu %9.3f %9.3f %9.3f  %-27s %9s %6s  %-14s %s\n", row->what,
		row->unit, row->ours->count, median, series_quantile(row->ours, 0.1),
		series_quantile(row->ours, 0.9), row->floor_name, floor_text, ratio,
		row->target ? row->target : "-", verdict(row));
}

void table_csv_head(FILE *file)
{
	fprintf(file, "what,unit,count,median,p10,p90,floor,floor_median,ratio,target,verdict\n");
}

static void table_csv_row(FILE *file, const struct row *row)
{
	double median = series_quantile(row->ours, 0.5);

	fprintf(file, "\"%s\",%s,%zu,%.6f,%.6f,%.6f,\"%s\",%.6f,", row->what, row->unit,
		row->ours->count, median, series_quantile(row->ours, 0.1),
		series_quantile(row->ours, 0.9), row->floor_name, row->floor);
	if (row->floor > 0 && row->ours->count)
		fprintf(file, "%.4f", median / row->floor);
	fprintf(file, ",\"%s\",%s\n", row->target ? row->target : "", verdict(row));
}

void table_rows(const struct row *rows, size_t count, FILE *csv)
{
	for (size_t i = 0; i < count; i++) {
		table_row(stdout, &rows[i]);
		if (csv)
			table_csv_row(csv, &rows[i]);
	}
}
