/* SPDX-License-Identifier: MIT */
/*
 * Claim: a file of an overlayfs over two file systems, where stat(2) and the list of mappings do
 * not agree about its device, is taken by reference all the same, by rfork() and by a checkpoint;
 * one that has been replaced since goes by content; and proving it leaves no mapping behind.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/undump.h"

#define BYTES (8 * TEST_PAGE_BYTES)

static struct footprint before, after;
static char directory[] = "/tmp/rfork-test-XXXXXX";
static char kept[64], replaced[64];
static unsigned char *kept_bytes, *replaced_bytes;

static const char *in(const char *name)
{
	static char paths[4][64];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void make_file(const char *path, uint64_t seed)
{
	unsigned char bytes[BYTES];
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));

	test_fill(bytes, sizeof(bytes), seed);
	test_write(fd, bytes, sizeof(bytes));
	close(fd);
}

/* Everything in a namespace of mounts that ends with the test; the directory itself is empty
 * again. */
static void mount_overlay(void)
{
	char options[256];

	if (unshare(CLONE_NEWNS) < 0)
		test_skip("no namespace of mounts can be made here: %s", strerror(errno));
	CHECK_CALL(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK(mkdtemp(directory));
	test_guard_directory(directory);
	CHECK_CALL(mount("tmpfs", directory, "tmpfs", 0, NULL));
	CHECK_CALL(mkdir(in("lower"), 0755));
	CHECK_CALL(mkdir(in("upper"), 0755));
	CHECK_CALL(mkdir(in("work"), 0755));
	CHECK_CALL(mkdir(in("merged"), 0755));
	CHECK_CALL(mount("tmpfs", in("lower"), "tmpfs", 0, NULL));
	make_file(in("lower/kept"), 1);
	make_file(in("lower/replaced"), 2);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", in("lower"),
		 in("upper"), in("work"));
	if (mount("overlay", in("merged"), "overlay", 0, options) < 0)
		test_skip("no overlay can be mounted here: %s", strerror(errno));
}

static unsigned char *map_file(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	unsigned char *bytes = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(bytes != MAP_FAILED);
	close(fd);
	return bytes;
}

/* Else this test shows nothing. */
static void expect_other_device(const char *path)
{
	char line[512], name[256];
	unsigned major_number, minor_number;
	bool is_other = false;
	struct stat status;
	FILE *file = fopen("/proc/self/maps", "re");

	CHECK(file);
	CHECK_CALL(stat(path, &status));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %x:%x %*u %255s", &major_number, &minor_number,
			   name) == 3 &&
		    !strcmp(name, path))
			is_other = makedev(major_number, minor_number) != status.st_dev;
	fclose(file);
	if (!is_other)
		test_skip("this kernel names overlays' files in one way");
}

static const char *name_of(const struct footprint *footprint, const void *address)
{
	for (unsigned i = 0; i < footprint->map_count; i++)
		if (footprint->maps[i].start <= (uint64_t)address &&
		    (uint64_t)address < footprint->maps[i].end)
			return footprint->maps[i].name;
	test_fail(__FILE__, __LINE__, "%p is not mapped", address);
}

static void check_child(const struct node *node)
{
	uint64_t digests[] = { test_digest(kept_bytes, BYTES), test_digest(replaced_bytes, BYTES) };
	pid_t pid = node_move_returns_twice(node, 0);

	if (!pid) {
		footprint_read_maps(&after);
		CHECK_TEXT(name_of(&after, kept_bytes), kept);
		CHECK_TEXT(name_of(&after, replaced_bytes), "");
		CHECK_EQUAL(test_digest(kept_bytes, BYTES), digests[0]);
		CHECK_EQUAL(test_digest(replaced_bytes, BYTES), digests[1]);
		_exit(6);
	}
	test_expect_exit(pid, 6);
}

static void check_checkpoint(void)
{
	static const char *const names[] = { "state" };
	const char *path = checkpoint_path("state");
	rfork_crid_t crid = checkpoint_hold(0);
	struct undump_result result;
	char phrase[128];

	CHECK(crid > 0);
	checkpoint_write(crid, path);
	undump_run(&result, test_build_path("tools/undump"), "--info", path, NULL);
	CHECK_EQUAL(result.status, 0);
	snprintf(phrase, sizeof(phrase), "reference  %s\n", kept);
	CHECK(strstr(result.text, phrase));
	snprintf(phrase, sizeof(phrase), "reference  %s\n", replaced);
	CHECK(!strstr(result.text, phrase));
	CHECK_CALL(rfork_discard(crid));
	checkpoint_clean(names, 1);
}

int main(void)
{
	struct node node;

	test_begin();
	if (geteuid() != 0)
		test_skip("only root can mount");
	mount_overlay();
	snprintf(kept, sizeof(kept), "%s", in("merged/kept"));
	snprintf(replaced, sizeof(replaced), "%s", in("merged/replaced"));
	kept_bytes = map_file(kept);
	replaced_bytes = map_file(replaced);
	expect_other_device(kept);
	make_file(in("merged/new"), 3);
	CHECK_CALL(rename(in("merged/new"), replaced));
	node_start(&node, NULL);
	footprint_read_maps(&before);
	check_child(&node);
	footprint_read_maps(&after);
	footprint_expect_maps(&after, &before);
	check_checkpoint();
	node_stop(&node);
	CHECK_CALL(umount2(directory, MNT_DETACH));
	CHECK_CALL(rmdir(directory));
	test_forget_directory(directory);
	return test_end();
}
