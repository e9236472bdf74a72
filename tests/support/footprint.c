/* SPDX-License-Identifier: MIT */
/*
 * Compares what the calling process holds before and after a call.  Called by the tests of
 * refusals and of the mapping list; allocates nothing meanwhile, because that would change the list.
 */
#define _GNU_SOURCE
#include "tests/support/footprint.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"

#define WITNESS_BYTES 65536

static char text[1 << 20];

static void parse_map(struct footprint_map *map, char *line)
{
	char *next;

	memset(map, 0, sizeof(*map));
	map->start = strtoull(line, &next, 16);
	map->end = strtoull(next + 1, &next, 16);
	memcpy(map->permissions, next + 1, 4);
	next = strpbrk(line, "[/");
	if (next)
		strncpy(map->name, next, sizeof(map->name) - 1);
}

void footprint_read_maps(struct footprint *footprint)
{
	int fd = CHECK_CALL(open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
	size_t have = 0;
	ssize_t count;

	memset(text, 0, 4096); /* in place before the kernel walks the list */
	while ((count = CHECK_CALL(read(fd, text + have, sizeof(text) - 1 - have))) > 0)
		have += (size_t)count;
	close(fd);
	text[have] = '\0';
	footprint->map_count = 0;
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		CHECK(footprint->map_count < FOOTPRINT_MAPS);
		parse_map(&footprint->maps[footprint->map_count++], line);
	}
}

void footprint_take(struct footprint *footprint)
{
	char path[64];

	memset(footprint, 0, sizeof(*footprint));
	for (int fd = 0; fd < FOOTPRINT_FDS; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, footprint->fds[fd], sizeof(footprint->fds[fd]) - 1) < 0)
			footprint->fds[fd][0] = '\0';
	}
	footprint->child_count =
		node_descendants(getpid(), footprint->children, FOOTPRINT_CHILDREN);
	footprint_read_maps(footprint);
}

static bool same_map(const struct footprint_map *a, const struct footprint_map *b)
{
	return a->start == b->start && a->end == b->end &&
	       !strcmp(a->permissions, b->permissions) && !strcmp(a->name, b->name);
}

static void print_map(const char *what, const struct footprint_map *map)
{
	dprintf(2, "%s: %lx-%lx %s %s\n", what, map->start, map->end, map->permissions, map->name);
}

static unsigned print_missing(const char *what, const struct footprint *from,
			      const struct footprint *in)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < from->map_count; i++) {
		unsigned j = 0;

		while (j < in->map_count && !same_map(&from->maps[i], &in->maps[j]))
			j++;
		if (j < in->map_count)
			continue;
		print_map(what, &from->maps[i]);
		missing++;
	}
	return missing;
}

void footprint_expect_maps(const struct footprint *now, const struct footprint *before)
{
	unsigned differ = print_missing("only before", before, now) +
			  print_missing("only after", now, before);

	if (differ)
		test_fail(__FILE__, __LINE__, "%u mappings differ", differ);
}

static bool is_child_of(const struct footprint *footprint, pid_t pid)
{
	for (unsigned i = 0; i < footprint->child_count; i++)
		if (footprint->children[i] == pid)
			return true;
	return false;
}

/* Children of the test's own server come and go; only our own direct ones count. */
static bool is_direct(pid_t pid)
{
	char path[64], buffer[512], *after;
	ssize_t count;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	count = read(fd, buffer, sizeof(buffer) - 1);
	close(fd);
	buffer[count > 0 ? count : 0] = '\0';
	after = strrchr(buffer, ')');
	return after && atoi(after + 4) == getpid();
}

void footprint_expect(const struct footprint *before)
{
	static struct footprint now;

	footprint_take(&now);
	for (int fd = 0; fd < FOOTPRINT_FDS; fd++)
		if (strcmp(now.fds[fd], before->fds[fd]))
			test_fail(__FILE__, __LINE__, "descriptor %d was \"%s\" and is \"%s\"", fd,
				  before->fds[fd], now.fds[fd]);
	for (unsigned i = 0; i < now.child_count; i++)
		if (!is_child_of(before, now.children[i]) && is_direct(now.children[i]))
			test_fail(__FILE__, __LINE__, "child %d is left", (int)now.children[i]);
	footprint_expect_maps(&now, before);
}

static void refuse_once(const char *host, const struct rfork_options *options, int error,
			const char *names)
{
	pid_t pid = rfork_with(host, options);

	if (!pid)
		_exit(99); /* the child must never exist */
	if (pid > 0)
		test_fail(__FILE__, __LINE__, "rfork_with(%s) made a child: wait status %#x", host,
			  test_wait(pid));
	if (errno != error)
		test_fail(__FILE__, __LINE__, "errno is %d (%s), not %d (%s): %s", errno,
			  strerror(errno), error, strerror(error), rfork_error());
	dprintf(2, "refused: %s\n", rfork_error());
	if (names && !strstr(rfork_error(), names))
		test_fail(__FILE__, __LINE__, "\"%s\" does not name \"%s\"", rfork_error(), names);
	CHECK(!strchr(rfork_error(), '\n'));
	CHECK(strlen(rfork_error()) > 10);
}

/* The digest of memory that is the caller's alone: variables, and the heap. */
static uint64_t digest_memory(void)
{
	static unsigned char variables[WITNESS_BYTES];
	static unsigned char *heap;

	if (!heap) {
		heap = malloc(WITNESS_BYTES);
		CHECK(heap);
		test_fill(heap, WITNESS_BYTES, 1);
		test_fill(variables, WITNESS_BYTES, 2);
	}
	return test_digest(heap, WITNESS_BYTES) ^ test_digest(variables, WITNESS_BYTES);
}

void footprint_expect_refusal(const char *host, const struct rfork_options *options, int error,
			      const char *names)
{
	static struct footprint before;
	uint64_t digest = digest_memory();

	/* The first call may make libc allocate what it then keeps; the second may not. */
	refuse_once(host, options, error, names);
	footprint_take(&before);
	refuse_once(host, options, error, names);
	footprint_expect(&before);
	CHECK_EQUAL(digest_memory(), digest);
}
