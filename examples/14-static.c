/* SPDX-License-Identifier: MIT */
/*
 * Run: 14-static HOST
 *
 * Lesson 14: a program that is one file.  Linked statically with librfork.a, it needs no library on
 * either side:
 *
 *     cc -static -o 14-static 14-static.c $(pkg-config --static --cflags --libs rfork)
 *
 * The child is as small as the program, and goes to a node of any distribution.
 */
#include <rfork.h>

#include <err.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Lines of /proc/self/maps that name a shared library. */
static unsigned count_libraries(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned count = 0;
	char line[512];

	if (!maps)
		err(1, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps)) {
		const char *found = line;

		for (; *found && !(found[0] == '.' && found[1] == 's' && found[2] == 'o'); found++)
			;
		count += *found != '\0';
	}
	fclose(maps);
	return count;
}

int main(int argc, char **argv)
{
	struct rfork_identity self = { .size = sizeof(self) };
	int status;
	pid_t pid;

	if (argc != 2) {
		fprintf(stderr, "usage: %s HOST\n", argv[0]);
		return 2;
	}
	pid = rfork(argv[1]);
	if (pid < 0)
		errx(1, "%s", rfork_error());
	if (pid == 0) {
		if (rfork_self(&self) < 0)
			errx(1, "%s", rfork_error());
		printf("process %d of %s, from process %d of %s, has %u shared libraries\n",
		       (int)self.node.pid, self.node.host, (int)self.home.pid, self.home.host,
		       count_libraries());
		return 0;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		errx(1, "the child did not end by itself");
	return WEXITSTATUS(status);
}
