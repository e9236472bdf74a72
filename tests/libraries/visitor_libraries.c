/* SPDX-License-Identifier: MIT */
/*
 * Libraries that the visitor has loaded, and those that it loads on the node: among them some that
 * belong to another build of the C library than it has.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/libraries/visitor.h"
#include "tests/support/footprint.h"

#define THREADS 8

static struct footprint maps;

static struct {
	char path[sizeof(maps.maps[0].name)]; /* of the C library */
	uint64_t text_digest, file_digest;
} here;

static const struct footprint_map *map_of(const void *address)
{
	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++)
		if (maps.maps[i].start <= (uintptr_t)address &&
		    (uintptr_t)address < maps.maps[i].end)
			return &maps.maps[i];
	test_fail(__FILE__, __LINE__, "%p is not mapped", address);
}

bool visit_has_mapped(const char *end)
{
	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++) {
		const char *name = maps.maps[i].name;
		size_t length = strlen(name), wanted = strlen(end);

		if (length >= wanted && !strcmp(name + length - wanted, end))
			return true;
	}
	return false;
}

static uint64_t digest_of_file(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	struct stat status;
	uint64_t digest;
	void *bytes;

	CHECK_CALL(fstat(fd, &status));
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(bytes != MAP_FAILED);
	close(fd);
	digest = test_digest(bytes, (size_t)status.st_size);
	CHECK_CALL(munmap(bytes, (size_t)status.st_size));
	return digest;
}

static uint64_t digest_of_text(void)
{
	const struct footprint_map *map = map_of((const void *)gnu_get_libc_version);

	return test_digest((const void *)map->start, map->end - map->start);
}

void visit_find_libraries(void)
{
	snprintf(here.path, sizeof(here.path), "%s",
		 map_of((const void *)gnu_get_libc_version)->name);
	here.text_digest = digest_of_text();
	here.file_digest = digest_of_file(here.path);
	printf("\tthe C library is %s, %s\n", here.path, gnu_get_libc_version());
	fflush(stdout);
}

/* None is the file that it came from: that of an executable is the executable. */
static void expect_no_names(void)
{
	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++)
		CHECK(!strstr(maps.maps[i].name, ".so"));
}

/* There must be another C library of that path, or all this shows nothing. */
void visit_check_libraries(void)
{
	CHECK(digest_of_file(here.path) != here.file_digest);
	CHECK(digest_of_text() == here.text_digest);
	expect_no_names();
}

/* It has the C library that it began with, and finds that of its path again. */
void visit_recheck_libraries(void)
{
	CHECK(digest_of_file(here.path) == here.file_digest);
	CHECK(digest_of_text() == here.text_digest);
}

static int compare(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

void visit_use_memory(void)
{
	static int numbers[1000];
	char *text;

	for (int i = 0; i < 1000; i++)
		numbers[i] = i * 7919 % 1000;
	qsort(numbers, 1000, sizeof(numbers[0]), compare);
	for (int i = 0; i < 1000; i++)
		CHECK_EQUAL(numbers[i], i);
	for (size_t bytes = 1; bytes < 64u << 20; bytes *= 3) {
		unsigned char *block = malloc(bytes);

		CHECK(block);
		test_fill(block, bytes, bytes);
		free(block);
	}
	CHECK_EQUAL(asprintf(&text, "%.3f %s", 2.5, "there"), 11);
	CHECK_TEXT(text, "2.500 there");
	free(text);
}

static void *add_one(void *sum)
{
	return (void *)(uintptr_t)__atomic_add_fetch((int *)sum, 1, __ATOMIC_RELAXED);
}

static void *wait_for_cancellation(void *result)
{
	while (pause() < 0)
		;
	return result;
}

/* Cancellation opens libgcc_s.so.1, if nobody has. */
void visit_start_threads(void)
{
	pthread_t threads[THREADS];
	void *result;
	int sum = 0;

	for (int i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, add_one, &sum), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
	CHECK_EQUAL(sum, THREADS);
	CHECK_EQUAL(pthread_create(&threads[0], NULL, wait_for_cancellation, NULL), 0);
	CHECK_EQUAL(pthread_cancel(threads[0]), 0);
	CHECK_EQUAL(pthread_join(threads[0], &result), 0);
	CHECK(result == PTHREAD_CANCELED);
}

static unsigned long (*checksum)(unsigned long, const unsigned char *, unsigned);

static void check_checksum(void)
{
	CHECK_EQUAL(checksum(0, (const unsigned char *)"123456789", 9), 0xcbf43926);
}

/* One that is no part of the C library, and asks no more of it than it has long had. */
void visit_open_library(void)
{
	void *module = dlopen("libz.so.1", RTLD_NOW);

	if (!module)
		test_fail(__FILE__, __LINE__, "%s", dlerror());
	*(void **)&checksum = dlsym(module, "crc32");
	CHECK(checksum);
	check_checksum();
	CHECK(strstr(map_of(*(void **)&checksum)->name, "/libz.so."));
}

/* It comes along from there: at home there is another. */
void visit_keep_library(void)
{
	expect_no_names();
	check_checksum();
}

/* Each release's C++ library is built with, and for, its C library. */
void visit_open_later(void)
{
	void *module = dlopen("libstdc++.so.6", RTLD_NOW);
	const char *reason = module ? NULL : dlerror();

	printf("\tlibstdc++.so.6: %s\n", module ? "opens" : reason);
	if (visit_is_later)
		CHECK(reason && strstr(reason, "version `GLIBC_2."));
	else
		CHECK(module);
}

static double (*power)(double);
static int (*encode)(const unsigned char *, size_t, char *, size_t);

void visit_use_parts(void)
{
	char text[8];

	CHECK(power(10) == 1024);
	CHECK_EQUAL(encode((const unsigned char *)"abc", 3, text, sizeof(text)), 4);
	CHECK_TEXT(text, "YWJj");
}

/* The C library consists of several, which know each other's insides: no symbol version keeps
 * those of different builds apart.  So what opens is no promise; but it is to work here. */
void visit_open_parts(void)
{
	static const char *const parts[] = { "libm.so.6", "libresolv.so.2", "librt.so.1",
					     "libpthread.so.0", "libutil.so.1" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!dlopen(parts[i], RTLD_NOW | RTLD_GLOBAL))
			test_fail(__FILE__, __LINE__, "%s", dlerror());
	*(void **)&power = dlsym(RTLD_DEFAULT, "exp2");
	*(void **)&encode = dlsym(RTLD_DEFAULT, "__b64_ntop");
	CHECK(power && encode);
	visit_use_parts();
}
