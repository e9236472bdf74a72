/* SPDX-License-Identifier: MIT */
/*
 * Lets packing.c measure itself on two links, and prints what it says.  Called by bench.c.  The
 * slow link is the loopback device of a new network namespace, slowed down by a token bucket,
 * under an address that is not loopback's.
 */
#define _GNU_SOURCE
#include "bench/rows_packing.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/node.h"
#include "bench/series.h"
#include "bench/subject.h"

#define MS 1e-6 /* of a nanosecond */
#define ADDRESS "10.88.0.1"
#define MEBIBYTES "64"

enum link { LOOPBACK, GIGABIT, LINKS };
enum { KINDS = 4, WAYS = 4 };

static const char *const link_names[LINKS] = { "loopback", "1 Gbit/s" };
static const char *const kinds[KINDS] = { "random", "text", "zeros", "mixed" };
static const char *const ways[WAYS] = { "none", "lz4", "zstd", "auto" };

static struct series measured[LINKS][KINDS][WAYS];

static int measure_link(const char *folder, const char *host, const char *count, enum link link,
			const volatile sig_atomic_t *interrupted)
{
	for (unsigned kind = 0; kind < KINDS && !*interrupted; kind++) {
		const char *rest[] = { host, count, MEBIBYTES, kinds[kind], NULL };
		struct reading readings[WAYS + 1] = { { NULL, NULL, 0 } };

		for (unsigned way = 0; way < WAYS; way++)
			readings[way] =
				(struct reading){ ways[way], &measured[link][kind][way], MS };
		if (subject_run(folder, "rfork-bench-packing", rest, readings))
			return -1;
	}
	return 0;
}

static void skip_link(const char *why)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned way = 0; way < WAYS; way++)
			snprintf(measured[GIGABIT][kind][way].skipped, SERIES_SENTENCE_BYTES, "%s",
				 why);
}

/* NULL, or why there is no such link. */
static const char *make_link(void)
{
	if (unshare(CLONE_NEWNET))
		return "no network namespace can be made";
	if (system("ip link set lo up && ip addr add " ADDRESS "/32 dev lo"))
		return "no address can be added: is there ip(8)?";
	if (system("tc qdisc add dev lo root tbf rate 1gbit burst 256kb latency 20ms"))
		return "there is no token bucket: tc(8), or the kernel's";
	return NULL;
}

static int measure_gigabit(const char *folder, const char *server,
			   const volatile sig_atomic_t *interrupted)
{
	struct node node;
	char host[32];
	int result = node_start(&node, server, ADDRESS);

	snprintf(host, sizeof(host), ADDRESS ":%u", node.port);
	if (result == 0)
		result = measure_link(folder, host, "3", GIGABIT, interrupted);
	return node_stop(&node) || result ? -1 : 0;
}

int rows_packing_measure(const char *folder, const char *host, const char *server,
			 const volatile sig_atomic_t *interrupted)
{
	const char *why;

	if (measure_link(folder, host, "9", LOOPBACK, interrupted))
		return -1;
	why = make_link();
	if (why) {
		skip_link(why);
		return 0;
	}
	return *interrupted ? 0 : measure_gigabit(folder, server, interrupted);
}

static void print_kind(enum link link, unsigned kind, FILE *csv)
{
	double none = series_quantile(&measured[link][kind][0], 0.5);
	char names[WAYS][64];
	struct row rows[WAYS];

	for (unsigned way = 0; way < WAYS; way++) {
		bool is_auto = way == WAYS - 1;

		snprintf(names[way], sizeof(names[way]), MEBIBYTES " MiB %s, %s: %s", kinds[kind],
			 link_names[link], ways[way]);
		rows[way] = (struct row){ names[way],
					  "ms",
					  &measured[link][kind][way],
					  way ? "none" : "-",
					  way ? none : 0,
					  is_auto ? 1.05 : 0,
					  0,
					  is_auto ? "<= 1.05 x" : NULL };
	}
	table_rows(rows, WAYS, csv);
}

void rows_packing_print(FILE *csv)
{
	for (unsigned link = 0; link < LINKS; link++)
		for (unsigned kind = 0; kind < KINDS; kind++)
			print_kind((enum link)link, kind, csv);
}
