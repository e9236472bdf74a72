/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/write_tracker.c.  A page that is wrongly called unchanged is lost data:
 * beside the single claims, random scripts of system calls are played, and what increments would
 * add up to is compared with what fork children see.
 */
#define _GNU_SOURCE
#include "rfork/write_tracker.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/pagemap.h"
#include "rfork/pagemap_scan.h"

#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define PAGE 4096ul
#define PAGES 64ul
#define MAPS_BYTES (1ul << 20)
#define RANGES 4096ul

static struct rf_write_tracker tracker = { .uffd = { .fd = -1 } };
static char *maps_buffer;
static struct rf_range_list unchanged, written;

static void allocate(struct rf_range_list *list)
{
	list->ranges = calloc(RANGES, sizeof(*list->ranges));
	list->capacity = RANGES;
	ck_assert_ptr_nonnull(list->ranges);
}

static void set_up(void)
{
	maps_buffer = malloc(MAPS_BYTES);
	allocate(&unchanged);
	allocate(&written);
	ck_assert_int_eq(rf_write_tracker_start(&tracker), 0);
}

static void tear_down(void)
{
	rf_write_tracker_stop(&tracker);
}

static void look(void)
{
	ck_assert_int_eq(rf_write_tracker_look(&tracker, maps_buffer, MAPS_BYTES, &unchanged), 0);
}

static bool contains(const struct rf_range_list *list, const void *address)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->ranges[i].start <= (uintptr_t)address &&
		    (uintptr_t)address < list->ranges[i].end)
			return true;
	return false;
}

static unsigned char *map_fixed(void *address, unsigned long pages)
{
	unsigned char *memory = mmap(address, pages * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED : 0), -1,
				     0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
	return memory;
}

static unsigned char *map_written(void)
{
	unsigned char *memory = map_fixed(NULL, PAGES);

	memset(memory, 1, PAGES * PAGE);
	return memory;
}

/* Expects pages [first, end) to be listed, and of the others of the map_written() none. */
static void expect_unchanged(const unsigned char *memory, unsigned long first, unsigned long end)
{
	for (unsigned long page = 0; page < PAGES; page++)
		ck_assert_msg(contains(&unchanged, memory + page * PAGE) ==
				      (page >= first && page < end),
			      "page %lu", page);
}

START_TEST(first_look_lists_nothing)
{
	map_written();
	look();
	ck_assert_uint_eq(unchanged.count, 0);
}
END_TEST

START_TEST(only_unwritten_pages_are_listed)
{
	unsigned char *memory = map_written();

	look();
	look();
	expect_unchanged(memory, 0, PAGES);
	memset(memory, 2, 5 * PAGE);
	look();
	expect_unchanged(memory, 5, PAGES);
	look();
	expect_unchanged(memory, 0, PAGES);
}
END_TEST

START_TEST(the_kernels_writes_count)
{
	unsigned char *memory = map_written();
	struct iovec local = { (char[]){ "x" }, 1 }, remote = { memory + PAGE, 1 };
	int zero = open("/dev/zero", O_RDONLY);
	int mem = open("/proc/self/mem", O_RDWR);

	look();
	ck_assert_int_eq(read(zero, memory, 1), 1);
	ck_assert_int_eq(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), 1);
	ck_assert_int_eq(pwrite(mem, "x", 1, (off_t)(uintptr_t)(memory + 2 * PAGE)), 1);
	look();
	expect_unchanged(memory, 3, PAGES);
}
END_TEST

START_TEST(pages_that_were_read_only_meanwhile_count)
{
	unsigned char *memory = map_written();

	mprotect(memory, 4 * PAGE, PROT_READ);
	look();
	mprotect(memory, 2 * PAGE, PROT_READ | PROT_WRITE);
	memory[0] = memory[PAGE] = 2;
	mprotect(memory, 2 * PAGE, PROT_NONE);
	look();
	expect_unchanged(memory, 2, PAGES);
	look();
	expect_unchanged(memory, 0, PAGES);
}
END_TEST

