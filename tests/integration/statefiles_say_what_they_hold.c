/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump --info says of the statefile of a real process what that process had: its name,
 * directory and machine, what is mapped where and what of it is carried, its descriptors, locks,
 * timers, signals and registers.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"

#define PAGES 7
#define LOG_FD 40

static char said[262144];
static char *memory;
static char stack[65536];

static void handle(int signal)
{
	(void)signal;
}

static void make_signals(void)
{
	struct sigaction action = { .sa_handler = handle };
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	sigset_t blocked;

	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
	CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &blocked, NULL));
	CHECK_CALL(raise(SIGUSR2));
	CHECK_CALL(sigaltstack(&other, NULL));
}

static void make_state(const char *log)
{
	const struct itimerval timer = { { 3, 0 }, { 1000, 0 } };
	int fd = CHECK_CALL(open(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));

	CHECK_EQUAL(write(fd, "0123456789", 10), 10);
	CHECK_CALL(dup3(fd, LOG_FD, O_CLOEXEC));
	close(fd);
	CHECK_CALL(flock(LOG_FD, LOCK_EX));
	CHECK_CALL(setitimer(ITIMER_REAL, &timer, NULL));
	make_signals();
	memory = mmap(NULL, 2 * PAGES * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	memset(memory, 'm', PAGES * TEST_PAGE_BYTES);
	/* a mapping of its own, whatever its neighbours are */
	CHECK_CALL(mprotect(memory, 2 * PAGES * TEST_PAGE_BYTES, PROT_READ | PROT_EXEC));
	CHECK_CALL(prctl(PR_SET_NAME, "held"));
	CHECK_CALL(chdir("/usr"));
	umask(027);
}

static void ask(const char *path)
{
	char command[512];
	FILE *answer;
	size_t got;

	snprintf(command, sizeof(command), "%s/tools/undump --info %s", getenv("RFORK_BUILD"),
		 path);
	answer = popen(command, "re");
	CHECK(answer);
	got = fread(said, 1, sizeof(said) - 1, answer);
	said[got] = '\0';
	CHECK_EQUAL(pclose(answer), 0);
}

static void expect(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void expect(const char *format, ...)
{
	char phrase[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(phrase, sizeof(phrase), format, arguments);
	va_end(arguments);
	if (!strstr(said, phrase))
		test_fail(__FILE__, __LINE__, "no \"%s\" in:\n%s", phrase, said);
}

static void expect_process(const char *log)
{
	struct utsname names;

	CHECK_CALL(uname(&names));
	expect("Process     %d (held), captured 20", getpid());
	expect("Directory   /usr, umask 027\n");
	expect("%s, Linux %s, x86_64\n", names.nodename, names.release);
	expect(" sse2");
	expect("Caught      SIGUSR1");
	expect("Ignored     SIGHUP");
	expect("Pending     SIGUSR2");
	expect("%d  file    read and write  %s, at 10, close-on-exec\n", LOG_FD, log);
	expect("%d  flock        exclusive  the whole file\n", LOG_FD);
	expect("ITIMER_REAL     goes off in ");
	expect(", then every 3.000 s\n");
}

static void expect_memory(void)
{
	uintptr_t start = (uintptr_t)memory;

	expect("%012lx-%012lx   56 KiB  r-xp       %d  content\n", start,
	       start + 2 * PAGES * TEST_PAGE_BYTES, PAGES);
	expect("  reference  /usr/lib/");
	expect("  content    [stack]\n");
	expect("  kernel     [vdso]\n");
	expect("  %d, in the call that captured it", getpid());
	expect(", signal stack %lx of %zu bytes\n", (uintptr_t)stack, sizeof(stack));
	expect("blocked SIGUSR2\n");
	expect("fs_base %016lx", (unsigned long)__builtin_thread_pointer());
}

int main(void)
{
	static const char *const names[] = { "x.state", "log" };
	const char *path = checkpoint_path(names[0]), *log = checkpoint_path(names[1]);
	rfork_crid_t crid;

	test_begin();
	make_state(log);
	crid = checkpoint_hold(0);
	if (crid == 0)
		return EXIT_SUCCESS;
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	ask(path);
	expect_process(log);
	expect_memory();
	checkpoint_clean(names, 2);
	return test_end();
}
