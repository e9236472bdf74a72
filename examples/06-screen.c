/* SPDX-License-Identifier: MIT */
/*
 * Run: 06-screen HOST [COMMAND [ARGUMENT...]]
 *
 * Lesson 6: a terminal stays a terminal.  The child executes a full-screen program of the other
 * machine (top, if none is named; try vi, less or bash); its keyboard and screen are here.
 * ^Z stops it, and the shell's fg continues it.
 */
#include <rfork.h>

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits as a shell's job does: when the child stops, so do we, by the same signal. */
static int wait_for(pid_t child)
{
	int status;

	for (;;) {
		if (waitpid(child, &status, WUNTRACED) == -1)
			err(1, "waitpid");
		if (!WIFSTOPPED(status))
			return status;
		signal(SIGTSTP, SIG_DFL);
		raise(WSTOPSIG(status));
		signal(SIGTSTP, SIG_IGN);
		/* continued; whoever did that need not have meant the child as well */
		kill(child, SIGCONT);
	}
}

int main(int argc, char **argv)
{
	static char *top[] = { (char *)"top", NULL };
	char **command = argc > 2 ? argv + 2 : top;
	int status;
	pid_t child;

	if (argc < 2)
		errx(2, "usage: %s HOST [COMMAND [ARGUMENT...]]", argv[0]);
	child = rfork(argv[1]);
	if (child == -1)
		errx(1, "%s: %s", argv[1], rfork_error());
	if (child == 0) {
		execvp(command[0], command);
		err(127, "%s", command[0]);
	}
	/* the keys ^C, ^\ and ^Z are for the child, or for a job of a shell that it is */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	status = wait_for(child);
	if (WIFSIGNALED(status))
		errx(1, "%s: %s", command[0], strsignal(WTERMSIG(status)));
	return WEXITSTATUS(status);
}
