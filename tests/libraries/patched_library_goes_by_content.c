/* SPDX-License-Identifier: MIT */
/*
 * Claim: a library that patchelf(1) has changed keeps its build-id, and is not taken for what it
 * was: where the node's has another size nothing of it goes by reference, and where it has the same
 * size only what is equal; the child has the caller's bytes.  So does a process that moves there,
 * and one that a node restarts from a statefile.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"
#include "tests/support/undump.h"

#define MAX_BYTES (1u << 20)
#define MAX_PARTS 16

struct file {
	unsigned char bytes[MAX_BYTES];
	size_t size;
};

static struct footprint maps;
static struct file ours, theirs;
static char directory[] = "/tmp/rfork-test-XXXXXX";
static char path[64]; /* of the library */
static int *(*function)(void);

/* What is mapped of it, as it was at home. */
static struct {
	uint64_t start, end, digest;
} parts[MAX_PARTS];
static unsigned part_count;

static void read_file(struct file *file, const char *name)
{
	int fd = CHECK_CALL(open(name, O_RDONLY | O_CLOEXEC));

	file->size = test_read(fd, file->bytes, sizeof(file->bytes));
	CHECK(file->size < sizeof(file->bytes));
	close(fd);
}

/* The build-id's note is the file's own claim to be a certain build. */
static const unsigned char *find_build_id(const struct file *file, size_t *bytes)
{
	const ElfW(Ehdr) *head = (const void *)file->bytes;
	const ElfW(Phdr) *segments = (const void *)(file->bytes + head->e_phoff);

	for (unsigned i = 0; i < head->e_phnum; i++) {
		size_t at = segments[i].p_offset, end = at + segments[i].p_filesz;

		while (segments[i].p_type == PT_NOTE && at < end) {
			const ElfW(Nhdr) *note = (const void *)(file->bytes + at);
			size_t name_bytes = (note->n_namesz + 3) & ~3u;

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4) {
				*bytes = note->n_descsz;
				return (const unsigned char *)(note + 1) + name_bytes;
			}
			at += sizeof(*note) + name_bytes + ((note->n_descsz + 3) & ~3u);
		}
	}
	test_skip("the library has no build-id, which this compiler does not give by itself");
}

static void run_patchelf(const char *option, const char *value, const char *name)
{
	char *arguments[] = { (char *)"patchelf", (char *)option, (char *)value, (char *)name,
			      NULL };
	pid_t pid;
	int error = posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ);

	if (error == ENOENT)
		test_skip("patchelf is missing: apt-get install patchelf");
	CHECK_EQUAL(error, 0);
	test_expect_exit(pid, 0);
}

/* A copy of a library of the build, with a run path of its own. */
static const char *make_library(const char *name, const char *run_path)
{
	static char made[64];
	int fd;

	read_file(&theirs, test_build_path("tests/integration/.libs/tls_module.so"));
	snprintf(made, sizeof(made), "%s/%s", directory, name);
	fd = CHECK_CALL(open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
	test_write(fd, theirs.bytes, theirs.size);
	close(fd);
	if (run_path)
		run_patchelf("--set-rpath", run_path, made);
	return made;
}

static void open_library(void)
{
	void *module;

	snprintf(path, sizeof(path), "%s", make_library("module.so", "/elsewhere"));
	read_file(&ours, path);
	module = dlopen(path, RTLD_NOW);
	if (!module)
		test_fail(__FILE__, __LINE__, "%s", dlerror());
	*(void **)&function = dlsym(module, "tls_module_preset");
	CHECK(function);
	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++) {
		const struct footprint_map *map = &maps.maps[i];

		if (strcmp(map->name, path))
			continue;
		CHECK(part_count < MAX_PARTS);
		parts[part_count].start = map->start;
		parts[part_count].end = map->end;
		parts[part_count++].digest =
			test_digest((const void *)map->start, map->end - map->start);
	}
	CHECK(part_count > 1);
}

/* The node's file, of equal build-id, is another one; returns whether the size is the same. */
static bool look_at_theirs(void)
{
	size_t bytes, their_bytes;
	const unsigned char *id = find_build_id(&ours, &bytes), *their_id;

	read_file(&theirs, path);
	their_id = find_build_id(&theirs, &their_bytes);
	CHECK(bytes > 0 && bytes == their_bytes && !memcmp(id, their_id, bytes));
	CHECK(ours.size != theirs.size || memcmp(ours.bytes, theirs.bytes, ours.size));
	return ours.size == theirs.size;
}

static unsigned count_references(void)
{
	unsigned count = 0;

	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++)
		count += !strcmp(maps.maps[i].name, path);
	return count;
}

static _Noreturn void check_there(bool is_same_size)
{
	foreign_node_expect_here();
	CHECK_EQUAL(look_at_theirs(), is_same_size);
	for (unsigned i = 0; i < part_count; i++)
		CHECK(test_digest((const void *)parts[i].start, parts[i].end - parts[i].start) ==
		      parts[i].digest);
	if (is_same_size)
		CHECK_AT_MOST(count_references(), part_count - 1);
	else
		CHECK_EQUAL(count_references(), 0);
	CHECK_EQUAL(*function(), 4711);
	_exit(0);
}

static void fork_to(const struct node *node, bool is_same_size)
{
	pid_t pid = node_move_returns_twice(node, 0);

	if (!pid)
		check_there(is_same_size);
	test_expect_exit(pid, 0);
}

static void move_to(const struct node *node, bool is_same_size)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		if (rfork_move_with(node->host, &foreign_node_options) < 0)
			test_fail(__FILE__, __LINE__, "rfork_move: %s", rfork_error());
		check_there(is_same_size);
	}
	test_expect_exit(pid, 0);
}

static void restart_on(const struct node *node, bool is_same_size)
{
	const char *statefile = checkpoint_path("state");
	rfork_crid_t crid = checkpoint_hold(0);
	struct undump_result result;

	if (!crid)
		check_there(is_same_size);
	checkpoint_write(crid, statefile);
	CHECK_CALL(rfork_discard(crid));
	undump_run(&result, test_build_path("tools/undump"), "--to", node->host,
		   "--insecure-plaintext", statefile, NULL);
	if (result.status != 0)
		test_fail(__FILE__, __LINE__, "exit %d: %s", result.status, result.text);
	CHECK_CALL(unlink(statefile));
}

static void go_to(const char *replacement, bool is_same_size)
{
	struct foreign_change change = { .path = path, .replacement = replacement };
	struct node node;

	foreign_node_start(&node, change);
	fork_to(&node, is_same_size);
	move_to(&node, is_same_size);
	restart_on(&node, is_same_size);
	node_stop(&node);
}

int main(void)
{
	test_begin();
	CHECK(mkdtemp(directory));
	test_guard_directory(directory);
	open_library();
	go_to(make_library("otherwise.so", "/otherwise"), true);
	go_to(make_library("unpatched.so", NULL), false);
	checkpoint_clean(NULL, 0);
	test_remove_directory(directory);
	test_forget_directory(directory);
	return test_end();
}
