/* SPDX-License-Identifier: MIT */
/*
 * Claim: another key, a key that others can read, and a malformed key file are EKEYREJECTED; no
 * key is ENOKEY; each sentence names the file or the node, and never holds the key.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

static struct node node;
static char path[96];

static void refuse(int error, const char *names)
{
	struct rfork_options options = { .size = sizeof(options), .key_file = path };

	footprint_expect_refusal(node.host, &options, error, names);
	CHECK(!strstr(rfork_error(), node.key_text));
}

int main(void)
{
	struct node_load load;
	unsigned char key[32];
	char text[100];

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	snprintf(path, sizeof(path), "%s/other", node.directory);
	node_random_key(text, key);
	node_write_key(path, text, 0600);
	refuse(EKEYREJECTED, NULL);
	node_write_key(path, node.key_text, 0644);
	refuse(EKEYREJECTED, path);
	node_write_key(path, node.key_text, 0620);
	refuse(EKEYREJECTED, path);
	node_write_key(path, "0123456789abcdef", 0600);
	refuse(EKEYREJECTED, path);
	memset(text, 'g', 64);
	node_write_key(path, text, 0600);
	refuse(EKEYREJECTED, path);
	node_write_key(path, "", 0600);
	refuse(EKEYREJECTED, path);
	CHECK_CALL(unlink(path));
	refuse(ENOKEY, path);
	CHECK_CALL(mkdir(path, 0700));
	refuse(EKEYREJECTED, path);
	CHECK_CALL(rmdir(path));
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
