/* SPDX-License-Identifier: MIT */
/*
 * Claim: where the node has another library of the same path and size, with one byte changed, the
 * part that differs travels by content: the child has the caller's bytes and runs them.  The
 * parts that are equal go by reference.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"

static struct {
	uintptr_t base; /* of the library */
	const unsigned char *text;
	size_t text_bytes;
	uint64_t text_offset; /* in the file */
} library;

static struct footprint maps;

static int find_text(struct dl_phdr_info *info, size_t bytes, void *unused)
{
	(void)bytes;
	(void)unused;
	if (info->dlpi_addr != library.base)
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
			continue;
		library.text = (const unsigned char *)library.base + segment->p_vaddr;
		library.text_bytes = segment->p_filesz;
		library.text_offset = segment->p_offset;
	}
	return 1;
}

/* The name of the mapping that holds an address, from the list that was read last. */
static const char *name_of(uintptr_t address)
{
	for (unsigned i = 0; i < maps.map_count; i++)
		if (maps.maps[i].start <= address && address < maps.maps[i].end)
			return maps.maps[i].name;
	test_fail(__FILE__, __LINE__, "%#lx is not mapped", address);
}

static int *(*open_library(void))(void)
{
	void *module = dlopen(test_build_path("tests/integration/.libs/tls_module.so"), RTLD_NOW);
	int *(*function)(void);
	Dl_info info;

	if (!module)
		test_fail(__FILE__, __LINE__, "%s", dlerror());
	function = (int *(*)(void))dlsym(module, "tls_module_preset");
	CHECK(function && dladdr((void *)function, &info));
	library.base = (uintptr_t)info.dli_fbase;
	dl_iterate_phdr(find_text, NULL);
	CHECK(library.text);
	return function;
}

/* That the node's file is really another one, and where the child's bytes come from. */
static void check_bytes(const char *path)
{
	unsigned char byte;
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));

	CHECK_EQUAL(pread(fd, &byte, 1, (off_t)library.text_offset), 1);
	close(fd);
	CHECK_EQUAL(byte, library.text[0] ^ 0x10);
	footprint_read_maps(&maps);
	CHECK_TEXT(name_of((uintptr_t)library.text), "");
	CHECK_TEXT(name_of(library.base), path);
}

int main(void)
{
	int *(*function)(void);
	struct node node;
	uint64_t digest;
	char path[sizeof(maps.maps[0].name)];
	pid_t pid;

	test_begin();
	function = open_library();
	digest = test_digest(library.text, library.text_bytes);
	footprint_read_maps(&maps);
	snprintf(path, sizeof(path), "%s", name_of((uintptr_t)library.text));
	if (strlen(path) == sizeof(path) - 1)
		test_skip("the path of the library is too long: %s...", path);
	foreign_node_start(&node,
			   (struct foreign_change){ .path = path, .offset = library.text_offset });
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		foreign_node_expect_here();
		check_bytes(path);
		CHECK(test_digest(library.text, library.text_bytes) == digest);
		CHECK_EQUAL(*function(), 4711);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK(test_digest(library.text, library.text_bytes) == digest);
	node_stop(&node);
	return test_end();
}
