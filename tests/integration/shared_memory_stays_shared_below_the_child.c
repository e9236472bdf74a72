/* SPDX-License-Identifier: MIT */
/*
 * Claim: memory that a process shares with its children, of mmap(2), /dev/zero or shmget(2), has
 * its content after each way, and goes on to be shared by the process and the children that it
 * makes there: mutexes and semaphores in it work among them, and mappings of the same memory show
 * the same.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define PAGES 8u
#define BYTES (PAGES * TEST_PAGE_BYTES)
#define ROUNDS 500

struct common {
	pthread_mutex_t mutex;
	sem_t there, back;
	unsigned count;
};

/* What is shared, each with a number of its own in each page. */
static struct common *common;
static unsigned char *plain, *zero, *twice[2], *attached[2], *tail[2], *grown[2], *rights;

static unsigned char *map(size_t pages)
{
	void *memory = mmap(NULL, pages * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* One more mapping of the memory at `old`. */
static unsigned char *map_again(unsigned char *old, size_t pages)
{
	void *memory = mremap(old, 0, pages * TEST_PAGE_BYTES, MREMAP_MAYMOVE);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void fill(unsigned char *memory, size_t pages, unsigned char number)
{
	for (size_t i = 0; i < pages; i += 2) /* and holes */
		memory[i * TEST_PAGE_BYTES + number] = number;
}

static void expect(const unsigned char *memory, size_t pages, unsigned char number)
{
	for (size_t i = 0; i < pages; i++)
		CHECK_EQUAL(memory[i * TEST_PAGE_BYTES + number], i % 2 ? 0 : number);
}

static void build_segment(void)
{
	int id = CHECK_CALL(shmget(IPC_PRIVATE, BYTES, IPC_CREAT | 0600));

	for (unsigned i = 0; i < 2; i++) {
		attached[i] = shmat(id, NULL, i ? SHM_RDONLY : 0);
		CHECK(attached[i] != (void *)-1);
	}
	CHECK_CALL(shmctl(id, IPC_RMID, NULL));
	fill(attached[0], PAGES, 5);
}

static void build_common(void)
{
	pthread_mutexattr_t attributes;

	common = (struct common *)map(1);
	CHECK_EQUAL(pthread_mutexattr_init(&attributes), 0);
	CHECK_EQUAL(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQUAL(pthread_mutex_init(&common->mutex, &attributes), 0);
	CHECK_CALL(sem_init(&common->there, 1, 0));
	CHECK_CALL(sem_init(&common->back, 1, 0));
	common->count = 0;
}

static void build(void)
{
	int fd = CHECK_CALL(open("/dev/zero", O_RDWR | O_CLOEXEC));

	build_common();
	build_segment();
	plain = map(PAGES);
	fill(plain, PAGES, 1);
	zero = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(zero != MAP_FAILED);
	close(fd);
	fill(zero, PAGES, 2);
	twice[0] = map(PAGES);
	twice[1] = map_again(twice[0], PAGES);
	fill(twice[0], PAGES, 3);
	CHECK_CALL(mprotect(twice[1], BYTES, PROT_READ));
	/* two mappings, neither of which has the beginning */
	tail[0] = map(PAGES);
	fill(tail[0], PAGES, 4);
	CHECK_CALL(munmap(tail[0], 2 * TEST_PAGE_BYTES));
	tail[0] += 2 * TEST_PAGE_BYTES;
	tail[1] = map_again(tail[0], PAGES - 2);
	/* the end is mapped only once */
	grown[0] = map(PAGES);
	grown[1] = map_again(grown[0], PAGES);
	fill(grown[0], PAGES, 6);
	CHECK_CALL(munmap(grown[0] + BYTES / 2, BYTES / 2));
	/* one memory, of which the kernel lists three mappings */
	rights = map(PAGES);
	fill(rights, PAGES, 7);
	CHECK_CALL(mprotect(rights + 2 * TEST_PAGE_BYTES, 2 * TEST_PAGE_BYTES, PROT_NONE));
}

static void check_contents(void)
{
	expect(plain, PAGES, 1);
	expect(zero, PAGES, 2);
	expect(twice[0], PAGES, 3);
	expect(twice[1], PAGES, 3);
	expect(tail[0], PAGES - 2, 4);
	expect(tail[1], PAGES - 2, 4);
	expect(attached[0], PAGES, 5);
	expect(attached[1], PAGES, 5);
	expect(grown[0], PAGES / 2, 6);
	expect(grown[1], PAGES, 6);
	CHECK_CALL(mprotect(rights, BYTES, PROT_READ | PROT_WRITE));
	expect(rights, PAGES, 7);
}

/* Where what is written at one address shows at another one. */
static void check_aliases(void)
{
	twice[0][TEST_PAGE_BYTES] = 13;
	CHECK_EQUAL(twice[1][TEST_PAGE_BYTES], 13);
	tail[1][BYTES - 2 * TEST_PAGE_BYTES - 1] = 14;
	CHECK_EQUAL(tail[0][BYTES - 2 * TEST_PAGE_BYTES - 1], 14);
	attached[0][0] = 15;
	CHECK_EQUAL(attached[1][0], 15);
	grown[1][9] = 16;
	CHECK_EQUAL(grown[0][9], 16);
	/* to the kernel, too, it is one memory */
	CHECK(mremap(rights, BYTES, BYTES, MREMAP_MAYMOVE) != MAP_FAILED);
}

static void take_turns(sem_t *mine, sem_t *other)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		CHECK_CALL(sem_post(other));
		CHECK_CALL(sem_wait(mine));
		CHECK_EQUAL(pthread_mutex_lock(&common->mutex), 0);
		common->count++;
		CHECK_EQUAL(pthread_mutex_unlock(&common->mutex), 0);
	}
}

static void be_child(void)
{
	plain[0] = zero[0] = attached[0][1] = twice[0][0] = 77;
	take_turns(&common->back, &common->there);
	_exit(5);
}

static void check_children(void)
{
	int status;
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0)
		be_child();
	take_turns(&common->there, &common->back);
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	CHECK_EQUAL(common->count, 2 * ROUNDS);
	CHECK_EQUAL(plain[0], 77);
	CHECK_EQUAL(zero[0], 77);
	CHECK_EQUAL(attached[1][1], 77);
	CHECK_EQUAL(twice[1][0], 77);
}

static void check(enum way way)
{
	(void)way;
	check_contents();
	check_aliases();
	check_children();
}

int main(void)
{
	return ways_three_beats(build, check);
}
