/* SPDX-License-Identifier: MIT */
/*
 * Claim: copies of one process, children of rfork() and restarts of one executable alike, have the
 * same state of random(), as after fork, but generations that differ: a program that mixes its
 * generation in, by rfork_atfork(), goes other ways in each.  OpenSSL's generator and the C
 * library's arc4random() differ by themselves; but OpenSSL's only by the process ID, so that what
 * always is process 1, as in containers, needs the generation, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/restart.h"

#define COPIES 4
#define BYTES 16
#define EXIT_CANNOT 99

/* What one copy has drawn. */
struct draw {
	unsigned char generation[BYTES];
	long plain; /* of random(), before it was seeded again */
	unsigned char mixed[BYTES], openssl[BYTES], arc4random[BYTES];
	bool has_openssl, has_arc4random;
};

static int (*rand_bytes)(unsigned char *buffer, int bytes);
static void (*rand_add)(const void *buffer, int bytes, double entropy);
static bool is_openssl_mixed;
static void (*arc4random_fill)(void *buffer, size_t bytes);
static char random_state[128], mixed_state[128];
static int results = -1; /* the fd to write draws to */

/* The program's own way to go on from a generation. */
static void mix_in(void)
{
	struct rfork_identity self = { .size = sizeof(self) };
	unsigned seed = 0;

	CHECK_CALL(rfork_self(&self));
	for (size_t i = 0; i < sizeof(self.generation); i++)
		seed = seed * 257 + self.generation[i];
	if (is_openssl_mixed && rand_add)
		rand_add(self.generation, sizeof(self.generation), sizeof(self.generation));
	CHECK(initstate(seed, mixed_state, sizeof(mixed_state)));
	CHECK(setstate(random_state));
}

static void warm_up(void)
{
	unsigned char unused[BYTES];
	void *library = dlopen("libcrypto.so.3", RTLD_NOW);

	if (library)
		rand_bytes = (int (*)(unsigned char *, int))dlsym(library, "RAND_bytes");
	if (library)
		rand_add = (void (*)(const void *, int, double))dlsym(library, "RAND_add");
	arc4random_fill = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "arc4random_buf");
	CHECK(initstate(1, random_state, sizeof(random_state)));
	random();
	if (rand_bytes)
		CHECK_EQUAL(rand_bytes(unused, sizeof(unused)), 1);
	if (arc4random_fill)
		arc4random_fill(unused, sizeof(unused));
	CHECK_CALL(rfork_atfork(NULL, NULL, mix_in));
}

static struct draw draw_all(void)
{
	struct rfork_identity self = { .size = sizeof(self) };
	struct draw draw = { .plain = random() };

	CHECK_CALL(rfork_self(&self));
	memcpy(draw.generation, self.generation, BYTES);
	CHECK(setstate(mixed_state));
	for (size_t i = 0; i < BYTES; i++)
		draw.mixed[i] = (unsigned char)(random() >> 8);
	draw.has_openssl = rand_bytes && rand_bytes(draw.openssl, BYTES) == 1;
	draw.has_arc4random = arc4random_fill;
	if (arc4random_fill)
		arc4random_fill(draw.arc4random, BYTES);
	return draw;
}

static void tell(void)
{
	struct draw draw = draw_all();

	test_write(results, &draw, sizeof(draw));
}

static void expect_difference(const char *what, const unsigned char *a, const unsigned char *b)
{
	if (memcmp(a, b, BYTES) == 0)
		test_fail(__FILE__, __LINE__, "two copies have drawn the same from %s", what);
}

static void compare(const struct draw draws[COPIES])
{
	for (unsigned i = 0; i < COPIES; i++)
		for (unsigned j = 0; j < i; j++) {
			CHECK_EQUAL(draws[i].plain, draws[j].plain);
			expect_difference("their generations", draws[i].generation,
					  draws[j].generation);
			expect_difference("seeds of those", draws[i].mixed, draws[j].mixed);
			if (draws[i].has_openssl)
				expect_difference("OpenSSL", draws[i].openssl, draws[j].openssl);
			if (draws[i].has_arc4random)
				expect_difference("arc4random", draws[i].arc4random,
						  draws[j].arc4random);
		}
}

static void fork_to(const struct node *node)
{
	struct draw draws[COPIES];
	int ends[2];

	warm_up();
	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	results = ends[1];
	for (unsigned i = 0; i < COPIES; i++) {
		pid_t pid = node_move_returns_twice(node, 0);

		if (pid == 0) {
			tell();
			_exit(42);
		}
		CHECK_EQUAL(test_read(ends[0], &draws[i], sizeof(draws[i])), sizeof(draws[i]));
		test_expect_exit(pid, 42);
	}
	compare(draws);
	close(ends[0]);
	close(ends[1]);
}

static int restarted(void)
{
	warm_up();
	results = STDOUT_FILENO;
	restart_point();
	tell();
	return RESTART_RIGHT;
}

static void restart(const char *path, int (*body)(void), pid_t (*start)(const char *path))
{
	struct draw draws[COPIES];

	restart_write(path, body);
	for (unsigned i = 0; i < COPIES; i++) {
		int output = test_pipe_output();
		pid_t pid = start(path);

		test_release_output();
		CHECK_EQUAL(test_read(output, &draws[i], sizeof(draws[i])), sizeof(draws[i]));
		test_expect_exit(pid, RESTART_RIGHT);
		close(output);
	}
	compare(draws);
}

static pid_t start_plainly(const char *path)
{
	return restart_start(path, NULL);
}

/* -- process 1 of a namespace ------------------------------------------------------------------ */

/* The next child is process 1. */
static bool enter_namespace(void)
{
	int flags = CLONE_NEWPID | CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER);

	return unshare(flags) == 0;
}

/* In process 1: /proc is to tell of its namespace. */
static bool see_namespace(void)
{
	return getpid() == 1 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("proc", "/proc", "proc", 0, NULL) == 0;
}

/* Runs the body as process 1, and ends as that does. */
static _Noreturn void be_first(int (*body)(void))
{
	pid_t pid;
	int status;

	if (!enter_namespace())
		_exit(EXIT_CANNOT);
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(see_namespace() ? body() : EXIT_CANNOT);
	status = test_wait(pid);
	CHECK(WIFEXITED(status));
	_exit(WEXITSTATUS(status));
}

static int do_nothing(void)
{
	return EXIT_SUCCESS;
}

static bool can_be_first(void)
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (pid == 0)
		be_first(do_nothing);
	status = test_wait(pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static int restarted_as_first(void)
{
	is_openssl_mixed = true;
	be_first(restarted);
}

static const char *started;

static int start(void)
{
	execl(started, started, NULL);
	return EXIT_CANNOT;
}

static pid_t start_as_first(const char *path)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid)
		return pid;
	started = path;
	be_first(start);
}

int main(void)
{
	static const char *const names[] = { "app" };
	const char *path;
	struct node node;

	test_begin();
	path = checkpoint_path("app");
	node_start(&node, NULL);
	restart(path, restarted, start_plainly);
	if (can_be_first())
		restart(path, restarted_as_first, start_as_first);
	else
		dprintf(2, "process 1 of a namespace cannot be had here\n");
	fork_to(&node);
	node_stop(&node);
	checkpoint_clean(names, 1);
	if (!rand_bytes)
		test_skip("no libcrypto.so.3 (libssl3)");
	return test_end();
}
