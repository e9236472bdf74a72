/* SPDX-License-Identifier: MIT */
/*
 * Claim: memory that a fork child is to find empty (MADV_WIPEONFORK), as the state of random
 * generators, is empty each time an executable of undump -p is started, and of a process that
 * rfork_undump() has written; what lies beside it is there, it is wiped in children, and the
 * process that was taken still has it.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/undump.h"

#define RIGHT 23
#define PAGES 4 /* of which the second and third are wiped */
#define BYTES (PAGES * TEST_PAGE_BYTES)

static unsigned char *memory;

static void make_memory(void)
{
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, BYTES, 1);
	CHECK_CALL(madvise(memory + TEST_PAGE_BYTES, 2 * TEST_PAGE_BYTES, MADV_WIPEONFORK));
}

/* As it was, with or without what is wiped. */
static bool is_right(bool is_wiped)
{
	static unsigned char expected[BYTES];

	test_fill(expected, BYTES, 1);
	if (is_wiped)
		memset(expected + TEST_PAGE_BYTES, 0, 2 * TEST_PAGE_BYTES);
	return memcmp(memory, expected, BYTES) == 0;
}

/* It is written anew, and wiped in a child. */
_Noreturn static void look(void)
{
	pid_t pid;

	CHECK(is_right(true));
	test_fill(memory, BYTES, 1);
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(is_right(true) ? 0 : 1);
	test_expect_exit(pid, 0);
	_exit(RIGHT);
}

static void start(const char *path)
{
	static struct undump_result result;

	undump_run(&result, path, NULL);
	if (result.status != RIGHT || result.text[0])
		test_fail(__FILE__, __LINE__, "exit status %d: %s", result.status, result.text);
}

static bool is_told_to_end(void)
{
	sigset_t pending;

	CHECK_CALL(sigpending(&pending));
	return sigismember(&pending, SIGUSR1);
}

/* Here until it is told to end; goes on as another process. */
_Noreturn static void stand(pid_t self)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &blocked, NULL));
	make_memory();
	CHECK_CALL(raise(SIGSTOP));
	while (syscall(SYS_getpid) == self) {
		if (is_told_to_end())
			_exit(is_right(false) ? RIGHT : 1);
		sched_yield();
	}
	look();
}

static void be_undumped(const char *option)
{
	const char *path = checkpoint_path("app");
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (!pid)
		stand(getpid());
	CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_CALL(kill(pid, SIGCONT));
	undump_process(pid, path, option);
	CHECK_CALL(kill(pid, SIGUSR1));
	test_expect_exit(pid, RIGHT);
	start(path);
	start(path);
	undump_remove(path);
}

static void undump_itself(void)
{
	const char *path = checkpoint_path("app");
	pid_t pid = CHECK_CALL(fork());
	int result;

	if (!pid) {
		make_memory();
		result = rfork_undump(path);
		if (result == 0)
			look();
		_exit(result == 1 && is_right(false) ? 0 : 1);
	}
	test_expect_exit(pid, 0);
	start(path);
	CHECK_CALL(unlink(path));
}

int main(void)
{
	test_begin();
	be_undumped(NULL);
	be_undumped("--copy");
	undump_itself();
	checkpoint_clean(NULL, 0);
	return test_end();
}
