/* SPDX-License-Identifier: MIT */
/*
 * Claim: a program that comes from a kernel with another vdso runs: each function of its own,
 * called by the pointers that it had, does what this kernel's does, and the clock runs; the old
 * vdso stays the ELF object that it was.  On its way it leaves nothing: the child of such a
 * program, and the child of that, have as many mappings; back on the kernel that it came from, it
 * has what it had there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/restart.h"
#include "tests/support/vdso.h"

#define HOPS 5

static struct node node;
static struct footprint at_home, first, now;
static char path[128], second[128]; /* the program, and what it writes where it is redirected */

/* Mappings of the kernel at the same places. */
static unsigned count_vdso(const struct footprint *footprint)
{
	unsigned count = 0;

	for (unsigned i = 0; i < footprint->map_count; i++)
		for (unsigned j = 0; j < at_home.map_count; j++)
			count += strncmp(footprint->maps[i].name, "[v", 2) == 0 &&
				 memcmp(&footprint->maps[i], &at_home.maps[j],
					sizeof(at_home.maps[j])) == 0;
	return count;
}

/* Memory without a name that nobody can write to, where there was nothing before. */
static unsigned count_leftovers(const struct footprint *footprint)
{
	unsigned count = 0;

	for (unsigned i = 0; i < footprint->map_count; i++) {
		const struct footprint_map *map = &footprint->maps[i];
		bool is_new = !map->name[0] && map->permissions[1] != 'w';

		for (unsigned j = 0; j < at_home.map_count; j++)
			is_new = is_new && (map->end <= at_home.maps[j].start ||
					    map->start >= at_home.maps[j].end);
		count += is_new;
	}
	return count;
}

/* The object that the loader has in its list is still one. */
static void expect_object(void)
{
	void *object = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	CHECK(object);
	CHECK(dlsym(object, "__vdso_clock_gettime"));
	CHECK(memcmp((const void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4) == 0);
	dlclose(object);
}

static void expect_redirected(void)
{
	CHECK(vdso_is_redirected());
	footprint_read_maps(&now);
	CHECK(count_leftovers(&now) > 0);
	vdso_expect_service(true);
	expect_object();
}

static int hop(int number)
{
	pid_t pid;

	footprint_read_maps(&now);
	expect_redirected();
	if (number == 1) /* in a program that was restarted from a file, memory is in more pieces */
		first = now;
	if (number >= 1)
		footprint_expect_maps(&now, &first);
	if (number == HOPS)
		return RESTART_RIGHT;
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		_exit(hop(number + 1));
	test_expect_exit(pid, RESTART_RIGHT);
	return RESTART_RIGHT;
}

static void expect_home(void)
{
	CHECK(!vdso_is_redirected());
	vdso_expect_service(true);
	expect_object();
	footprint_read_maps(&now);
	CHECK(count_vdso(&at_home) >= 2);
	CHECK_EQUAL(count_vdso(&now), count_vdso(&at_home));
	CHECK_EQUAL(count_leftovers(&now), 0);
}

static int body(void)
{
	vdso_look_up();
	expect_object();
	footprint_read_maps(&at_home);
	restart_point();
	if (vdso_is_redirected() && CHECK_CALL(rfork_undump(second)) == 1)
		return hop(0);
	expect_home();
	return RESTART_RIGHT;
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/app", node.directory);
	snprintf(second, sizeof(second), "%s/second", node.directory);
	restart_write(path, body);
	restart_expect(path);
	vdso_forge(path);
	restart_expect(path);
	vdso_forge(second);
	restart_expect(second);
	CHECK_CALL(unlink(path));
	CHECK_CALL(unlink(second));
	node_stop(&node);
	return test_end();
}
