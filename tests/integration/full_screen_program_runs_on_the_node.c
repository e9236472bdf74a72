/* SPDX-License-Identifier: MIT */
/*
 * Claim: a full-screen program runs on the node with the user's terminal at home, as
 * examples/06-screen shows it: keys at once, the size of the window, ^Z and the shell's fg, and
 * at its end all is as it was.  First a program of our own, then less and vim, where they are
 * installed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/screen.h"
#include "tests/support/terminal.h"

#define OWN_ARGUMENT "--screen"

static struct node node;
static struct terminal terminal;
static const char *command[6]; /* what is to run on the node */

/* -- the leader: a shell with one job ---------------------------------------------------------- */

static _Noreturn void execute(void)
{
	const char *arguments[9] = { test_build_path("examples/06-screen"), node.host };

	for (size_t i = 0; i < sizeof(command) / sizeof(command[0]); i++)
		arguments[2 + i] = command[i];
	setpgid(0, 0);
	setenv("TERM", "xterm", 1);
	setenv("LESS", "", 1);
	execv(arguments[0], (char *const *)arguments);
	_exit(126);
}

/* Into the foreground, and until it stops or ends. */
static int run(pid_t job)
{
	int status;

	tcsetpgrp(0, job);
	kill(-job, SIGCONT);
	CHECK_CALL(waitpid(job, &status, WUNTRACED));
	tcsetpgrp(0, getpgrp());
	return status;
}

static void lead(void)
{
	struct termios before = terminal_mode(0), after;
	pid_t job;
	int status;
	char line[8];

	signal(SIGTTOU, SIG_IGN);
	job = CHECK_CALL(fork());
	if (!job)
		execute();
	setpgid(job, job);
	while (WIFSTOPPED(status = run(job))) {
		after = terminal_mode(0);
		CHECK(terminal_modes_are_equal(&before, &after));
		dprintf(1, "stopped by %d; fg?\n", WSTOPSIG(status));
		CHECK_CALL(read(0, line, sizeof(line)));
	}
	after = terminal_mode(0);
	CHECK(terminal_modes_are_equal(&before, &after));
	dprintf(1, "ended with %#x\n", status);
}

/* -- the user ---------------------------------------------------------------------------------- */

static pid_t start(void)
{
	terminal_open(&terminal);
	return terminal_start(&terminal, lead);
}

static void finish(pid_t leader, const char *end)
{
	terminal_expect(&terminal, end);
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
}

static void use_own_program(const char *self)
{
	pid_t leader;

	command[0] = self;
	command[1] = OWN_ARGUMENT;
	leader = start();
	terminal_expect(&terminal, "24x80 <00>");
	terminal_type(&terminal, "x");
	terminal_expect(&terminal, "24x80 <78>");
	terminal_type(&terminal, KEY_INTERRUPT);
	terminal_expect(&terminal, "<03>");
	terminal_set_size(&terminal, 30, 90);
	terminal_expect(&terminal, "30x90");
	terminal_type(&terminal, KEY_STOP);
	terminal_expect(&terminal, "stopped by 20; fg?");
	terminal_set_size(&terminal, 31, 91);
	terminal_type(&terminal, "fg\n");
	terminal_expect(&terminal, "31x91 <1a>");
	terminal_type(&terminal, "y");
	terminal_expect(&terminal, "31x91 <79>");
	terminal_type(&terminal, "q");
	finish(leader, "ended with 0x700");
}

static bool has(const char *program)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/usr/bin/%s", program);
	return access(path, X_OK) == 0;
}

static void use_pager(const char *path)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	pid_t leader;

	for (int i = 1; i <= 200; i++)
		dprintf(fd, "line %d\n", i);
	close(fd);
	command[0] = "less";
	command[1] = path;
	leader = start();
	terminal_expect(&terminal, "line 23");
	terminal_type(&terminal, " ");
	terminal_expect(&terminal, "line 46");
	terminal_type(&terminal, "/150\n");
	terminal_expect(&terminal, "line 172");
	terminal_type(&terminal, "q");
	finish(leader, "ended with 0");
}

static void use_editor(const char *path)
{
	char text[64] = "";
	pid_t leader;
	int fd;

	unlink(path);
	command[0] = "vim";
	command[1] = "-Nu";
	command[2] = "NONE";
	command[3] = "-i"; /* it would write to the home directory */
	command[4] = "NONE";
	command[5] = path;
	leader = start();
	terminal_expect(&terminal, "~");
	terminal_type(&terminal, "ia word");
	terminal_expect(&terminal, "a word");
	terminal_type(&terminal, "\033");
	terminal_type(&terminal, KEY_STOP);
	terminal_expect(&terminal, "fg?");
	terminal_type(&terminal, "fg\n");
	terminal_expect(&terminal, "a word");
	terminal_type(&terminal, ":wq\r");
	finish(leader, "ended with 0");
	fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	CHECK_CALL(read(fd, text, sizeof(text) - 1));
	close(fd);
	CHECK_TEXT(text, "a word\n");
}

int main(int argc, char **argv)
{
	static char self[PATH_MAX];
	char path[128];

	if (argc == 2 && strcmp(argv[1], OWN_ARGUMENT) == 0)
		return screen_run();
	test_begin();
	CHECK_CALL(readlink("/proc/self/exe", self, sizeof(self) - 1));
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/text", node.directory);
	use_own_program(self);
	if (has("less"))
		use_pager(path);
	if (has("vim"))
		use_editor(path);
	unlink(path);
	node_stop(&node);
	return test_end();
}
