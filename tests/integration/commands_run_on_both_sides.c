/* SPDX-License-Identifier: MIT */
/*
 * Claim: vfork(), posix_spawn(), system() and popen() in both directions work in the child, and in
 * the caller while it has a child: each command's status and output are its own.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

extern char **environ;

/* The child is to leave its parent's memory as it was but for what it may do: _exit or exec. */
static void use_vfork(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", "exit 3", NULL);
		_exit(127);
	}
	CHECK(pid > 0);
	test_expect_exit(pid, 3);
}

static void use_spawn(void)
{
	char *arguments[] = { "sh", "-c", "exit 4", NULL };
	pid_t pid;

	CHECK_EQUAL(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ), 0);
	test_expect_exit(pid, 4);
}

static void use_system(void)
{
	int status = system("exit 5");

	CHECK(WIFEXITED(status));
	CHECK_EQUAL(WEXITSTATUS(status), 5);
	status = system("kill -9 $$");
	CHECK(WIFSIGNALED(status));
	CHECK_EQUAL(WTERMSIG(status), SIGKILL);
}

static void use_popen(void)
{
	char line[64];
	FILE *pipe = popen("echo $$; exit 6", "r");
	int status;

	CHECK(pipe);
	CHECK(fgets(line, sizeof(line), pipe));
	CHECK(atoi(line) > 0 && atoi(line) != getpid());
	status = pclose(pipe);
	CHECK(WIFEXITED(status));
	CHECK_EQUAL(WEXITSTATUS(status), 6);
	pipe = popen("read number; exit $number", "w");
	CHECK(pipe);
	CHECK(fprintf(pipe, "7\n") > 0);
	status = pclose(pipe);
	CHECK(WIFEXITED(status));
	CHECK_EQUAL(WEXITSTATUS(status), 7);
}

static void use_all(void)
{
	use_vfork();
	use_spawn();
	use_system();
	use_popen();
}

/* What a command writes to an inherited descriptor goes the child's way, and in the child's order. */
static _Noreturn void be_the_child(int output, int go_on)
{
	use_all();
	stream_write_text(output, "before ");
	CHECK_EQUAL(system("printf 'the command ' >&4"), 0);
	stream_write_text(output, "after");
	stream_expect_end(go_on);
	use_all();
	_exit(42);
}

int main(void)
{
	int up[2], down[2], reader;
	struct node node;
	pid_t ghost;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(up));
	CHECK_EQUAL(up[1], 4); /* as the command has it */
	CHECK_CALL(pipe(down));
	reader = up[0];
	use_all();
	ghost = node_move_returns_twice(&node, 0);
	if (!ghost) {
		close(down[1]);
		be_the_child(up[1], down[0]);
	}
	close(up[1]);
	use_all();
	stream_expect_text(reader, "before the command after");
	close(down[1]);
	use_all();
	test_expect_exit(ghost, 42);
	stream_expect_end(reader);
	node_stop(&node);
	return test_end();
}
