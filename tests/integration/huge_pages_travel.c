/* SPDX-License-Identifier: MIT */
/*
 * Claim: memory of huge pages (MAP_HUGETLB, SHM_HUGETLB) has such pages wherever the process goes, with
 * its contents, private or shared as it was; and where the node has none left, ordinary ones with
 * the same contents, as rfork_report() says.  A page that was taken from the copy of an
 * asynchronous call for want of others is no child with other contents.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define PAGE (2ul << 20)
#define BYTES (2 * PAGE)
/* Of build(), at home and on the node: what is private is copied when it is written to. */
#define PAGES_NEEDED 20
#define HUGE (MAP_HUGETLB | 21 << MAP_HUGE_SHIFT)
#define FOLDER "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static char *private_memory, *shared, *alias, *segment;

static unsigned long count(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long count = 0;

	if (!file || fscanf(file, "%lu", &count) != 1)
		test_skip("no huge pages of 2 MiB on this machine");
	fclose(file);
	return count;
}

/* Those that nobody has reserved. */
static unsigned long count_free(void)
{
	return count(FOLDER "free_hugepages") - count(FOLDER "resv_hugepages");
}

static char *map(int flags, size_t bytes, int fd)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* Mapped twice, and no descriptor leads to it any more. */
static void share_twice(void)
{
	int fd = CHECK_CALL(memfd_create("huge", MFD_HUGETLB | 21 << MAP_HUGE_SHIFT));

	CHECK_CALL(ftruncate(fd, BYTES));
	shared = map(MAP_SHARED, BYTES, fd);
	alias = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
	CHECK(alias != MAP_FAILED);
	close(fd);
}

/* An ordinary user may have to be in a group for it. */
static void attach(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, SHM_HUGETLB | IPC_CREAT | 0600);

	segment = NULL;
	if (id < 0)
		return;
	segment = shmat(id, NULL, 0);
	CHECK(segment != (void *)-1);
	CHECK_CALL(shmctl(id, IPC_RMID, NULL));
	strcpy(segment, "segment");
}

static void build(void)
{
	private_memory = map(MAP_PRIVATE | MAP_ANONYMOUS | HUGE, BYTES, -1);
	strcpy(private_memory + PAGE - 4096, "private");
	share_twice();
	strcpy(shared + PAGE, "shared");
	attach();
}

/* A part of a huge page cannot be unmapped. */
static void expect_huge(char *memory, bool is_huge)
{
	CHECK_EQUAL(munmap(memory + PAGE / 2, 4096), is_huge ? -1 : 0);
}

static void expect_contents(void)
{
	CHECK_TEXT(private_memory + PAGE - 4096, "private");
	CHECK_EQUAL(private_memory[BYTES - 1], 0);
	CHECK_TEXT(alias, "shared");
	strcpy(alias, "both");
	CHECK_TEXT(shared + PAGE, "both");
	if (segment)
		CHECK_TEXT(segment, "segment");
}

static void verify(enum way way)
{
	(void)way;
	expect_contents();
	expect_huge(private_memory, true);
	expect_huge(shared, true);
	expect_huge(alias, true);
	if (segment)
		expect_huge(segment, true);
}

/* The process has all that there are. */
static void go_where_there_are_none(const struct node *node)
{
	unsigned long rest;
	char *memory;
	pid_t pid;

	build();
	rest = count_free() * PAGE;
	memory = rest ? map(MAP_PRIVATE | MAP_ANONYMOUS | HUGE, rest, -1) : NULL;
	for (unsigned long at = 0; at < rest; at += PAGE)
		memory[at] = 1;
	pid = node_move_returns_twice(node, 0);
	if (pid == 0) {
		CHECK(strstr(rfork_report(), "in ordinary pages, not in huge ones of 2048 kB: "));
		expect_contents();
		expect_huge(private_memory, false);
		expect_huge(shared, false);
		_exit(test_end());
	}
	test_expect_exit(pid, 0);
	CHECK(strstr(rfork_report(), "in ordinary pages, not in huge ones of 2048 kB: "));
}

/* As it is written to, the kernel may take the page from the ghost: which then says so, or has
 * read it before. */
static void write_while_it_is_copied(const struct node *node)
{
	int status;
	pid_t pid = node_move_returns_twice(node, RFORK_ASYNC);

	if (pid == 0)
		_exit(strcmp(private_memory + PAGE - 4096, "private") ? 1 : 7);
	strcpy(private_memory + PAGE - 4096, "changed");
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		CHECK_EQUAL(WTERMSIG(status), SIGKILL);
	else
		CHECK_EQUAL(status, 7 << 8);
}

int main(void)
{
	struct node node;

	test_begin();
	if (count_free() < PAGES_NEEDED)
		test_skip("%lu huge pages are free, and %d are needed", count_free(), PAGES_NEEDED);
	node_start(&node, NULL);
	ways_check(&node, build, verify);
	go_where_there_are_none(&node);
	write_while_it_is_copied(&node);
	node_stop(&node);
	return test_end();
}
