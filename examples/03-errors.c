/* SPDX-License-Identifier: MIT */
/*
 * Run: 03-errors HOST [KEY-FILE]
 *
 * Lesson 3: until the child runs, every failure comes back as -1 and errno, and
 * rfork_error() names the object at fault.  Options: time limit, flags, key file.
 */
#define _GNU_SOURCE
#include <rfork.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int try(const char *what, const char *host, const struct rfork_options *options)
{
	int status;
	pid_t pid = rfork_with(host, options);

	if (pid == 0)
		_exit(0);
	if (pid == -1) {
		const char *hint = "";

		if (errno == ENOKEY || errno == EKEYREJECTED)
			hint = " (copy the server's key file, mode 0600)";
		else if (errno == ECONNREFUSED)
			hint = " (is rfork-server running there?)";
		printf("%-18s %s: %s%s\n", what, strerrorname_np(errno), rfork_error(), hint);
		return -1;
	}
	if (waitpid(pid, &status, 0) == -1)
		status = -1;
	printf("%-18s the child ended with status %d\n", what, status);
	return status;
}

int main(int argc, char **argv)
{
	struct rfork_options options = { .size = sizeof(options), .timeout_ms = 5000 };
	struct rfork_options unknown = { .size = sizeof(unknown), .flags = 1ull << 63 };

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: %s HOST [KEY-FILE]\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IONBF, 0); /* nothing buffered that the child would have too */
	options.key_file = argc == 3 ? argv[2] : NULL;

	try("no host:", "", &options);
	try("nobody listens:", "127.0.0.1:1", &options);
	try("unknown flag:", argv[1], &unknown);
	return try("as it should be:", argv[1], &options) == 0 ? 0 : 1;
}
