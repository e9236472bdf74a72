/* SPDX-License-Identifier: MIT */
/*
 * Claim: an inotify(7) arrives with its watches under their numbers, of the working directory, a
 * file in it, and what lies below; it tells what happens there from then on.  What has not been
 * read stays at home with a fork, and refuses a move; what an ordinary user's process watches where
 * it has nothing open is refused by its inode, and travels with privilege, if the file system has
 * handles.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/ways.h"

#define LINES_BYTES 8192
#define MASK (IN_CREATE | IN_DELETE | IN_MODIFY)

static char folder[128], before[LINES_BYTES], after[LINES_BYTES];
static int notify, of_folder, of_file, of_deep;

/* What the kernel says that it watches. */
static void list(char *text)
{
	char path[64];
	size_t used;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", notify);
	fd = CHECK_CALL(open(path, O_RDONLY));
	used = test_read(fd, text, LINES_BYTES - 1);
	text[used] = '\0';
	close(fd);
	memmove(text, strstr(text, "inotify"), strlen(strstr(text, "inotify")) + 1);
}

static void touch(const char *name)
{
	CHECK_CALL(close(CHECK_CALL(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600))));
}

static void build(void)
{
	int gone;

	CHECK_CALL(chdir(folder));
	notify = CHECK_CALL(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	of_folder = CHECK_CALL(inotify_add_watch(notify, ".", MASK));
	gone = CHECK_CALL(inotify_add_watch(notify, "a", MASK));
	of_file = CHECK_CALL(inotify_add_watch(notify, "file", IN_MODIFY | IN_ONESHOT));
	of_deep = CHECK_CALL(inotify_add_watch(notify, "a/b", MASK | IN_EXCL_UNLINK));
	CHECK_CALL(inotify_rm_watch(notify, gone));
	/* the removed one has said so */
	CHECK(read(notify, before, sizeof(before)) > 0);
	list(before);
}

static void expect(int watch, uint32_t mask, const char *name)
{
	char buffer[4096] __attribute__((aligned(8)));
	const struct inotify_event *event = (const struct inotify_event *)buffer;

	CHECK(read(notify, buffer, sizeof(buffer)) > 0);
	CHECK_EQUAL(event->wd, watch);
	CHECK_EQUAL(event->mask, mask);
	CHECK_TEXT(event->len ? event->name : "", name);
}

static void expect_nothing(void)
{
	char buffer[4096];

	CHECK_EQUAL(read(notify, buffer, sizeof(buffer)), -1);
	CHECK_EQUAL(errno, EAGAIN);
}

static void verify(enum way way)
{
	int fd;

	(void)way;
	CHECK_EQUAL(CHECK_CALL(fcntl(notify, F_GETFL)) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQUAL(CHECK_CALL(fcntl(notify, F_GETFD)), FD_CLOEXEC);
	list(after);
	CHECK_TEXT(after, before);
	expect_nothing();
	touch("new");
	expect(of_folder, IN_CREATE, "new");
	CHECK_CALL(unlink("new"));
	expect(of_folder, IN_DELETE, "new");
	touch("a/b/new");
	expect(of_deep, IN_CREATE, "new");
	CHECK_CALL(unlink("a/b/new"));
	expect(of_deep, IN_DELETE, "new");
	CHECK_CALL(inotify_rm_watch(notify, of_folder));
	expect(of_folder, IN_IGNORED, "");
	fd = CHECK_CALL(open("file", O_WRONLY));
	CHECK_EQUAL(write(fd, "x", 1), 1);
	close(fd);
	expect(of_file, IN_MODIFY, "");
}

/* -- what has not been read -------------------------------------------------------------------- */

static void check_unread(const struct node *node)
{
	struct rfork_options options = { .size = sizeof(options), .key_file = node->key_file };
	pid_t pid;

	build();
	touch("unread");
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		expect_nothing();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	pid = CHECK_CALL(fork());
	if (!pid) {
		CHECK_EQUAL(rfork_move_with(node->host, &options), -1);
		CHECK_EQUAL(errno, ENOTSUP);
		CHECK(strstr(rfork_error(), "events that have not been read"));
		_exit(0);
	}
	test_expect_exit(pid, 0);
	expect(of_folder, IN_CREATE, "unread");
	CHECK_CALL(unlink("unread"));
	CHECK_CALL(close(notify));
}

/* -- where the process has nothing ------------------------------------------------------------- */

#define ELSEWHERE "/usr/share/doc"

static bool has_handle(const char *path)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} found = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount;

	return name_to_handle_at(AT_FDCWD, path, &found.handle, &mount, 0) == 0;
}

static void check_elsewhere(const struct node *node)
{
	char name[96];
	pid_t pid;
	int watch;

	CHECK_CALL(chdir("/"));
	notify = CHECK_CALL(inotify_init1(IN_NONBLOCK));
	watch = CHECK_CALL(inotify_add_watch(notify, ELSEWHERE, MASK));
	snprintf(name, sizeof(name), "descriptor %d (anon_inode:inotify): watch %d is of inode",
		 notify, watch);
	if (geteuid() != 0 || !has_handle(ELSEWHERE)) {
		footprint_expect_refusal(node->host, NULL, ENOTSUP, name);
	} else {
		list(before);
		pid = node_move_returns_twice(node, 0);
		if (!pid) {
			list(after);
			CHECK_TEXT(after, before);
			_exit(0);
		}
		test_expect_exit(pid, 0);
	}
	CHECK_CALL(close(notify));
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	snprintf(folder, sizeof(folder), "/tmp/rfork-test-XXXXXX");
	CHECK(mkdtemp(folder));
	CHECK_CALL(chdir(folder));
	CHECK_CALL(mkdir("a", 0700));
	CHECK_CALL(mkdir("a/b", 0700));
	touch("file");
	ways_check(&node, build, verify);
	check_unread(&node);
	check_elsewhere(&node);
	CHECK_CALL(chdir(folder));
	CHECK_CALL(rmdir("a/b"));
	CHECK_CALL(rmdir("a"));
	CHECK_CALL(unlink("file"));
	CHECK_CALL(rmdir(folder));
	node_stop(&node);
	return test_end();
}
