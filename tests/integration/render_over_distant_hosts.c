/* SPDX-License-Identifier: MIT */
/*
 * Claim: the renderer runs over several hosts beyond loopback if it is told to: its clones are on the node,
 * and the picture is the one that it makes alone, byte by byte.  Without being told it refuses each host
 * by name, and makes the picture itself.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/network.h"

#define PICTURE_BYTES (1u << 20)
#define EXIT_REPAIRED 3

static struct network network;
static unsigned char alone[PICTURE_BYTES], cloned[PICTURE_BYTES];

static size_t read_file(const char *name, void *bytes, size_t most)
{
	char path[128];
	size_t count;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", network.nodes[0].directory, name);
	fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	count = test_read(fd, bytes, most);
	close(fd);
	CHECK_CALL(unlink(path));
	CHECK(count && count < most);
	return count;
}

/* Runs the renderer; its picture and its output are files in the node's directory. */
static void render(const char *const *arguments, int status)
{
	const char *source = getenv("RFORK_SOURCE");
	const char *program = test_build_path("examples/render");
	const char *words[16] = { program, "-o", "picture.png" };
	char scene[512];
	unsigned count = 3;
	pid_t pid;

	CHECK(source);
	snprintf(scene, sizeof(scene), "%s/examples/scenes/small.scene", source);
	while (*arguments)
		words[count++] = strcmp(*arguments, "SCENE") ? *arguments : scene, arguments++;
	pid = CHECK_CALL(fork());
	if (!pid) {
		CHECK_CALL(chdir(network.nodes[0].directory));
		CHECK_CALL(dup2(open("output", O_WRONLY | O_CREAT | O_TRUNC, 0600), 1));
		CHECK_CALL(dup2(1, 2));
		execv(program, (char *const *)words);
		_exit(127);
	}
	test_expect_exit(pid, status);
}

static unsigned count_texts(const char *text, const char *part)
{
	unsigned count = 0;

	while ((text = strstr(text, part))) {
		count++;
		text += strlen(part);
	}
	return count;
}

int main(void)
{
	const char *by_itself[] = { "SCENE", NULL };
	const char *told[] = { "-i", "SCENE", network.hosts[0], network.hosts[1], NULL };
	const char *untold[] = { "SCENE", network.hosts[0], network.hosts[1], NULL };
	char text[4096] = "";
	size_t bytes;

	test_begin();
	if (access(test_build_path("examples/render"), X_OK))
		test_skip("examples/render is not built: libpng is missing");
	network_start(&network, 2, NULL);
	render(by_itself, 0);
	bytes = read_file("picture.png", alone, sizeof(alone));
	read_file("output", text, sizeof(text));

	render(told, 0);
	CHECK_EQUAL(read_file("picture.png", cloned, sizeof(cloned)), bytes);
	CHECK(!memcmp(alone, cloned, bytes));
	memset(text, 0, sizeof(text));
	read_file("output", text, sizeof(text));
	CHECK_EQUAL(count_texts(text, "exit 0\n"), 2);

	render(untold, EXIT_REPAIRED);
	CHECK_EQUAL(read_file("picture.png", cloned, sizeof(cloned)), bytes);
	CHECK(!memcmp(alone, cloned, bytes));
	memset(text, 0, sizeof(text));
	read_file("output", text, sizeof(text));
	CHECK_EQUAL(count_texts(text, "RFORK_INSECURE_PLAINTEXT"), 2);
	CHECK_EQUAL(count_texts(text, "refused\n"), 2);
	network_stop(&network);
	return test_end();
}
