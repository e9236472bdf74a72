/* SPDX-License-Identifier: MIT */
/*
 * Claim: rfork-server does not start with a key that others can read, nor beyond loopback without
 * the explicit flag, nor, as root beyond loopback, without a target user; it says why.
 */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/node.h"

#define EXIT_USAGE 2 /* the command line asks for what is not allowed */

static struct node node; /* only its directory and its key are used here */

/* code 0: any failure. */
static void expect_exit(const char *const *arguments, int code, const char *names)
{
	char text[4096];
	int got = node_run_server(arguments, text, sizeof(text));

	CHECK(got != 0 && (!code || got == code));
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
	expect_exit(distant, EXIT_USAGE, "--insecure-plaintext");
	if (!getuid())
		expect_exit(root, EXIT_USAGE, "--user");
	CHECK_CALL(chmod(node.key_file, 0644));
	expect_exit(local, 0, node.key_file);
	CHECK_CALL(chmod(node.key_file, 0600));
	node_write_key(node.key_file, "not a key", 0600);
	expect_exit(local, 0, node.key_file);
	node_stop(&node);
	return test_end();
}
