/* SPDX-License-Identifier: MIT */
/*
 * resumer undump|state|increments|wait FILE: a program that is restarted, of whatever kind of file.
 * Builds a state, makes FILE by the call of that name, and exits 0; restarted, it looks at its
 * state and exits 23.  "wait" knows nothing of librfork: it says "ready" and waits for the end of
 * its input, with seven other threads that count, and whoever restarts it from a core finds them
 * all at work.
 */
#define _GNU_SOURCE
#include <rfork.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES ((size_t)3 << 20)
#define PAGE 4096u
#define INCREMENTS 4u
#define THREADS 7
#define RIGHT 23
#define WRONG 24

static unsigned char *memory;
static __thread unsigned own;
static atomic_ulong counters[THREADS];
static atomic_bool is_over;

static unsigned char byte_of(size_t index, unsigned seed)
{
	return (unsigned char)((index + seed) * 2654435761u >> 11);
}

static void fill(size_t from, size_t to, unsigned seed)
{
	for (size_t i = from; i < to; i++)
		memory[i] = byte_of(i, seed);
}

/* Each increment has changed one page more than the one before it. */
static bool is_right(unsigned increments)
{
	for (size_t i = 0; i < BYTES; i++)
		if (memory[i] != byte_of(i, i / PAGE < increments ? (unsigned)(i / PAGE) + 2 : 1))
			return false;
	return own == 5;
}

static int complain(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, rfork_error());
	return WRONG;
}

static int write_state(rfork_crid_t crid, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || rfork_commit(crid, fd) < 0 || rfork_commit_wait(crid, -1) < 0)
		return complain(path);
	close(fd);
	return 0;
}

static int make_executable(const char *path)
{
	switch (rfork_undump(path)) {
	case 1:
		return 0;
	case 0:
		return is_right(0) ? RIGHT : WRONG;
	}
	return complain("rfork_undump");
}

static int make_state(const char *path)
{
	rfork_crid_t crid = rfork_checkpoint(0);

	if (crid < 0)
		return complain("rfork_checkpoint");
	if (crid == 0)
		return is_right(0) ? RIGHT : WRONG;
	return write_state(crid, path);
}

/* PATH is the last of a chain whose others have a number behind their name. */
static int make_increments(const char *path)
{
	rfork_crid_t crid = 0;
	char name[512];

	for (unsigned i = 0; i <= INCREMENTS; i++) {
		if (i)
			fill((i - 1) * PAGE, i * PAGE, i + 1);
		crid = rfork_checkpoint(RFORK_INCREMENTAL);
		if (crid < 0)
			return complain("rfork_checkpoint");
		if (crid == 0)
			return is_right(INCREMENTS) ? RIGHT : WRONG;
		if (i < INCREMENTS)
			snprintf(name, sizeof(name), "%s.%u", path, i);
		else
			snprintf(name, sizeof(name), "%s", path);
		if (write_state(crid, name) != 0)
			return WRONG;
	}
	return 0;
}

static void *count(void *counter)
{
	own = 5;
	while (!atomic_load(&is_over)) {
		atomic_fetch_add((atomic_ulong *)counter, 1);
		sched_yield();
	}
	return own == 5 ? counter : NULL;
}

/* Whether each of them goes on. */
static bool do_count(void)
{
	for (int i = 0; i < THREADS; i++) {
		unsigned long before = atomic_load(&counters[i]);

		while (atomic_load(&counters[i]) == before)
			sched_yield();
	}
	return true;
}

static int wait_for_end(void)
{
	pthread_t threads[THREADS];
	void *result;
	char byte;

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, count, &counters[i]) != 0)
			return WRONG;
	do_count();
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	do_count();
	atomic_store(&is_over, true);
	for (int i = 0; i < THREADS; i++)
		if (pthread_join(threads[i], &result) != 0 || !result)
			return WRONG;
	return is_right(0) ? RIGHT : WRONG;
}

int main(int argc, char **argv)
{
	memory = malloc(BYTES);
	if (argc != 3 || !memory)
		return 2;
	fill(0, BYTES, 1);
	own = 5;
	if (strcmp(argv[1], "undump") == 0)
		return make_executable(argv[2]);
	if (strcmp(argv[1], "state") == 0)
		return make_state(argv[2]);
	if (strcmp(argv[1], "increments") == 0)
		return make_increments(argv[2]);
	return strcmp(argv[1], "wait") == 0 ? wait_for_end() : 2;
}
