/* SPDX-License-Identifier: MIT */
/*
 * Claim: undump FILE --to HOST restarts a statefile on a node as often as one likes: with the
 * memory of the checkpoint, a file open where it was, and standard files of the process that has
 * sent it; that process ends as the restarted one does, and takes it along when it is killed.  What
 * cannot be sent is told and leaves nothing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/node.h"

#define BYTES (700 * TEST_PAGE_BYTES)
#define ZEROED (3 * TEST_PAGE_BYTES)
#define AT 5
#define STATUS 7
#define TIMES 5

static struct node node;
static unsigned char *memory, *mapped;
static int file;
static char file_path[128];

struct sender {
	pid_t pid;
	int input, output; /* our ends of its standard files */
	int errors;
};

static void make_state(void)
{
	static unsigned char content[8 * TEST_PAGE_BYTES];

	snprintf(file_path, sizeof(file_path), "%s", checkpoint_path("file"));
	test_fill(content, sizeof(content), 2);
	file = CHECK_CALL(open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	test_write(file, content, sizeof(content));
	CHECK_CALL(lseek(file, AT, SEEK_SET));
	mapped = mmap(NULL, sizeof(content), PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mapped != MAP_FAILED && memory != MAP_FAILED);
	test_fill(memory, BYTES, 1);
	memset(mapped + ZEROED, 0, TEST_PAGE_BYTES);
	mapped[1] ^= 1;
}

static void check_state(void)
{
	static unsigned char expected[BYTES];

	test_fill(expected, BYTES, 1);
	CHECK(!memcmp(memory, expected, BYTES));
	test_fill(expected, 8 * TEST_PAGE_BYTES, 2);
	expected[1] ^= 1;
	memset(expected + ZEROED, 0, TEST_PAGE_BYTES);
	CHECK(!memcmp(mapped, expected, 8 * TEST_PAGE_BYTES));
	CHECK_EQUAL(lseek(file, 0, SEEK_CUR), AT);
}

/* In the restarted process: answers a line, then waits for the end of its input. */
_Noreturn static void go_on(void)
{
	char line[32] = "";
	size_t used = 0;

	check_state();
	while (!strchr(line, '\n') && used < sizeof(line) - 1)
		used += (size_t)CHECK_CALL(read(STDIN_FILENO, line + used, 1));
	dprintf(STDOUT_FILENO, "it said %s", line);
	while (CHECK_CALL(read(STDIN_FILENO, line, sizeof(line))) > 0)
		;
	_exit(STATUS);
}

static struct sender start(const char *path, const char *host)
{
	int input[2], output[2], errors[2];
	struct sender sender;

	CHECK_CALL(pipe2(input, O_CLOEXEC));
	CHECK_CALL(pipe2(output, O_CLOEXEC));
	CHECK_CALL(pipe2(errors, O_CLOEXEC));
	sender = (struct sender){ CHECK_CALL(fork()), input[1], output[0], errors[0] };
	if (sender.pid == 0) {
		dup2(input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		dup2(errors[1], STDERR_FILENO);
		execl(test_build_path("tools/undump"), "undump", path, "--to", host, NULL);
		_exit(127);
	}
	test_guard_process(sender.pid);
	close(input[0]);
	close(output[1]);
	close(errors[1]);
	return sender;
}

static void finish(struct sender *sender)
{
	close(sender->input);
	close(sender->output);
	close(sender->errors);
}

static void talk(struct sender *sender, const char *text)
{
	char line[64] = "", expected[64];

	snprintf(expected, sizeof(expected), "it said %s\n", text);
	dprintf(sender->input, "%s\n", text);
	test_read(sender->output, line, strlen(expected));
	CHECK_TEXT(line, expected);
}

static void restart_at_once(const char *path)
{
	struct sender senders[TIMES];
	char name[16];

	for (unsigned i = 0; i < TIMES; i++)
		senders[i] = start(path, node.host);
	for (unsigned i = 0; i < TIMES; i++) {
		snprintf(name, sizeof(name), "number %u", i);
		talk(&senders[i], name);
	}
	for (unsigned i = 0; i < TIMES; i++) {
		finish(&senders[i]);
		test_expect_exit(senders[i].pid, STATUS);
	}
}

static void kill_the_sender(const char *path)
{
	struct node_load load = node_settle(&node);
	struct sender sender = start(path, node.host);

	talk(&sender, "last words");
	CHECK_CALL(kill(sender.pid, SIGKILL));
	test_expect_signal(sender.pid, SIGKILL);
	finish(&sender);
	node_expect_load(&node, load);
}

static void expect_refusal(const char *path, const char *host, const char *names)
{
	struct sender sender = start(path, host);
	char text[600] = "";

	test_read(sender.errors, text, sizeof(text) - 1);
	test_expect_exit(sender.pid, 1);
	finish(&sender);
	if (strncmp(text, "undump: ", 8) != 0 || !strstr(text, names))
		test_fail(__FILE__, __LINE__, "\"%s\" does not name %s", text, names);
}

/* A byte of a page is another: the node is not to run it. */
static void spoil(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	static unsigned char page[TEST_PAGE_BYTES], expected[TEST_PAGE_BYTES];

	test_fill(expected, sizeof(expected), 1);
	for (off_t at = 0;; at += TEST_PAGE_BYTES) {
		CHECK_EQUAL(pread(fd, page, sizeof(page), at), sizeof(page));
		if (memcmp(page, expected, sizeof(page)) == 0) {
			page[77] ^= 1;
			CHECK_EQUAL(pwrite(fd, page, sizeof(page), at), sizeof(page));
			break;
		}
	}
	close(fd);
}

int main(void)
{
	static const char *const names[] = { "file", "state" };
	const char *path;
	rfork_crid_t crid;

	test_begin();
	node_start(&node, NULL);
	make_state();
	crid = checkpoint_hold(0);
	if (crid == 0)
		go_on();
	path = checkpoint_path("state");
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	test_fill(memory, BYTES, 9);
	restart_at_once(path);
	kill_the_sender(path);
	expect_refusal(path, "127.0.0.1:1", "Connection refused");
	spoil(path);
	expect_refusal(path, node.host, "digest");
	CHECK_CALL(truncate(path, 3 * TEST_PAGE_BYTES));
	expect_refusal(path, node.host, "state");
	node_expect_service(&node);
	node_stop(&node);
	close(file);
	checkpoint_clean(names, 2);
	return test_end();
}