START_TEST(dropped_pages_are_not_listed)
{
	unsigned char *memory = map_written();

	look();
	madvise(memory, 5 * PAGE, MADV_DONTNEED);
	look();
	expect_unchanged(memory, 5, PAGES);
	ck_assert_int_eq(memory[0], 0); /* the zero page now */
	madvise(memory, 5 * PAGE, MADV_DONTNEED);
	memset(memory, 3, 5 * PAGE);
	look();
	expect_unchanged(memory, 5, PAGES);
}
END_TEST

START_TEST(another_mapping_at_the_address_is_changed)
{
	unsigned char *memory = map_written();

	look();
	map_fixed(memory, 10);
	memset(memory, 1, 10 * PAGE);
	munmap(memory + 20 * PAGE, 44 * PAGE);
	map_fixed(memory + 20 * PAGE, 44);
	memset(memory + 20 * PAGE, 1, 44 * PAGE);
	look();
	expect_unchanged(memory, 10, 20);
	look();
	expect_unchanged(memory, 0, PAGES);
}
END_TEST

START_TEST(moved_pages_are_not_listed)
{
	unsigned char *memory = map_written();
	unsigned char *other = map_written();

	look();
	ck_assert_ptr_eq(mremap(other, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory),
			 memory);
	look();
	expect_unchanged(memory, 10, PAGES);
	memset(memory, 4, 10 * PAGE);
	look();
	expect_unchanged(memory, 10, PAGES);
}
END_TEST

/* The kernel joins what comes back with its old neighbours, and forgets that any of them is
 * tracked; marks that stay behind must not be taken for new ones. */
START_TEST(marks_of_a_forgotten_registration_are_cleared)
{
	unsigned char *memory = map_written();
	unsigned char *away = map_fixed(NULL, 10);
	unsigned char *back = memory + 20 * PAGE;

	ck_assert_ptr_eq(mremap(back, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, away),
			 away);
	look();
	ck_assert_ptr_eq(mremap(away, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, back),
			 back);
	memset(memory, 5, PAGES * PAGE); /* marks or not, all is writable now */
	look();
	memset(memory, 6, PAGES * PAGE);
	look();
	expect_unchanged(memory, 0, 0);
}
END_TEST

/* To track them could hang the program: MADV_GUARD_INSTALL would not return. */
START_TEST(mappings_of_files_are_left_alone)
{
	char path[] = "/tmp/rfork-tracker-XXXXXX";
	int fd = mkstemp(path);
	unsigned char *memory;

	unlink(path);
	ck_assert_int_eq(ftruncate(fd, PAGES * PAGE), 0);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	memset(memory, 1, PAGES * PAGE);
	look();
	look();
	expect_unchanged(memory, 0, 0);
	madvise(memory, PAGES * PAGE, MADV_GUARD_INSTALL);
}
END_TEST

START_TEST(heap_that_shrank_and_grew_is_changed)
{
	unsigned char *memory = sbrk(0);

	memory += -(uintptr_t)memory % PAGE;
	ck_assert_int_eq(brk(memory + 8 * PAGE), 0);
	memset(memory, 1, 8 * PAGE);
	look();
	ck_assert_int_eq(brk(memory + 2 * PAGE), 0);
	ck_assert_int_eq(brk(memory + 12 * PAGE), 0);
	look();
	for (unsigned long page = 0; page < 12; page++)
		ck_assert_int_eq(contains(&unchanged, memory + page * PAGE), page < 2);
}
END_TEST

START_TEST(a_fork_keeps_what_is_known)
{
	unsigned char *memory = map_written();
	pid_t child;
	int status;

	look();
	child = fork();
	if (child == 0) {
		bool was_on = rf_write_tracker_is_on(&tracker);

		rf_write_tracker_stop(&tracker);
		_exit(was_on);
	}
	memory[0] = 2;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	memory[PAGE] = 2;
	look();
	expect_unchanged(memory, 2, PAGES);
}
END_TEST

