/* SPDX-License-Identifier: MIT */
/*
 * Claim: namespaces, control group and session keyring of a child are those of its node, whatever
 * those of the caller are, which a child of fork(2) has.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"

#define TEXT_BYTES 512

static struct node node;

/* -- places; enter() is false where it cannot be had ------------------------------------------- */

static void tell_namespace(const char *name, char text[TEXT_BYTES])
{
	char path[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	length = CHECK_CALL(readlink(path, text, TEXT_BYTES - 1));
	text[length] = '\0';
}

#define NAMESPACE(name, flag)                                                                      \
	static bool enter_##name(void)                                                             \
	{                                                                                          \
		return unshare(flag) == 0;                                                         \
	}                                                                                          \
	static void tell_##name(char text[TEXT_BYTES])                                             \
	{                                                                                          \
		tell_namespace(#name, text);                                                       \
	}

NAMESPACE(uts, CLONE_NEWUTS)
NAMESPACE(ipc, CLONE_NEWIPC)
NAMESPACE(cgroup, CLONE_NEWCGROUP)
NAMESPACE(user, CLONE_NEWUSER)

static bool enter_keyring(void)
{
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) > 0;
}

static void tell_keyring(char text[TEXT_BYTES])
{
	snprintf(text, TEXT_BYTES, "%ld",
		 syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
}

static char group[64];

static bool put_into_group(const char *number)
{
	char path[96];
	int fd;
	bool is_put;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	is_put = fd >= 0 && write(fd, number, strlen(number)) > 0;
	if (fd >= 0)
		close(fd);
	return is_put;
}

/* Of one hierarchy, or of that of processor time. */
static void make_group(void)
{
	snprintf(group, sizeof(group), "/sys/fs/cgroup%s/rfork-test-%d",
		 access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? "" : "/cpu", (int)getpid());
	mkdir(group, 0700);
}

static bool enter_group(void)
{
	return put_into_group("0");
}

static void tell_group(char text[TEXT_BYTES])
{
	int fd = CHECK_CALL(open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC));

	text[test_read(fd, text, TEXT_BYTES - 1)] = '\0';
	close(fd);
}

static const struct place {
	const char *name;
	bool (*enter)(void);
	void (*tell)(char text[TEXT_BYTES]);
} places[] = {
	{ "UTS namespace", enter_uts, tell_uts },
	{ "IPC namespace", enter_ipc, tell_ipc },
	{ "namespace of control groups", enter_cgroup, tell_cgroup },
	{ "user namespace", enter_user, tell_user },
	{ "session keyring", enter_keyring, tell_keyring },
	{ "control group", enter_group, tell_group },
};

/* -- each of them ------------------------------------------------------------------------------ */

static void expect_place(const struct place *place, const char *expected)
{
	char text[TEXT_BYTES];

	place->tell(text);
	CHECK_TEXT(text, expected);
}

/* In a process of its own, which does not come back from there. */
static int go(const struct place *place)
{
	char nodes[TEXT_BYTES], own[TEXT_BYTES];
	pid_t pid;

	place->tell(nodes);
	if (!place->enter())
		return 77;
	place->tell(own);
	CHECK(strcmp(own, nodes) != 0);
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		expect_place(place, own);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	pid = node_move_returns_twice(&node, 0);
	if (pid == 0) {
		expect_place(place, nodes);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	expect_place(place, own);
	return 0;
}

static bool try_place(const struct place *place)
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (pid == 0)
		_exit(go(place));
	status = test_wait(pid);
	dprintf(2, "%s: %s\n", place->name, status ? "not to be had here" : "the node's");
	if (status != 0 && status != 77 << 8)
		test_fail(__FILE__, __LINE__, "%s: wait status %#x", place->name, (unsigned)status);
	return status == 0;
}

int main(void)
{
	unsigned tried = 0;

	test_begin();
	node_start(&node, NULL);
	make_group();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		tried += try_place(&places[i]);
	node_stop(&node);
	rmdir(group);
	if (!tried)
		test_skip("neither namespaces nor keyrings nor control groups");
	return test_end();
}
