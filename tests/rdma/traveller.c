/* SPDX-License-Identifier: MIT */
/*
 * traveller [-m MIB] HOST...
 *
 * A process that goes from machine to machine, and looks on each at what another kernel or CPU
 * could have broken, see traveller.h.  The first hop is rfork(), further ones are rfork_move(),
 * each of them in a signal handler.  MIB of noise go with it (4).  Run by the scripts of
 * tests/rdma/.
 *
 * Prints a line on each machine.  Exit status: 0 all was right everywhere; 1 something was not; 3 a
 * hop was refused, and the line says why.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/rdma/traveller.h"
#include "tests/support/test.h"

#define EXIT_REFUSED 3

static struct {
	const char *host; /* of the next hop */
	pid_t ghost;	  /* of the first; 0 on all machines but the first */
} journey = { .ghost = -1 };

static _Noreturn void tell_refusal(void)
{
	printf("refused: %s: %s\n", journey.host, rfork_error());
	exit(EXIT_REFUSED);
}

static void move(void)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = RFORK_INSECURE_PLAINTEXT,
					 .timeout_ms = TEST_DEADLINE_MS };

	if (!journey.ghost) {
		if (rfork_move_with(journey.host, &options))
			tell_refusal();
		return;
	}
	journey.ghost = rfork_with(journey.host, &options);
	if (journey.ghost < 0)
		tell_refusal();
}

static void look_round(void)
{
	struct utsname names;

	vdso_check();
	thread_check();
	heap_check();
	CHECK_CALL(uname(&names));
	printf("at %s, Linux %s: right\n", names.nodename, names.release);
	CHECK_EQUAL(fflush(stdout), 0);
}

static void hop(const char *host)
{
	journey.host = host;
	if (!vectors_survive(move))
		test_fail(__FILE__, __LINE__, "%s registers are not what they were",
			  vectors_name());
	if (journey.ghost > 0) {
		int status = test_wait(journey.ghost);

		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	look_round();
}

int main(int argc, char **argv)
{
	size_t mib = 4;

	test_begin();
	if (argc > 2 && !strcmp(argv[1], "-m")) {
		mib = strtoul(argv[2], NULL, 10);
		argv += 2;
	}
	vdso_remember();
	thread_remember();
	heap_fill(mib);
	printf("leaves with %s registers\n", vectors_name());
	CHECK_EQUAL(fflush(stdout), 0);
	while (*++argv)
		hop(*argv);
	_exit(0);
}