START_TEST(writes_after_the_look_are_told_and_stay_for_the_next)
{
	unsigned char *memory = map_written();

	look();
	memory[7 * PAGE] = 2;
	ck_assert_int_eq(rf_write_tracker_list_written(&tracker, &written), 0);
	for (unsigned long page = 0; page < PAGES; page++)
		ck_assert_int_eq(contains(&written, memory + page * PAGE), page == 7);
	look();
	for (unsigned long page = 0; page < PAGES; page++)
		ck_assert_int_eq(contains(&unchanged, memory + page * PAGE), page != 7);
}
END_TEST

START_TEST(a_full_list_leaves_pages_out)
{
	unsigned char *memory = map_written();

	look();
	for (unsigned long page = 1; page < PAGES; page += 2)
		memory[page * PAGE] = 2;
	unchanged.capacity = 5;
	look();
	ck_assert(unchanged.is_full);
	ck_assert_uint_eq(unchanged.count, 5);
	for (unsigned long page = 1; page < PAGES; page += 2)
		ck_assert(!contains(&unchanged, memory + page * PAGE));
}
END_TEST

/* A garbage collector, say, that tracks by the same means. */
START_TEST(the_programs_own_tracking_is_left_alone)
{
	unsigned char *memory = map_written();
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC | 1u << 13 };
	struct uffdio_register range = { .range = { (uintptr_t)memory, PAGES * PAGE },
					 .mode = UFFDIO_REGISTER_MODE_WP };
	struct rf_scan_region region;
	struct rf_scan scan = { .flags = RF_SCAN_PROTECT,
				.start = (uintptr_t)memory,
				.end = (uintptr_t)memory + PAGES * PAGE,
				.vec = (uintptr_t)&region,
				.vec_len = 1,
				.category_mask = RF_CATEGORY_WRITTEN,
				.return_mask = RF_CATEGORY_WRITTEN };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	int pagemap = open("/proc/self/pagemap", O_RDONLY);

	ck_assert_int_eq(ioctl(fd, UFFDIO_API, &api), 0);
	ck_assert_int_eq(ioctl(fd, UFFDIO_REGISTER, &range), 0);
	ck_assert_int_eq(rf_scan(pagemap, &scan), 1);
	memory[3 * PAGE] = 2;
	look();
	expect_unchanged(memory, 0, 0);
	look();
	expect_unchanged(memory, 0, 0);
	scan.flags = 0;
	ck_assert_int_eq(rf_scan(pagemap, &scan), 1);
	ck_assert_uint_eq(region.start, (uintptr_t)memory + 3 * PAGE);
	ck_assert_uint_eq(region.end, region.start + PAGE);
}
END_TEST

START_TEST(a_descriptor_that_the_program_has_closed_is_missed)
{
	int fd = tracker.uffd.fd;

	map_written();
	look();
	close(fd);
	ck_assert(!rf_write_tracker_is_on(&tracker));
	ck_assert_int_eq(dup2(eventfd(0, 0), fd), fd);
	ck_assert(!rf_write_tracker_is_on(&tracker));
	ck_assert_int_eq(rf_write_tracker_look(&tracker, maps_buffer, MAPS_BYTES, &unchanged),
			 -EBADF);
	rf_write_tracker_stop(&tracker);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0); /* it is the program's */
}
END_TEST

START_TEST(a_new_tracker_knows_nothing)
{
	unsigned char *memory = map_written();

	look();
	rf_write_tracker_stop(&tracker);
	memset(memory, 2, PAGES * PAGE);
	ck_assert_int_eq(rf_write_tracker_start(&tracker), 0);
	look();
	ck_assert_uint_eq(unchanged.count, 0);
	memset(memory, 3, PAGE);
	look();
	expect_unchanged(memory, 1, PAGES);
}
END_TEST

