/* SPDX-License-Identifier: MIT */
/*
 * rfork-bench [--csv FILE] [--server PATH] [--only-relays | --only-checkpoints | --only-compression
 * | --rdma]: measures what rfork() costs, and what the kernel takes for the unavoidable part of it,
 * in one run on one machine.  Started by bench/run.  It runs a server of its own on loopback, lets
 * the subjects (minimal.c, memory.c, relay.c, resident.c, packing.c, checkpoint.c, image.c) measure
 * themselves, and prints medians, ratios and verdicts.  Exit status: 0 all was measured, 1
 * something failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/counter.h"
#include "bench/floor_tcp.h"
#include "bench/node.h"
#include "bench/rows_checkpoint.h"
#include "bench/rows_packing.h"
#include "bench/rows_rdma.h"
#include "bench/series.h"
#include "bench/subject.h"

#define MS 1e-6 /* of a nanosecond */
#define US 1e-3
#define KIB (1.0 / 1024)
#define GLIBC_PRIVATE_KIB 96.0 /* 24 pages: what a dynamic glibc program dirties by starting */

/* Idle time between two measurements of a small process: the node has its spares ready by then. */
#define IDLE_MS 3
#define IDLE_TEXT "3"

/* [0] with idle time between two measurements, [1] back to back: as what they are compared with. */
static struct series exec_floor[2], connect_floor[2];
static struct series idle_first, idle_return, busy_first, reserved, touched, wire, zeros_wire;
static struct series ghost, session, idle_time; /* what is resident, and CPU time */
static struct series wire_packed[2];		/* by LZ4, by zstd */
/* By kind of memory: the floor, ours to the first instruction, ours to the return. */
static struct series small_random[3], random_memory[3], sparse[3], zeros[3], pause_time[3];

/* Over plain TCP, local pipes, relayed pipes and relayed sockets. */
enum medium { TCP, LOCAL, PIPE, SOCKET, MEDIA };
static struct series to_parent[MEDIA], to_child[MEDIA], byte[MEDIA], hundred[MEDIA], fairness;

static struct bench {
	char folder[PATH_MAX]; /* of the programs */
	char host[32];
	char counted_host[32];
	int failed;
	bool only_relays;
	bool only_checkpoints;
	bool only_compression;
	bool only_roads;
} bench;

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	interrupted = number;
}

/* -- floors of the small process -------------------------------------------------------- */

static void stay_idle(int gap_ms)
{
	const struct timespec gap = { 0, gap_ms * 1000000l };

	if (gap_ms)
		nanosleep(&gap, NULL);
}

static int measure_exec_floor(int count, int gap_ms, struct series *series)
{
	char program[PATH_MAX + 32], *arguments[] = { program, NULL }, *environment[] = { NULL };

	snprintf(program, sizeof(program), "%s/rfork-bench-nothing", bench.folder);
	for (int i = 0; i < count; i++) {
		int64_t start = clock_now_ns();
		pid_t pid = vfork();
		int status;

		if (pid == 0) {
			execve(program, arguments, environment);
			_exit(127);
		}
		if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0) {
			fprintf(stderr, "%s: cannot be run\n", program);
			return -1;
		}
		series_add(series, (double)(clock_now_ns() - start) * MS);
		stay_idle(gap_ms);
	}
	return 0;
}

static int measure_connect_floor(int count, int gap_ms, struct series *series)
{
	uint16_t port;
	int listener = floor_tcp_listen(&port), result = -1;

	if (listener == -1)
		return -1;
	for (int i = 0; i < count; i++) {
		int64_t start = clock_now_ns();
		int fd = floor_tcp_connect(port);
		int64_t end = clock_now_ns();
		int peer = fd == -1 ? -1 : accept(listener, NULL, NULL);

		if (peer == -1)
			goto out;
		close(peer);
		close(fd);
		series_add(series, (double)(end - start) * MS);
		stay_idle(gap_ms);
	}
	result = 0;
out:
	close(listener);
	return result;
}

/* -- subjects --------------------------------------------------------------------------- */

static void run_subject(const char *name, const char *const *rest, const struct reading *readings)
{
	if (!interrupted && subject_run(bench.folder, name, rest, readings))
		bench.failed = 1;
}

/* returned: NULL = not asked for. */
static void run_minimal(const char *count, const char *gap_ms, const char *kind,
			struct series *first, struct series *returned)
{
	const char *rest[] = { bench.host, count, gap_ms, kind, NULL };
	const struct reading readings[] = { { "first", first, MS },
					    { returned ? "return" : NULL, returned, MS },
					    { NULL, NULL, 0 } };

	run_subject("rfork-bench-minimal", rest, readings);
}

