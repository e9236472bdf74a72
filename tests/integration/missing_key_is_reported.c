/* SPDX-License-Identifier: MIT */
/*
 * Claim: without any key file the caller gets ENOKEY before a connection is made, and an
 * unreadable RFORK_KEY_FILE falls back to the default file.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

int main(void)
{
	char folder[80], file[160];
	struct node node;

	test_begin();
	node_start(&node, NULL);
	snprintf(folder, sizeof(folder), "%s", node.directory);
	CHECK_CALL(setenv("XDG_CONFIG_HOME", folder, 1));
	CHECK_CALL(setenv("RFORK_KEY_FILE", "/nonexistent/key", 1));
	footprint_expect_refusal(node.host, NULL, ENOKEY, "key");
	CHECK_CALL(unsetenv("RFORK_KEY_FILE"));
	snprintf(file, sizeof(file), "%s/rfork/key", folder);
	footprint_expect_refusal(node.host, NULL, ENOKEY, file);

	snprintf(file, sizeof(file), "%s/rfork", folder);
	CHECK_CALL(mkdir(file, 0700));
	strcat(file, "/key");
	node_write_key(file, node.key_text, 0600);
	node_expect_service(&node);
	CHECK_CALL(setenv("RFORK_KEY_FILE", "/nonexistent/key", 1));
	node_expect_service(&node);
	CHECK_CALL(unlink(file));
	*strrchr(file, '/') = '\0';
	CHECK_CALL(rmdir(file));
	node_stop(&node);
	return test_end();
}
