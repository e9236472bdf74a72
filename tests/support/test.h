/* SPDX-License-Identifier: MIT */
/*
 * What every integration test begins, checks and ends with.  A check that fails prints the
 * place and the values, stops what the test started, and exits 1; in the moved child it
 * only exits 1, because everything else belongs to the caller.  Nothing here sleeps: each
 * wait is for an event and has a deadline.
 */
#ifndef TEST_SUPPORT_TEST_H
#define TEST_SUPPORT_TEST_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <rfork.h>

#include "tests/support/foreseen.h"

/* What is waited for at most; longer by the factor RFORK_TEST_PATIENCE, for slow machines. */
#define TEST_DEADLINE_MS (30000 * test_patience())
#define TEST_PAGE_BYTES 4096ul

/* Closes inherited descriptors, puts /dev/null on standard input, undoes inherited dispositions of
 * terminal signals, becomes a subreaper and sets the whole test's deadline. */
void test_begin(void);

/* The claim holds: no child may be left; returns the exit status of main(). */
int test_end(void);

/* Prints why the test cannot run here and exits 77. */
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A process or a directory that a failing test has to clean up. */
void test_guard_process(pid_t pid);
void test_forget_process(pid_t pid);
void test_guard_directory(const char *path);
void test_forget_directory(const char *path);

#define CHECK(condition)                                                                           \
	((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "not true: %s", #condition))

#define CHECK_EQUAL(got, expected)                                                                 \
	do {                                                                                       \
		long long got_ = (long long)(got), expected_ = (long long)(expected);              \
		if (got_ != expected_)                                                             \
			test_fail(__FILE__, __LINE__, "%s is %lld (%#llx), not %lld (%#llx)",      \
				  #got, got_, got_, expected_, expected_);                         \
	} while (0)

#define CHECK_AT_MOST(got, limit)                                                                  \
	do {                                                                                       \
		long long got_ = (long long)(got), limit_ = (long long)(limit);                    \
		if (got_ > limit_)                                                                 \
			test_fail(__FILE__, __LINE__, "%s is %lld, more than %lld", #got, got_,    \
				  limit_);                                                         \
	} while (0)

#define CHECK_TEXT(got, expected)                                                                  \
	do {                                                                                       \
		const char *got_ = (got), *expected_ = (expected);                                 \
		if (strcmp(got_, expected_))                                                       \
			test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #got, got_,      \
				  expected_);                                                      \
	} while (0)

/* The result of a call that returns -1 and errno on failure. */
#define CHECK_CALL(call)                                                                           \
	({                                                                                         \
		__typeof__(call) result_ = (call);                                                 \
		if (result_ == (__typeof__(call))-1)                                               \
			test_fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno));           \
		result_;                                                                           \
	})

/* RFORK_TEST_PATIENCE, at least 1. */
int test_patience(void);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t test_now_ms(void);

/* Waits until fd has one of `events`; false at the deadline. */
bool test_poll(int fd, short events, int timeout_ms);

/* The wait status of a child; fails the test at the deadline. */
int test_wait(pid_t pid);
void test_expect_exit(pid_t pid, int code);
void test_expect_signal(pid_t pid, int signal);

/* True once the process `pid`, child or not, has ended; waits for it. */
bool test_has_ended(pid_t pid, int timeout_ms);

/* Reads to end of file or until `bytes`; fails the test at the deadline. */
size_t test_read(int fd, void *buffer, size_t bytes);
void test_write(int fd, const void *buffer, size_t bytes);

/* Waits for one of the blocked signal; in a child that the caller releases by a signal. */
void test_await_signal(int signal);

/* Puts an empty unnamed file on descriptor 1; test_output() reads what has been written. */
void test_capture_output(void);
size_t test_output(char *text, size_t bytes);

/* Puts a pipe on descriptor 1 and returns its read end. */
int test_pipe_output(void);
/* Closes the caller's own write end by putting /dev/null on descriptor 1. */
void test_release_output(void);

/* Reads one decimal line, such as a child's pid. */
long test_read_number(int fd);

/* Path of something built, relative to the top of the build tree; a static buffer. */
const char *test_build_path(const char *name);

/* Fills memory with reproducible noise, and a digest of memory that sees every bit. */
void test_fill(void *memory, size_t bytes, uint64_t seed);
uint64_t test_digest(const void *memory, size_t bytes);

/* Seed of a random sweep: printed, and taken from RFORK_TEST_SEED if set. */
uint64_t test_seed(void);
uint64_t test_random(uint64_t *state);

/* Removes a directory of plain files. */
void test_remove_directory(const char *path);

#endif
