/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a process has chosen for itself a child of rfork() has as a child of fork() has it:
 * limits, scheduling, CPUs, priorities, options of prctl(2) and the like, one after the other.
 * What neither may set here is left out, and said.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/attributes.h"
#include "tests/support/node.h"

#define NOT_HERE 77

static struct node node;

/*
 * In a process of its own, which then has the attribute and nothing else: its child says what that
 * is, behind what rfork_report() says of it.  Neither looks at a clock, which they may have
 * forbidden themselves.
 */
static _Noreturn void have_child(const struct attribute *attribute, bool is_remote, int fd)
{
	char told[ATTRIBUTE_BYTES];
	int status;
	pid_t pid;

	if (!attribute->set())
		_exit(NOT_HERE);
	pid = is_remote ? node_move_returns_twice(&node, 0) : CHECK_CALL(fork());
	if (pid == 0) {
		attribute->tell(told, sizeof(told));
		dprintf(fd, "%s%s", is_remote ? rfork_report() : "", told);
		_exit(0);
	}
	if (is_remote)
		dprintf(fd, "%s", rfork_report());
	CHECK_EQUAL(CHECK_CALL(waitpid(pid, &status, 0)), pid);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* False if it is not to be had here. */
static bool hear_child(const struct attribute *attribute, bool is_remote, char *text, size_t bytes)
{
	int ends[2], status;
	pid_t pid;
	size_t got;

	CHECK_CALL(pipe(ends));
	pid = CHECK_CALL(fork());
	if (pid == 0)
		have_child(attribute, is_remote, ends[1]);
	close(ends[1]);
	got = test_read(ends[0], text, bytes - 1);
	text[got] = '\0';
	close(ends[0]);
	status = test_wait(pid);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != NOT_HERE))
		test_fail(__FILE__, __LINE__, "%s: status %#x", attribute->name, status);
	return WEXITSTATUS(status) == 0;
}

static bool is_the_same(const struct attribute *attribute)
{
	char local[ATTRIBUTE_BYTES], remote[ATTRIBUTE_BYTES];

	if (!hear_child(attribute, false, local, sizeof(local))) {
		printf("%s: not to be had here\n", attribute->name);
		return true;
	}
	CHECK(hear_child(attribute, true, remote, sizeof(remote)));
	if (strcmp(local, remote) == 0)
		return true;
	printf("%s: in a child of fork() \"%s\", of rfork() \"%s\"\n", attribute->name, local,
	       remote);
	return false;
}

int main(void)
{
	unsigned different = 0;

	test_begin();
	node_start(&node, NULL);
	for (unsigned i = 0; i < attribute_count; i++)
		if (!(attributes[i].flags & ATTRIBUTE_OF_THE_NODE))
			different += !is_the_same(&attributes[i]);
	fflush(stdout);
	CHECK_EQUAL(different, 0);
	node_stop(&node);
	return test_end();
}
