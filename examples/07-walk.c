/* SPDX-License-Identifier: MIT */
/*
 * Run: 07-walk HOST...
 *
 * Lesson 7: rfork_move() takes the process itself along.  It walks from host to host and counts the
 * steps in its own memory; the pid that the shell has started stays here, and its exit status is the number
 * of steps.  What it looks at on each host goes into a pipe of its own, which walks along.
 */
#include <rfork.h>

#include <stdio.h>
#include <unistd.h>

static int step;

static void look_round(int diary)
{
	char host[65] = "";

	step++;
	gethostname(host, sizeof(host) - 1);
	dprintf(diary, "step %d: process %d on %s\n", step, (int)getpid(), host);
}

static void read_diary(int diary)
{
	char text[4096];
	ssize_t bytes;

	while ((bytes = read(diary, text, sizeof(text))) > 0)
		if (write(STDOUT_FILENO, text, (size_t)bytes) != bytes)
			return;
}

int main(int argc, char **argv)
{
	int diary[2];

	if (argc < 2) {
		fprintf(stderr, "usage: %s HOST...\n", argv[0]);
		return 2;
	}
	if (pipe(diary) == -1) {
		perror("pipe");
		return 1;
	}
	dprintf(STDOUT_FILENO, "at home: process %d\n", (int)getpid());
	for (int i = 1; i < argc; i++) {
		if (rfork_move(argv[i]) == -1) {
			/* we are still where we were, and have lost nothing */
			fprintf(stderr, "%s: %s\n", argv[i], rfork_error());
			break;
		}
		look_round(diary[1]);
	}
	close(diary[1]);
	read_diary(diary[0]);
	return step;
}
