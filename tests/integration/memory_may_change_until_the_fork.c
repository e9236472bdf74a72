/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the node is told of the caller's memory before the fork is only a forecast.  Memory
 * that changes after it, in a pthread_atfork() handler, is in the child as it was at the fork:
 * unmapped, protected, emptied, replaced by a file or by other memory, new.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/image.h"

#define PAGES 8
#define BYTES (PAGES * TEST_PAGE_BYTES)

/* What happens to each between forecast and fork. */
enum region {
	UNMAPPED,
	CUT, /* its second half is unmapped */
	READ_ONLY,
	EMPTIED,
	REPLACED_BY_FILE,
	REPLACED_BY_MEMORY, /* was a file */
	REPLACED_BY_OTHER_FILE,
	ADDED,
	REGIONS,
};

/* Far from what is mapped by itself: right below the other regions lies the ghost's memory at
 * times. */
#define ADDED_ADDRESS ((unsigned char *)0x200000000000)

static unsigned char *regions[REGIONS];
static char paths[2][96];
static struct footprint maps;
static bool changes_at_fork;

static void *map(void *place, int fd)
{
	int flags = MAP_PRIVATE | (place ? MAP_FIXED : 0) | (fd < 0 ? MAP_ANONYMOUS : 0);

	return CHECK_CALL(mmap(place, BYTES, PROT_READ | PROT_WRITE, flags, fd, 0));
}

static int open_file(unsigned number)
{
	return CHECK_CALL(open(paths[number], O_RDONLY | O_CLOEXEC));
}

static void make_file(const struct node *node, unsigned number)
{
	static unsigned char content[BYTES];
	int fd;

	snprintf(paths[number], sizeof(paths[number]), "%s/file%u", node->directory, number);
	fd = CHECK_CALL(open(paths[number], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	test_fill(content, BYTES, 100 + number);
	CHECK_EQUAL(write(fd, content, BYTES), BYTES);
	close(fd);
}

/* Regions far apart, or neighbours would become one mapping. */
static void *reserve_apart(void)
{
	unsigned char *memory =
		CHECK_CALL(mmap(NULL, 3 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	CHECK_CALL(munmap(memory, BYTES));
	CHECK_CALL(munmap(memory + 2 * BYTES, BYTES));
	return memory + BYTES;
}

static void build(void)
{
	for (int i = 0; i < REGIONS; i++) {
		bool is_file = i == REPLACED_BY_MEMORY || i == REPLACED_BY_OTHER_FILE;
		int fd = is_file ? open_file(0) : -1;

		regions[i] = i == ADDED ? ADDED_ADDRESS : map(reserve_apart(), fd);
		if (i != ADDED)
			test_fill(regions[i], is_file ? TEST_PAGE_BYTES : BYTES, (uint64_t)i);
		if (fd >= 0)
			close(fd);
	}
}

/* Runs in fork(): after the forecast, before the image. */
static void change(void)
{
	int fd;

	if (!changes_at_fork)
		return;
	CHECK_CALL(munmap(regions[UNMAPPED], BYTES));
	CHECK_CALL(munmap(regions[CUT] + BYTES / 2, BYTES / 2));
	CHECK_CALL(mprotect(regions[READ_ONLY], BYTES, PROT_READ));
	CHECK_CALL(madvise(regions[EMPTIED], BYTES, MADV_DONTNEED));
	fd = open_file(0);
	map(regions[REPLACED_BY_FILE], fd);
	close(fd);
	map(regions[REPLACED_BY_MEMORY], -1);
	test_fill(regions[REPLACED_BY_MEMORY], BYTES, 50);
	fd = open_file(1);
	map(regions[REPLACED_BY_OTHER_FILE], fd);
	close(fd);
	map(regions[ADDED], -1);
	test_fill(regions[ADDED], BYTES, 51);
}

static const struct footprint_map *find(const unsigned char *address)
{
	for (unsigned i = 0; i < maps.map_count; i++)
		if (maps.maps[i].start <= (uintptr_t)address &&
		    (uintptr_t)address < maps.maps[i].end)
			return &maps.maps[i];
	return NULL;
}

static void expect(enum region region, size_t bytes, const char *permissions, const char *name,
		   uint64_t seed)
{
	static unsigned char expected[BYTES];
	const struct footprint_map *map = find(regions[region]);

	CHECK(map);
	CHECK_EQUAL(map->start, (uintptr_t)regions[region]);
	CHECK_EQUAL(map->end, (uintptr_t)regions[region] + bytes);
	CHECK_TEXT(map->permissions, permissions);
	CHECK_TEXT(map->name, name);
	test_fill(expected, BYTES, seed);
	CHECK(memcmp(regions[region], expected, bytes) == 0);
}

static void verify(void)
{
	footprint_read_maps(&maps);
	CHECK(!find(regions[UNMAPPED]));
	expect(CUT, BYTES / 2, "rw-p", "", CUT);
	expect(READ_ONLY, BYTES, "r--p", "", READ_ONLY);
	for (size_t i = 0; i < BYTES; i++)
		CHECK_EQUAL(regions[EMPTIED][i], 0);
	expect(REPLACED_BY_FILE, BYTES, "rw-p", paths[0], 100);
	expect(REPLACED_BY_MEMORY, BYTES, "rw-p", "", 50);
	expect(REPLACED_BY_OTHER_FILE, BYTES, "rw-p", paths[1], 101);
	expect(ADDED, BYTES, "rw-p", "", 51);
}

static bool foretells(const struct image *image, const unsigned char *region)
{
	const struct rf_image_forecast *forecast =
		(const void *)image_find((struct image *)image, RF_RECORD_FORECAST, 0)->payload;
	const struct rf_image_file *files = (const void *)(forecast + 1);
	const struct rf_image_mapping *mappings = (const void *)(files + forecast->files);

	for (uint32_t i = 0; i < forecast->mappings; i++)
		if (mappings[i].start == (uintptr_t)region)
			return true;
	return false;
}

int main(void)
{
	struct image image;
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	make_file(&node, 0);
	make_file(&node, 1);
	build();
	CHECK_EQUAL(pthread_atfork(change, NULL, NULL), 0);
	/* or the test would show nothing */
	image_record_move(&image, &node);
	for (int i = 0; i < REGIONS; i++)
		CHECK_EQUAL(foretells(&image, regions[i]), i != ADDED);
	image_free(&image);
	changes_at_fork = true;
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		verify();
		_exit(0);
	}
	changes_at_fork = false;
	test_expect_exit(pid, 0);
	verify(); /* the caller's own memory went the same way */
	CHECK_CALL(unlink(paths[0]));
	CHECK_CALL(unlink(paths[1]));
	node_stop(&node);
	return test_end();
}