START_TEST(huge_pages_are_tracked_page_by_page)
{
	unsigned long huge = 512 * PAGE;
	unsigned char *memory =
		mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memory += -(uintptr_t)memory % huge;
	madvise(memory, huge, MADV_HUGEPAGE);
	memset(memory, 1, huge);
	look();
	memory[100 * PAGE] = 2;
	look();
	for (unsigned long page = 0; page < 512; page++)
		ck_assert_int_eq(contains(&unchanged, memory + page * PAGE), page != 100);
}
END_TEST

/* -- random scripts ------------------------------------------------------------------------- */

#define WINDOW 1024ul /* pages, two huge ones */

/* Of a page that a fork child has no data of its own for: not mapped, a guard page, zero, a
 * file's.  Increments say that of themselves. */
#define NOT_OWN 1

static struct {
	unsigned char *base;
	uint64_t *seen;	 /* by a fork child: digests of all pages; shared with it */
	uint64_t *image; /* what the increments add up to */
	int fd;		 /* of a file to map */
	unsigned seed, step;
	unsigned long looks, known, same;
} play;

static unsigned roll(unsigned sides)
{
	return (unsigned)random() % sides;
}

static void open_window(void)
{
	unsigned char *space = mmap(NULL, 2 * WINDOW * PAGE, PROT_NONE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char path[] = "/tmp/rfork-tracker-XXXXXX";

	ck_assert_ptr_ne(space, MAP_FAILED);
	play.base = space + (-(uintptr_t)space % (512 * PAGE));
	munmap(play.base, WINDOW * PAGE);
	play.seen = mmap(NULL, WINDOW * sizeof(*play.seen), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	play.image = malloc(WINDOW * sizeof(*play.image));
	for (unsigned long page = 0; page < WINDOW; page++)
		play.image[page] = NOT_OWN;
	play.fd = mkstemp(path);
	unlink(path);
	for (unsigned long page = 0; page < WINDOW; page++)
		ck_assert_int_eq(pwrite(play.fd, &page, sizeof(page), (off_t)(page * PAGE)),
				 sizeof(page));
	ck_assert_int_eq(ftruncate(play.fd, WINDOW * PAGE), 0);
}

/* Writes through the kernel: no matter how the page is protected, nothing happens to us. */
static void write_pages(unsigned char *address, unsigned long pages, int mem)
{
	for (unsigned long page = 0; page < pages; page++) {
		uint64_t value = (uint64_t)random();
		unsigned char *target = address + page * PAGE + roll(PAGE - sizeof(value));
		struct iovec from = { &value, sizeof(value) }, to = { target, sizeof(value) };

		if (roll(8) == 0)
			continue;
		if (roll(4) == 0) /* also what is read-only, as a debugger does */
			(void)!pwrite(mem, &value, sizeof(value), (off_t)(uintptr_t)target);
		else
			process_vm_writev(getpid(), &from, 1, &to, 1, 0);
	}
}

static void map_something(unsigned char *address, unsigned long pages)
{
	static const int protections[] = { PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
					   PROT_READ, PROT_NONE };
	int protection = protections[roll(4)];

	if (roll(3) == 0)
		mmap(address, pages * PAGE, protection, MAP_PRIVATE | MAP_FIXED, play.fd,
		     (off_t)((address - play.base) / (long)PAGE * (long)PAGE));
	else
		mmap(address, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0);
}

static void advise(unsigned char *address, unsigned long pages)
{
	static const int advices[] = { MADV_DONTNEED,	   MADV_DONTNEED,	MADV_DONTNEED,
				       MADV_FREE,	   MADV_GUARD_INSTALL,	MADV_GUARD_REMOVE,
				       MADV_HUGEPAGE,	   MADV_COLLAPSE,	MADV_PAGEOUT,
				       MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DONTFORK,
				       MADV_DOFORK,	   MADV_WIPEONFORK,	MADV_KEEPONFORK };

	madvise(address, pages * PAGE, advices[roll(sizeof(advices) / sizeof(advices[0]))]);
}

static void move_pages(unsigned char *address, unsigned long pages)
{
	unsigned long room = WINDOW - pages;
	unsigned char *target = play.base + (room ? roll((unsigned)room) : 0) * PAGE;

	switch (roll(4)) {
	case 0: /* grows where it is, or shrinks */
		mremap(address, pages * PAGE, (1 + roll(2 * (unsigned)pages)) * PAGE, 0);
		break;
	case 1:
		mremap(address, pages * PAGE, pages * PAGE,
		       MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, target);
		break;
	default:
		mremap(address, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
	}
}

/* Growth may have led out of the window. */
static void trim_window(void)
{
	munmap(play.base + WINDOW * PAGE, PAGE * 2 * WINDOW / 8);
}

static void fork_and_write(unsigned char *address, unsigned long pages, int mem)
{
	pid_t child = fork();

	if (child == 0) {
		write_pages(address, pages, open("/proc/self/mem", O_RDWR));
		_exit(0);
	}
	write_pages(address, pages / 2, mem);
	waitpid(child, NULL, 0);
}

static void see_page(int mem, unsigned long page)
{
	unsigned char bytes[PAGE];

	if (pread(mem, bytes, PAGE, (off_t)(uintptr_t)(play.base + page * PAGE)) == (ssize_t)PAGE)
		play.seen[page] = rf_digest64(bytes, PAGE);
}

static void see_all(void)
{
	uint64_t start = (uintptr_t)play.base, end = start + WINDOW * PAGE;
	int mem = open("/proc/self/mem", O_RDONLY);
	struct rf_page_run runs[WINDOW];
	struct rf_pagemap pagemap;
	uint64_t next;
	long count;

	rf_pagemap_open(&pagemap);
	count = rf_pagemap_runs(&pagemap, start, end, runs, WINDOW, &next);
	for (long i = 0; i < count; i++)
		for (; runs[i].start < runs[i].end; runs[i].start += PAGE)
			if (runs[i].kind != RF_PAGES_GUARD)
				see_page(mem, (runs[i].start - start) / PAGE);
	_exit(count < 0 || next != end);
}

/* What the process is like at a fork, seen by the child: looking changes nothing here. */
static void see_by_child(void)
{
	pid_t child;
	int status;

	for (unsigned long page = 0; page < WINDOW; page++)
		play.seen[page] = NOT_OWN;
	child = fork();
	if (child == 0)
		see_all();
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

/* A checkpoint: what is not certainly unchanged goes into the increment; and so does what is
 * unchanged, but was not to be seen by a fork child the last time. */
static void checkpoint(void)
{
	look();
	see_by_child();
	ck_assert_int_eq(rf_write_tracker_list_written(&tracker, &written), 0);
	for (unsigned long page = 0; page < WINDOW; page++) {
		const unsigned char *address = play.base + page * PAGE;
		bool has_data = play.seen[page] != NOT_OWN && play.image[page] != NOT_OWN;

		play.same += has_data && play.seen[page] == play.image[page];
		if (!has_data || !contains(&unchanged, address) || contains(&written, address)) {
			play.image[page] = play.seen[page];
			continue;
		}
		play.known++;
		if (play.image[page] != play.seen[page])
			ck_abort_msg("seed %u, step %u: page %lu has changed unseen", play.seed,
				     play.step, page);
	}
	play.looks++;
}

/* The kernel joins what comes back with its old neighbours. */
static void move_away_and_back(unsigned char *address, unsigned long pages)
{
	unsigned char *away =
		mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(away, MAP_FAILED);
	if (mremap(address, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, away) ==
	    MAP_FAILED) {
		munmap(away, pages * PAGE);
		return;
	}
	if (roll(2))
		checkpoint();
	mremap(away, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, address);
	munmap(away, pages * PAGE); /* what several mappings make fail half-way */
}

static void play_step(int mem)
{
	unsigned long longest = roll(4) ? 16 : WINDOW / 2;
	unsigned long pages = 1 + roll((unsigned)longest);
	unsigned char *address = play.base + roll((unsigned)(WINDOW - pages + 1)) * PAGE;
	uint64_t value = (uint64_t)random();

	switch (roll(13)) {
	case 0:
		map_something(address, pages);
		break;
	case 1:
		munmap(address, pages * PAGE);
		break;
	case 2:
	case 3:
		move_pages(address, pages);
		break;
	case 4:
		mprotect(address, pages * PAGE, roll(2) ? PROT_READ | PROT_WRITE : PROT_READ);
		break;
	case 5:
	case 6:
	case 7:
		advise(address, pages);
		break;
	case 8:
		fork_and_write(address, pages, mem);
		break;
	case 9:
		ck_assert_int_eq(pwrite(play.fd, &value, sizeof(value), address - play.base), 8);
		break;
	case 10:
		move_away_and_back(address, pages);
		break;
	default:
		write_pages(address, pages, mem);
	}
}

static void play_script(unsigned seed, unsigned steps)
{
	int mem = open("/proc/self/mem", O_RDWR);

	play.seed = seed;
	srandom(seed);
	for (play.step = 0; play.step < steps; play.step++) {
		play_step(mem);
		trim_window();
		if (roll(8) == 0)
			checkpoint();
	}
	close(mem);
}

START_TEST(random_scripts_lose_no_change)
{
	const char *wanted = getenv("RFORK_TEST_SEED");
	unsigned seed = wanted ? (unsigned)strtoul(wanted, NULL, 10) : (unsigned)_i + 1;

	if (!wanted && _i == 7) /* another one each time */
		ck_assert_int_eq(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	open_window();
	play_script(seed, 1000);
	ck_assert_uint_gt(play.looks, 50);
	ck_assert_msg(play.known * 10 > play.same, "only %lu of %lu unchanged pages were known",
		      play.known, play.same);
}
END_TEST

static bool has_tracking(void)
{
	struct rf_write_tracker probe;
	int error = rf_write_tracker_start(&probe);

	rf_write_tracker_stop(&probe);
	if (error < 0)
		printf("no tracking of writes here: %s\n", strerror(-error));
	return error == 0;
}

int main(void)
{
	Suite *suite = suite_create("write_tracker");
	TCase *tcase = tcase_create("write_tracker");
	SRunner *runner;
	int failed;

	if (!has_tracking())
		return 77;
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, first_look_lists_nothing);
	tcase_add_test(tcase, only_unwritten_pages_are_listed);
	tcase_add_test(tcase, the_kernels_writes_count);
	tcase_add_test(tcase, pages_that_were_read_only_meanwhile_count);
	tcase_add_test(tcase, dropped_pages_are_not_listed);
	tcase_add_test(tcase, another_mapping_at_the_address_is_changed);
	tcase_add_test(tcase, moved_pages_are_not_listed);
	tcase_add_test(tcase, marks_of_a_forgotten_registration_are_cleared);
	tcase_add_test(tcase, mappings_of_files_are_left_alone);
	tcase_add_test(tcase, heap_that_shrank_and_grew_is_changed);
	tcase_add_test(tcase, a_fork_keeps_what_is_known);
	tcase_add_test(tcase, writes_after_the_look_are_told_and_stay_for_the_next);
	tcase_add_test(tcase, a_full_list_leaves_pages_out);
	tcase_add_test(tcase, the_programs_own_tracking_is_left_alone);
	tcase_add_test(tcase, a_descriptor_that_the_program_has_closed_is_missed);
	tcase_add_test(tcase, a_new_tracker_knows_nothing);
	tcase_add_test(tcase, huge_pages_are_tracked_page_by_page);
	tcase_add_loop_test(tcase, random_scripts_lose_no_change, 0, 8);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
