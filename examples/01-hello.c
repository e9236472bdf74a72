/* SPDX-License-Identifier: MIT */
/*
 * Run: 01-hello HOST
 *
 * Lesson 1: rfork() is fork().  The child says on which machine it woke up; its standard
 * output is the caller's, and waitpid() gives its exit status.
 */
#include <rfork.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char name[65] = "";
	int status;
	pid_t pid;

	if (argc != 2) {
		fprintf(stderr, "usage: %s HOST\n", argv[0]);
		return 2;
	}
	gethostname(name, sizeof(name) - 1);
	dprintf(STDOUT_FILENO, "parent: process %d on %s\n", (int)getpid(), name);

	pid = rfork(argv[1]);
	if (pid == -1) {
		fprintf(stderr, "%s: %s\n", argv[1], rfork_error());
		return 1;
	}
	if (pid == 0) {
		gethostname(name, sizeof(name) - 1);
		dprintf(STDOUT_FILENO, "child:  process %d on %s\n", (int)getpid(), name);
		_exit(42);
	}

	if (waitpid(pid, &status, 0) == -1) {
		perror("waitpid");
		return 1;
	}
	if (!WIFEXITED(status)) {
		printf("parent: the child died of signal %d\n", WTERMSIG(status));
		return 1;
	}
	printf("parent: the child, here process %d, ended with %d\n", (int)pid,
	       WEXITSTATUS(status));
	return WEXITSTATUS(status) == 42 ? 0 : 1;
}
