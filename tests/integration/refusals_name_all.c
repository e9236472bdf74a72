/* SPDX-License-Identifier: MIT */
/*
 * Claim: a checkpoint of a process with things that cannot be kept is refused before anything is
 * written, and one sentence names them all, or counts those for which it has no room, and says
 * which flags would leave some out; the process is as it was.  With RFORK_CLOSE_OTHERS and
 * RFORK_THIS_THREAD it is made, and says what it has lost; memory that a fork does not copy, and
 * child processes, it lists in any case.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/source.h"
#include "tests/support/checkpoint.h"
#include "tests/support/footprint.h"

static sem_t started, ended;
static int fds[6];

static void *wait_in_thread(void *unused)
{
	(void)unused;
	CHECK_CALL(prctl(PR_SET_NAME, "worker-seven"));
	CHECK_CALL(sem_post(&started));
	CHECK_CALL(sem_wait(&ended));
	return NULL;
}

static pthread_t start_thread(void)
{
	pthread_t thread;

	CHECK_CALL(sem_init(&started, 0, 0));
	CHECK_CALL(sem_init(&ended, 0, 0));
	CHECK_EQUAL(pthread_create(&thread, NULL, wait_in_thread, NULL), 0);
	CHECK_CALL(sem_wait(&started));
	return thread;
}

static void open_descriptors(void)
{
	fds[0] = CHECK_CALL(socket(AF_INET, SOCK_DGRAM, 0));
	fds[1] = CHECK_CALL(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE));
	fds[2] = CHECK_CALL(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE));
	fds[3] = CHECK_CALL(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds + 4));
}

static void close_descriptors(void)
{
	for (unsigned i = 0; i < 6; i++)
		CHECK_CALL(close(fds[i]));
}

static bool has_name(const char *text, const char *format, int number)
{
	char name[64];

	snprintf(name, sizeof(name), format, number);
	return strstr(text, name);
}

static void check_refusal(void)
{
	checkpoint_expect_failure(rfork_checkpoint(0), ENOTSUP, "(worker-seven)");
	for (unsigned i = 0; i < 6; i++)
		if (!has_name(rfork_error(), "descriptor %d (", fds[i]))
			test_fail(__FILE__, __LINE__, "descriptor %d is not named", fds[i]);
	CHECK(strstr(rfork_error(), "RFORK_CLOSE_OTHERS and RFORK_THIS_THREAD"));
	checkpoint_expect_failure(rfork_checkpoint(RFORK_CLOSE_OTHERS), ENOTSUP, "worker-seven");
	CHECK(!strstr(rfork_error(), "descriptor") && !strstr(rfork_error(), "CLOSE_OTHERS"));
	CHECK(strstr(rfork_error(), "see RFORK_THIS_THREAD"));
	checkpoint_expect_failure(rfork_checkpoint(RFORK_THIS_THREAD), ENOTSUP, "descriptor");
	CHECK(!strstr(rfork_error(), "worker") && !strstr(rfork_error(), "THIS_THREAD"));
	CHECK(strstr(rfork_error(), "see RFORK_CLOSE_OTHERS"));
}

/* More than a sentence has room for. */
static void check_many(void)
{
	int many[64];

	for (unsigned i = 0; i < 64; i++)
		many[i] = CHECK_CALL(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE));
	checkpoint_expect_failure(rfork_checkpoint(RFORK_THIS_THREAD), ENOTSUP, " more (close");
	CHECK(has_name(rfork_error(), "descriptor %d (", fds[0]));
	for (unsigned i = 0; i < 64; i++)
		CHECK_CALL(close(many[i]));
}

static void *make_dontfork_memory(void)
{
	void *memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_CALL(madvise(memory, TEST_PAGE_BYTES, MADV_DONTFORK));
	return memory;
}

static bool names_memory(const char *text, const void *memory)
{
	char name[64];

	snprintf(name, sizeof(name), "memory at %lx-%lx: MADV_DONTFORK", (unsigned long)memory,
		 (unsigned long)memory + TEST_PAGE_BYTES);
	return strstr(text, name);
}

static void check_lost(pid_t child, const void *memory)
{
	rfork_crid_t crid = checkpoint_hold(RFORK_CLOSE_OTHERS | RFORK_THIS_THREAD);
	struct rf_source source;

	CHECK(crid > 0);
	checkpoint_write(crid, checkpoint_path("state"));
	CHECK_CALL(rfork_discard(crid));
	checkpoint_read(&source, checkpoint_path("state"));
	CHECK(source.lost);
	dprintf(2, "lost:\n%s", source.lost);
	CHECK(strstr(source.lost, "(worker-seven)"));
	CHECK(has_name(source.lost, "child process %d\n", child));
	CHECK(names_memory(source.lost, memory));
	for (unsigned i = 0; i < 6; i++) {
		CHECK(has_name(source.lost, "descriptor %d (", fds[i]));
		for (uint32_t j = 0; j < source.image.head.descriptors; j++)
			CHECK((int)source.image.descriptors[j].number != fds[i]);
	}
	rf_source_close(&source);
}

static void check_mapping(void)
{
	const char *path = checkpoint_path("gone");
	int fd = CHECK_CALL(open(path, O_RDWR | O_CREAT, 0600));
	void *memory;

	CHECK_CALL(ftruncate(fd, TEST_PAGE_BYTES));
	memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(memory != MAP_FAILED);
	CHECK_CALL(unlink(path));
	checkpoint_expect_failure(rfork_checkpoint(0), ENOTSUP, "gone (deleted)");
	CHECK(strstr(rfork_error(), "mapping"));
	CHECK(has_name(rfork_error(), "descriptor %d (", fd));
	CHECK_CALL(munmap(memory, TEST_PAGE_BYTES));
	close(fd);
}

static void check_sandbox(void)
{
	struct sock_filter allow_all[] = { { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } };
	struct sock_fprog program = { .len = 1, .filter = allow_all };
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
			_exit(0);
		checkpoint_expect_failure(rfork_checkpoint(0), ENOTSUP, "seccomp");
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

int main(void)
{
	static const char *const names[] = { "state" };
	static struct footprint before;
	pthread_t thread;
	void *memory;
	pid_t child;

	test_begin();
	check_sandbox();
	check_mapping();
	CHECK_CALL(rfork_discard(checkpoint_hold(0)));
	thread = start_thread();
	open_descriptors();
	memory = make_dontfork_memory();
	child = CHECK_CALL(fork());
	if (!child) {
		pause();
		_exit(1);
	}
	test_guard_process(child);
	footprint_take(&before);
	check_refusal();
	check_many();
	footprint_expect(&before);
	check_lost(child, memory);
	CHECK_CALL(kill(child, SIGKILL));
	test_expect_signal(child, SIGKILL);
	test_forget_process(child);
	CHECK_CALL(sem_post(&ended));
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	close_descriptors();
	CHECK_CALL(rfork_discard(checkpoint_hold(0)));
	checkpoint_clean(names, 1);
	return test_end();
}
