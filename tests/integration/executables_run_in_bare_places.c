/* SPDX-License-Identifier: MIT */
/*
 * Claim: an executable starts where there is no /proc, from a read-only file system, with
 * addresses that are not random, where the program's own addresses are taken, under a parent that
 * ignores signals, and without any of the standard streams.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/restart.h"

#define EXIT_CANNOT 77

static int body(void)
{
	unsigned char *memory = malloc(1 << 20);
	uint64_t digest;

	CHECK(memory);
	test_fill(memory, 1 << 20, 5);
	digest = test_digest(memory, 1 << 20);
	CHECK_CALL(chdir("/"));
	restart_point();
	return test_digest(memory, 1 << 20) == digest && malloc(1 << 22) ? RESTART_RIGHT : 1;
}

static bool enter_namespace(void)
{
	int flags = CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER);

	return unshare(flags) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* An empty folder takes its place, which a user namespace may do, too. */
static bool hide_proc(const char *path)
{
	(void)path;
	return mount("none", "/proc", "tmpfs", MS_RDONLY, NULL) == 0 &&
	       access("/proc/self", F_OK) < 0;
}

static bool mount_read_only(const char *path)
{
	char folder[256];
	int fd;

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	if (mount(folder, folder, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return false;
	fd = open(path, O_WRONLY);
	return fd < 0 && errno == EROFS;
}

static bool fix_addresses(const char *path)
{
	(void)path;
	return personality(ADDR_NO_RANDOMIZE) >= 0;
}

static bool ignore_signals(const char *path)
{
	(void)path;
	return signal(SIGHUP, SIG_IGN) != SIG_ERR && signal(SIGCHLD, SIG_IGN) != SIG_ERR &&
	       signal(SIGPIPE, SIG_IGN) != SIG_ERR;
}

static bool close_streams(const char *path)
{
	(void)path;
	return close(0) == 0 && close(1) == 0 && close(2) == 0;
}

/* true if it could be tried. */
static bool try(const char *what, const char *path, bool (*prepare)(const char *path),
		bool is_mounted)
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (pid == 0) {
		if ((is_mounted && !enter_namespace()) || !prepare(path))
			_exit(EXIT_CANNOT);
		execl(path, path, NULL);
		_exit(99);
	}
	status = test_wait(pid);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == EXIT_CANNOT) {
		dprintf(2, "%s: cannot be had here\n", what);
		return false;
	}
	if (WEXITSTATUS(status) != RESTART_RIGHT)
		test_fail(__FILE__, __LINE__, "%s: exit status %d", what, WEXITSTATUS(status));
	return true;
}

int main(void)
{
	static const char *const names[] = { "app", "fixed" };
	const char *path, *fixed;
	bool is_complete;

	test_begin();
	path = checkpoint_path("app");
	fixed = checkpoint_path("fixed");
	restart_write(path, body);
	is_complete = try("without /proc", path, hide_proc, true);
	is_complete &= try("read-only", path, mount_read_only, true);
	try("fixed addresses", path, fix_addresses, false);
	try("ignored signals", path, ignore_signals, false);
	try("no standard streams", path, close_streams, false);
	/* of a program whose addresses were fixed: stack and vdso lie where the new process's do */
	CHECK(personality(ADDR_NO_RANDOMIZE) >= 0);
	restart_write(fixed, body);
	for (unsigned i = 0; i < 5; i++)
		try("fixed addresses twice", fixed, fix_addresses, false);
	is_complete &= try("fixed addresses without /proc", fixed, hide_proc, true);
	checkpoint_clean(names, 2);
	if (!is_complete)
		test_skip("no mount namespaces");
	return test_end();
}