static void run_memory(const char *count, const char *mebibytes, const char *kind,
		       struct series series[3])
{
	const char *rest[] = { bench.host, count, mebibytes, kind, NULL };
	const struct reading readings[] = { { "floor", &series[0], MS },
					    { "first", &series[1], MS },
					    { "return", &series[2], MS },
					    { NULL, NULL, 0 } };

	run_subject("rfork-bench-memory", rest, readings);
}

static void run_resident(void)
{
	const char *rest[] = { bench.host, NULL };
	const struct reading readings[] = { { "ghost", &ghost, KIB },
					    { "session", &session, KIB },
					    { "idle", &idle_time, MS },
					    { NULL, NULL, 0 } };

	run_subject("rfork-bench-resident", rest, readings);
}

static void run_relay(const char *count, const char *amount, const char *kind, double scale,
		      struct series series[MEDIA])
{
	const char *rest[] = { bench.host, count, amount, kind, NULL };
	const struct reading readings[] = {
		{ "tcp", &series[TCP], scale },	  { "local", &series[LOCAL], scale },
		{ "pipe", &series[PIPE], scale }, { "socket", &series[SOCKET], scale },
		{ "fairness", &fairness, 1 },	  { NULL, NULL, 0 },
	};

	run_subject("rfork-bench-relay", rest, readings);
}

/* -- bytes on the wire -------------------------------------------------------------------- */

/* What one subject sends. */
static void count_bytes(const struct counter *counter, const char *subject, const char *const *rest,
			struct series *series)
{
	const struct reading unused = { NULL, NULL, 0 };
	int64_t bytes;

	if (interrupted)
		return;
	if (subject_run(bench.folder, subject, rest, &unused)) {
		bench.failed = 1;
		return;
	}
	bytes = counter_read(counter);
	if (bytes > 0)
		series_add(series, (double)bytes * KIB);
	else
		bench.failed = 1;
}

static void measure_wire(uint16_t port)
{
	const char *minimal[] = { bench.counted_host, "1", "0", NULL, NULL };
	const char *memory[] = { bench.counted_host, "1", "1024", "zeros", NULL };
	struct counter counter;

	if (counter_start(&counter, port)) {
		bench.failed = 1;
		return;
	}
	snprintf(bench.counted_host, sizeof(bench.counted_host), "127.0.0.1:%u", counter.port);
	count_bytes(&counter, "rfork-bench-minimal", minimal, &wire);
	minimal[3] = "lz4";
	count_bytes(&counter, "rfork-bench-minimal", minimal, &wire_packed[0]);
	minimal[3] = "zstd";
	count_bytes(&counter, "rfork-bench-minimal", minimal, &wire_packed[1]);
	count_bytes(&counter, "rfork-bench-memory", memory, &zeros_wire);
	counter_stop(&counter);
}

/* -- the run ---------------------------------------------------------------------------- */

static void measure_relays(void)
{
	run_relay("9", "256", "to-parent", MS, to_parent);
	run_relay("9", "256", "to-child", MS, to_child);
	run_relay("9", "2", "byte", US, byte);
	run_relay("5", "400", "hundred", MS, hundred);
}

static void measure_compression(const char *server)
{
	if (!interrupted && rows_packing_measure(bench.folder, bench.host, server, &interrupted))
		bench.failed = 1;
}

static void measure_all(uint16_t port, const char *server)
{
	if (bench.only_compression) {
		measure_wire(port);
		measure_compression(server);
		return;
	}
	if (bench.only_roads) {
		if (rows_rdma_measure(bench.folder, bench.host, &interrupted))
			bench.failed = 1;
		return;
	}
	if (!bench.only_checkpoints)
		measure_relays();
	if (!bench.only_relays && rows_checkpoint_measure(bench.folder, &interrupted))
		bench.failed = 1;
	if (bench.only_relays || bench.only_checkpoints)
		return;
	/* in turns: floor and ours see the same machine, and its moods in equal parts */
	for (int turn = 0; turn < 6 && !bench.failed; turn++) {
		if (measure_exec_floor(50, IDLE_MS, &exec_floor[0]) ||
		    measure_connect_floor(50, IDLE_MS, &connect_floor[0]) ||
		    measure_exec_floor(50, 0, &exec_floor[1]) ||
		    measure_connect_floor(50, 0, &connect_floor[1]))
			bench.failed = 1;
		run_minimal("50", IDLE_TEXT, NULL, &idle_first, &idle_return);
		run_minimal("50", "0", NULL, &busy_first, NULL);
	}
	run_minimal("100", IDLE_TEXT, "reserved", &reserved, NULL);
	run_minimal("100", IDLE_TEXT, "touched", &touched, NULL);
	run_memory("15", "64", "random", small_random);
	run_memory("7", "1024", "random", random_memory);
	run_memory("5", "512", "sparse", sparse);
	run_memory("9", "1024", "zeros", zeros);
	run_memory("5", "1024", "pause", pause_time);
	run_resident();
	measure_wire(port);
	measure_compression(server);
}

