/* SPDX-License-Identifier: MIT */
/*
 * Asks rfork_check() before each call, and compares.  Called in place of the calls, by the macros
 * of foreseen.h.
 */
#define _GNU_SOURCE
#define TEST_SUPPORT_FORESEEN_UNSEEN
#include "tests/support/foreseen.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/test.h"

#define HOSTS 16
#define LIST_BYTES 4096

static char hosts[HOSTS][80];

void foreseen_add_host(const char *host)
{
	for (unsigned i = 0; i < HOSTS; i++)
		if (!hosts[i][0]) {
			snprintf(hosts[i], sizeof(hosts[i]), "%s", host);
			return;
		}
}

static bool is_asked(const char *host)
{
	if (!host || !getenv("RFORK_TEST_CHECK"))
		return false;
	for (unsigned i = 0; i < HOSTS; i++)
		if (strcmp(hosts[i], host) == 0)
			return true;
	return false;
}

/* What was said before a call. */
struct foreseen {
	int count; /* of refusals, -1 = none was to be had, -2 = nobody was asked */
	int error; /* errno, of -1 */
	char list[LIST_BYTES];
};

static void foresee(struct foreseen *foreseen, const char *host,
		    const struct rfork_options *options, uint64_t flag)
{
	struct rfork_options checked = { .size = sizeof(checked) };

	foreseen->count = -2;
	if (!is_asked(host) || (options && options->size > sizeof(checked)))
		return;
	if (options)
		memcpy(&checked, options, options->size);
	/* such tests stop the shells that there are, and a check would take one of them */
	if (checked.flags & (RFORK_ASYNC | RFORK_CHECK_MOVE) ||
	    (checked.timeout_ms > 0 && checked.timeout_ms < 1000))
		return;
	checked.flags |= flag;
	checked.size = sizeof(checked);
	foreseen->count = rfork_check(host, &checked, foreseen->list, sizeof(foreseen->list));
	foreseen->error = errno;
}

/* result: of the call, which has set errno. */
static void compare(const struct foreseen *foreseen, long result)
{
	bool is_refused = result < 0 && (errno == ENOTSUP || errno == ENOEXEC || errno == ENOSPC);
	int error = errno;

	if (foreseen->count == -2)
		return;
	if (result >= 0 && foreseen->count != 0)
		test_fail(__FILE__, __LINE__, "it goes, but rfork_check() has said %d: %s",
			  foreseen->count, foreseen->list);
	if (is_refused && foreseen->count <= 0)
		test_fail(__FILE__, __LINE__, "rfork_check() has said %d, but: %s", foreseen->count,
			  rfork_error());
	if (foreseen->count > 0 && !is_refused)
		test_fail(__FILE__, __LINE__, "rfork_check() has said %d: %s; but: %s",
			  foreseen->count, foreseen->list, rfork_error());
	if (foreseen->count == -1 && error != foreseen->error)
		test_fail(__FILE__, __LINE__, "rfork_check() has failed with %s; but: %s",
			  strerror(foreseen->error), rfork_error());
	errno = error;
}

pid_t foreseen_rfork_with(const char *host, const struct rfork_options *options)
{
	struct foreseen foreseen;
	pid_t pid;

	foresee(&foreseen, host, options, 0);
	pid = rfork_with(host, options);
	compare(&foreseen, pid);
	return pid;
}

pid_t foreseen_rfork(const char *host)
{
	struct foreseen foreseen;
	pid_t pid;

	foresee(&foreseen, host, NULL, 0);
	pid = rfork(host);
	compare(&foreseen, pid);
	return pid;
}

int foreseen_rfork_move_with(const char *host, const struct rfork_options *options)
{
	struct foreseen foreseen;
	int result;

	foresee(&foreseen, host, options, RFORK_CHECK_MOVE);
	result = rfork_move_with(host, options);
	compare(&foreseen, result);
	return result;
}

int foreseen_rfork_move(const char *host)
{
	struct foreseen foreseen;
	int result;

	foresee(&foreseen, host, NULL, RFORK_CHECK_MOVE);
	result = rfork_move(host);
	compare(&foreseen, result);
	return result;
}
