/* SPDX-License-Identifier: MIT */
/*
 * Claim: an ordinary user makes an executable of a python3 that runs, which knows nothing of
 * librfork: it goes on in the middle of its loop, in one of its threads and with its modules,
 * while the running one goes on, too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/target.h"
#include "tests/support/undump.h"

#define PYTHON "/usr/bin/python3"
#define NOBODY 65534
#define PROGRAM                                                                                    \
	"import os, sys, json, re, threading\n"                                                    \
	"data = {str(i): i * i for i in range(20000)}\n"                                           \
	"pid = os.getpid()\n"                                                                      \
	"event = threading.Event()\n"                                                              \
	"done = []\n"                                                                              \
	"thread = threading.Thread(target=lambda: (event.wait(), done.append(1)), daemon=True)\n"  \
	"thread.start()\n"                                                                         \
	"n = 0\n"                                                                                  \
	"while os.getpid() == pid:\n"                                                              \
	"    n += 1\n"                                                                             \
	"    assert json.loads(json.dumps(data))[str(n % 20000)] == (n % 20000) ** 2\n"            \
	"    print(n, flush=True)\n"                                                               \
	"event.set()\n"                                                                            \
	"thread.join()\n"                                                                          \
	"assert done == [1] and sum(data.values()) == sum(i * i for i in range(20000))\n"          \
	"print('goes on at', n, re.sub('l+', 'r', 'hello'))\n"                                     \
	"sys.exit(7)\n"

static void be_nobody(void)
{
	if (geteuid() == 0) {
		CHECK_CALL(setresgid(NOBODY, NOBODY, NOBODY));
		CHECK_CALL(setresuid(NOBODY, NOBODY, NOBODY));
	}
}

static bool can_nobody_reach(const char *path)
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (!pid) {
		be_nobody();
		_exit(access(path, X_OK) < 0);
	}
	status = test_wait(pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static pid_t start_python(FILE **output)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid) {
		be_nobody();
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		CHECK_CALL(dup2(ends[1], STDOUT_FILENO));
		execl(PYTHON, PYTHON, "-c", PROGRAM, NULL);
		_exit(127);
	}
	test_guard_process(pid);
	CHECK_CALL(close(ends[1]));
	*output = fdopen(ends[0], "r");
	setvbuf(*output, NULL, _IONBF, 0);
	return pid;
}

static long read_number(FILE *output)
{
	char line[32];

	CHECK(test_poll(fileno(output), POLLIN, TEST_DEADLINE_MS));
	CHECK(fgets(line, sizeof(line), output));
	return strtol(line, NULL, 10);
}

/* What it prints: the number at which it was stopped, and what its modules say. */
static long restart(const char *path)
{
	struct undump_result result;
	char *last;
	long number;

	undump_run(&result, path, NULL);
	if (result.status != 7)
		test_fail(__FILE__, __LINE__, "exit %d: %s", result.status, result.text);
	last = strstr(result.text, "goes on at ");
	CHECK(last);
	number = strtol(last + strlen("goes on at "), &last, 10);
	CHECK_TEXT(last, " hero\n");
	return number;
}

static int make_and_restart(struct target *target)
{
	char path[] = "/tmp/rfork-python-XXXXXX", program[64];

	be_nobody();
	CHECK(mkdtemp(path));
	snprintf(program, sizeof(program), "%s/python", path);
	target_await(target, 0, 1);
	undump_process(atomic_load(&target->words[0]), program, NULL);
	for (int i = 0; i < 3; i++)
		target_set(target, 1 + i, (int)restart(program));
	undump_remove(program);
	CHECK_CALL(rmdir(path));
	return 0;
}

int main(void)
{
	struct target maker;
	FILE *output;
	pid_t python;
	long n;

	test_begin();
	if (access(PYTHON, X_OK) < 0)
		test_skip("there is no " PYTHON);
	if (!can_nobody_reach(test_build_path("tools/undump")))
		test_skip("the user nobody cannot reach the build folder");
	python = start_python(&output);
	n = read_number(output);
	target_start(&maker, make_and_restart, 0);
	target_set(&maker, 0, python);
	target_end(&maker);
	CHECK(atomic_load(&maker.words[1]) >= n);
	CHECK_EQUAL(atomic_load(&maker.words[2]), atomic_load(&maker.words[1]));
	CHECK_EQUAL(atomic_load(&maker.words[3]), atomic_load(&maker.words[1]));
	for (int i = 0; i < 20; i++, n++)
		CHECK_EQUAL(read_number(output), n + 1);
	CHECK_CALL(kill(python, SIGKILL));
	test_expect_signal(python, SIGKILL);
	test_forget_process(python);
	return test_end();
}