static void print_starts(FILE *csv)
{
	double idle =
		series_quantile(&exec_floor[0], 0.5) + series_quantile(&connect_floor[0], 0.5);
	double busy =
		series_quantile(&exec_floor[1], 0.5) + series_quantile(&connect_floor[1], 0.5);
	double first = series_quantile(&idle_first, 0.5), sent = series_quantile(&wire, 0.5);
	const char *tcp = "TCP into fresh 4 KiB pages", *start_name = "vfork+exec+wait + connect";
	const struct row rows[] = {
		{ "vfork+exec+wait of a static program", "ms", &exec_floor[0], "-", 0, 0, 0, NULL },
		{ "TCP connect on loopback", "ms", &connect_floor[0], "-", 0, 0, 0, NULL },
		{ "vfork+exec+wait, back to back", "ms", &exec_floor[1], "-", 0, 0, 0, NULL },
		{ "TCP connect, back to back", "ms", &connect_floor[1], "-", 0, 0, 0, NULL },
		{ "small process: first instruction", "ms", &idle_first, start_name, idle, 1.5, 0,
		  "<= 1.5 x" },
		{ "small process: return in the caller", "ms", &idle_return, start_name, idle, 0, 0,
		  NULL },
		{ "small process: first, back to back", "ms", &busy_first, start_name, busy, 1.5, 0,
		  "<= 1.5 x" },
		{ "64 GiB reserved, untouched: first", "ms", &reserved, "small process", first, 1.2,
		  0, "<= 1.2 x" },
		{ "1 GiB only read: first", "ms", &touched, "small process", first, 1.2, 0,
		  "<= 1.2 x" },
		{ "64 MiB random: first", "ms", &small_random[1], tcp,
		  series_quantile(&small_random[0], 0.5), 0.6, 0, "<= 0.6 x" },
		{ "1 GiB random: first", "ms", &random_memory[1], tcp,
		  series_quantile(&random_memory[0], 0.5), 0.6, 0, "<= 0.6 x" },
		{ "512 MiB random, every other page: first", "ms", &sparse[1], tcp,
		  series_quantile(&sparse[0], 0.5), 1.1, 0, "<= 1.10 x" },
		{ "1 GiB written zeros: first", "ms", &zeros[1], "fork + one scan",
		  series_quantile(&zeros[0], 0.5), 1.2, 0, "<= 1.2 x" },
		{ "1 GiB random, RFORK_ASYNC: pause", "ms", &pause_time[2], "fork",
		  series_quantile(&pause_time[0], 0.5), 1.2, 1, "<= 1.2 x + 1" },
		{ "ghost of 64 MiB: resident", "KiB", &ghost, "-", 0, 0, 2048, "<= 2 MiB" },
		{ "its session: resident", "KiB", &session, "-", 0, 0, 2048, "<= 2 MiB" },
		{ "ghost and session, one idle second: CPU", "ms", &idle_time, "-", 0, 0, 1,
		  "<= 1 ms" },
		{ "small process: sent, handshake included", "KiB", &wire,
		  "24 private pages of glibc", GLIBC_PRIVATE_KIB, 0, 128, "<= 128 KiB" },
		{ "small process by LZ4: sent", "KiB", &wire_packed[0], "small process", sent, 0,
		  64, "<= 64 KiB" },
		{ "small process by zstd: sent", "KiB", &wire_packed[1], "small process", sent, 0,
		  64, "<= 64 KiB" },
		{ "1 GiB written zeros: sent", "KiB", &zeros_wire, "small process", sent, 1.2, 0,
		  "<= 1.2 x" },
	};

	table_rows(rows, sizeof(rows) / sizeof(*rows), csv);
}

