/* SPDX-License-Identifier: MIT */
/*
 * Gives a server a mount namespace of its own, with another boot id and changed copies of files
 * bound over the originals.  Called by the tests of files by digest and by content; the caller's
 * own files stay as they are.
 */
#define _GNU_SOURCE
#include "tests/support/foreign_node.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

const struct rfork_options foreign_node_options = { .size = sizeof(struct rfork_options),
						    .flags = RFORK_INSECURE_PLAINTEXT };

static struct foreign_change wanted;

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t count = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return count == (ssize_t)strlen(text) ? 0 : -1;
}

/* The same user inside, so that the key file stays the server's own. */
static int map_user(uid_t user, gid_t group)
{
	char text[64];

	snprintf(text, sizeof(text), "%u %u 1", user, user);
	if (write_text("/proc/self/uid_map", text) || write_text("/proc/self/setgroups", "deny"))
		return -1;
	snprintf(text, sizeof(text), "%u %u 1", group, group);
	return write_text("/proc/self/gid_map", text);
}

static int enter_namespace(void)
{
	uid_t user = geteuid();
	gid_t group = getegid();

	if (unshare(CLONE_NEWNS) && (unshare(CLONE_NEWUSER | CLONE_NEWNS) || map_user(user, group)))
		return -1;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* Sources of binds stay in the directory, hidden: were they unlinked, the mappings of what they
 * cover would be called deleted. */
static int bind_boot_id(const char *directory)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/.boot_id", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0)
		return -1;
	test_write(fd, FOREIGN_BOOT_ID "\n", strlen(FOREIGN_BOOT_ID) + 1);
	close(fd);
	return mount(path, FOREIGN_BOOT_ID_FILE, NULL, MS_BIND, NULL);
}

static int bind_change(const char *directory, const struct foreign_change *change)
{
	struct stat status;
	unsigned char *content;
	char path[128];
	int from, to;

	if (change->replacement)
		return mount(change->replacement, change->path, NULL, MS_BIND, NULL);
	from = CHECK_CALL(open(change->path, O_RDONLY | O_CLOEXEC));
	CHECK_CALL(fstat(from, &status));
	content = malloc((size_t)status.st_size);
	CHECK(content && change->offset < (uint64_t)status.st_size);
	CHECK_EQUAL(test_read(from, content, (size_t)status.st_size), status.st_size);
	close(from);
	content[change->offset] ^= 0x10;
	snprintf(path, sizeof(path), "%s/.changed", directory);
	to = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
	test_write(to, content, (size_t)status.st_size);
	close(to);
	free(content);
	return mount(path, change->path, NULL, MS_BIND, NULL);
}

/* The node's own directory stays what it is; what else there is in /tmp can only be read. */
static int fill_folders(const char *directory)
{
	static const char *const folders[] = { "/var/tmp", "/dev/shm" };
	struct statvfs status;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mount("none", folders[i], "tmpfs", 0, "size=64k"))
			return -1;
	/* flags that a user may not take away */
	if (statvfs("/tmp", &status) || mount(directory, directory, NULL, MS_BIND, NULL) ||
	    mount("/tmp", "/tmp", NULL, MS_BIND | MS_REC, NULL))
		return -1;
	return mount(NULL, "/tmp", NULL,
		     MS_REMOUNT | MS_BIND | MS_RDONLY |
			     (status.f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)),
		     NULL);
}

static void become_foreign(const struct node *node)
{
	if (enter_namespace() || bind_boot_id(node->directory) ||
	    (wanted.path && bind_change(node->directory, &wanted)) ||
	    (wanted.hidden && mount("none", wanted.hidden, "tmpfs", 0, NULL)) ||
	    (wanted.is_full && fill_folders(node->directory))) {
		dprintf(2, "a machine of its own for the server: %s\n", strerror(errno));
		_exit(127);
	}
}

/* Whether all that is needed is allowed here, tried in a process that ends with it. */
static void skip_without_namespaces(void)
{
	char directory[] = "/tmp/rfork-test-XXXXXX";
	pid_t pid;
	int status;

	CHECK(mkdtemp(directory));
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(enter_namespace() || bind_boot_id(directory) ? errno : 0);
	status = test_wait(pid);
	test_remove_directory(directory);
	if (status)
		test_skip("a mount namespace with another boot id is not allowed: %s",
			  strerror(status >> 8));
}

void foreign_node_start(struct node *node, struct foreign_change change)
{
	skip_without_namespaces();
	wanted = change;
	node_before_server = become_foreign;
	node_start(node, NULL);
	node_before_server = NULL;
}

void foreign_node_expect_here(void)
{
	char text[64];
	int fd = CHECK_CALL(open(FOREIGN_BOOT_ID_FILE, O_RDONLY | O_CLOEXEC));

	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	close(fd);
	CHECK_TEXT(text, FOREIGN_BOOT_ID "\n");
}
