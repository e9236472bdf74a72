/* SPDX-License-Identifier: MIT */
/*
 * Claim: rfork-server does not start with a key that others can read, nor beyond loopback without
 * the explicit flag, nor, as root beyond loopback, without a target user; it says why.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"

static struct node node; /* only its directory and its key are used here */

static void expect_exit(const char *const *arguments, const char *names)
{
	const char *path = test_build_path("server/rfork-server");
	char text[4096];
	int ends[2], status;
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = CHECK_CALL(fork());
	if (!pid) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execv(path, (char *const *)arguments);
		_exit(127);
	}
	close(ends[1]);
	test_guard_process(pid);
	text[test_read(ends[0], text, sizeof(text) - 1)] = '\0';
	close(ends[0]);
	status = test_wait(pid);
	test_forget_process(pid);
	dprintf(2, "exit %#x: %s", status, text);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 127);
	CHECK(strstr(text, names));
}

int main(void)
{
	const char *distant[] = { "rfork-server", "--key-file", node.key_file,
				  "--listen",	  "0.0.0.0:0",	NULL };
	const char *root[] = { "rfork-server", "--key-file",	       node.key_file, "--listen",
			       "0.0.0.0:0",    "--insecure-plaintext", NULL };
	const char *local[] = { "rfork-server", "--key-file",  node.key_file,
				"--listen",	"127.0.0.1:0", NULL };

	test_begin();
	node_start(&node, NULL);
	expect_exit(distant, "--insecure-plaintext");
	if (!getuid())
		expect_exit(root, "--user");
	CHECK_CALL(chmod(node.key_file, 0644));
	expect_exit(local, node.key_file);
	CHECK_CALL(chmod(node.key_file, 0600));
	node_write_key(node.key_file, "not a key", 0600);
	expect_exit(local, node.key_file);
	node_stop(&node);
	return test_end();
}