/* Time is what is compared: 0.4 x the throughput is 2.5 x the time. */
static void print_relays(FILE *csv)
{
	const char *tcp = "plain TCP, 1 MiB writes", *local = "local pipe";
	const char *fast = "<= 2.5 x";
	double up = series_quantile(&to_parent[TCP], 0.5);
	double down = series_quantile(&to_child[TCP], 0.5);
	const struct row rows[] = {
		{ "256 MiB over a pipe to the parent", "ms", &to_parent[PIPE], tcp, up, 2.5, 0,
		  fast },
		{ "256 MiB over a pipe to the child", "ms", &to_child[PIPE], tcp, down, 2.5, 0,
		  fast },
		{ "256 MiB over a socket to the parent", "ms", &to_parent[SOCKET], tcp, up, 2.5, 0,
		  fast },
		{ "256 MiB over a socket to the child", "ms", &to_child[SOCKET], tcp, down, 2.5, 0,
		  fast },
		{ "256 MiB over a pipe to the parent", "ms", &to_parent[PIPE], local,
		  series_quantile(&to_parent[LOCAL], 0.5), 0, 0, NULL },
		{ "256 MiB over a pipe to the child", "ms", &to_child[PIPE], local,
		  series_quantile(&to_child[LOCAL], 0.5), 0, 0, NULL },
		{ "one byte over a pipe, one way", "us", &byte[PIPE], "TCP, one way",
		  series_quantile(&byte[TCP], 0.5), 0, 60, "<= 60 us" },
		{ "one byte over a socket, one way", "us", &byte[SOCKET], "TCP, one way",
		  series_quantile(&byte[TCP], 0.5), 0, 60, "<= 60 us" },
		{ "400 MiB over a hundred pipes at once", "ms", &hundred[PIPE], tcp,
		  series_quantile(&hundred[TCP], 0.5), 2.5, 0, fast },
		{ "400 MiB over a hundred pipes at once", "ms", &hundred[PIPE], "local pipes",
		  series_quantile(&hundred[LOCAL], 0.5), 0, 0, NULL },
		{ "the slowest when the first is done", "%", &fairness, "-", 0, 0, 0, NULL },
	};

	table_rows(rows, sizeof(rows) / sizeof(*rows), csv);
}

static void print_parts(FILE *csv)
{
	if (bench.only_roads) {
		rows_rdma_print(csv);
		return;
	}
	if (bench.only_compression) {
		rows_packing_print(csv);
		return;
	}
	if (!bench.only_relays && !bench.only_checkpoints) {
		print_starts(csv);
		rows_packing_print(csv);
	}
	if (!bench.only_relays)
		rows_checkpoint_print(csv);
	if (!bench.only_checkpoints)
		print_relays(csv);
}

static int print_rows(const char *csv_path)
{
	FILE *csv = csv_path ? fopen(csv_path, "we") : NULL;

	putchar('\n');
	table_machine(stdout, "");
	if (bench.only_roads)
		rows_rdma_device(stdout, "");
	printf("units      ms and us of CLOCK_MONOTONIC, KiB, 10^9 bytes/s, percent; each floor from this same run\n\n");
	table_head(stdout);
	if (csv) {
		table_machine(csv, "# ");
		if (bench.only_roads)
			rows_rdma_device(csv, "# ");
		table_csv_head(csv);
	}
	print_parts(csv);
	if (csv_path && (!csv || fclose(csv))) {
		perror(csv_path);
		return -1;
	}
	return 0;
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--csv FILE] [--server PATH] [--only-relays | --only-checkpoints | --only-compression | --rdma]\n",
		program);
	return 2;
}

/* The folder of this program, where the subjects are too; 0, or -1 after a message. */
static int find_folder(void)
{
	ssize_t length = readlink("/proc/self/exe", bench.folder, sizeof(bench.folder) - 1);

	if (length == -1) {
		perror("/proc/self/exe");
		return -1;
	}
	bench.folder[length] = '\0';
	dirname(bench.folder);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "csv", required_argument, NULL, 'c' },
						 { "server", required_argument, NULL, 's' },
						 { "only-checkpoints", no_argument, NULL, 'k' },
						 { "only-relays", no_argument, NULL, 'r' },
						 { "only-compression", no_argument, NULL, 'p' },
						 { "rdma", no_argument, NULL, 'd' },
						 { NULL, 0, NULL, 0 } };
	struct sigaction action = { .sa_handler = interrupt };
	char server[PATH_MAX + 32] = "";
	const char *csv = NULL;
	struct node node;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			csv = optarg;
		else if (option == 'k')
			bench.only_checkpoints = true;
		else if (option == 'r')
			bench.only_relays = true;
		else if (option == 'p')
			bench.only_compression = true;
		else if (option == 'd')
			bench.only_roads = true;
		else if (option == 's')
			snprintf(server, sizeof(server), "%s", optarg);
		else
			return usage(argv[0]);
	}
	if (optind != argc ||
	    bench.only_relays + bench.only_checkpoints + bench.only_compression + bench.only_roads >
		    1)
		return usage(argv[0]);
	if (find_folder())
		return 1;
	if (!*server)
		snprintf(server, sizeof(server), "%s/../server/rfork-server", bench.folder);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	if (node_start(&node, server, NODE_LOOPBACK) == 0) {
		snprintf(bench.host, sizeof(bench.host), "127.0.0.1:%u", node.port);
		measure_all(node.port, server);
	} else {
		bench.failed = 1;
	}
	if (node_stop(&node))
		bench.failed = 1;
	if (interrupted)
		return 128 + interrupted;
	if (print_rows(csv) || fflush(stdout) == EOF)
		bench.failed = 1;
	return bench.failed;
}
