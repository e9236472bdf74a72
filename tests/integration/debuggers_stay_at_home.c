/* SPDX-License-Identifier: MIT */
/*
 * Claim: a debugger that traces a process does not hinder a call; it goes on to trace the caller,
 * and of a process that moves the ghost, and nobody traces the process on the node.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/mover.h"

static struct node node;
static int go[2]; /* a byte once it is traced */

static long tracer(const char *process)
{
	static char text[8192];
	const char *line;
	int fd = CHECK_CALL(open(process, O_RDONLY | O_CLOEXEC));

	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	close(fd);
	line = strstr(text, "\nTracerPid:");
	CHECK(line);
	return strtol(line + sizeof("\nTracerPid:") - 1, NULL, 10);
}

static void await_tracer(void)
{
	char byte;

	close(go[1]);
	CHECK_EQUAL(test_read(go[0], &byte, 1), 1);
	close(go[0]);
	CHECK_EQUAL(tracer("/proc/self/status"), getppid());
}

static int call(void)
{
	pid_t pid;

	await_tracer();
	pid = node_move_returns_twice(&node, 0);
	if (pid == 0)
		_exit(tracer("/proc/self/status") == 0 ? 0 : 1);
	test_expect_exit(pid, 0);
	CHECK_EQUAL(tracer("/proc/self/status"), getppid());
	return 0;
}

static int move(void)
{
	await_tracer();
	mover_go(&node);
	CHECK_EQUAL(tracer("/proc/self/status"), 0);
	return 0;
}

/* Traces a process to its end, and lets it go on wherever it stops. */
static void trace(int (*body)(void))
{
	pid_t pid;
	int status;

	CHECK_CALL(pipe2(go, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(body());
	close(go[0]);
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		test_skip("PTRACE_SEIZE: %s", strerror(errno));
	test_write(go[1], "", 1);
	close(go[1]);
	while (CHECK_CALL(waitpid(pid, &status, __WALL)) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, 0,
		       status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status));
	CHECK_EQUAL(status, 0);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	trace(call);
	trace(move);
	node_stop(&node);
	return test_end();
}
