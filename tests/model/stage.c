/* SPDX-License-Identifier: MIT */
/*
 * Makes the directory of a play, waits for the end of all its processes, and reads what they have
 * left.  Called by the test.
 */
#define _GNU_SOURCE
#include "tests/model/stage.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 256

/* -- the directory ---------------------------------------------------------------------------- */

static void make_input(const struct actor_stage *stage)
{
	const struct script *script = stage->script;
	static unsigned char bytes[65536];
	char path[96];
	int fd;

	for (unsigned i = 0; i < script->input_bytes; i++)
		bytes[i] = script_byte(script->seed, SCRIPT_INPUT, i);
	actor_file_path(stage, "stdin", path);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	test_write(fd, bytes, script->input_bytes);
	close(fd);
}

static void read_text(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	text[0] = '\0';
	if (fd < 0)
		return;
	text[test_read(fd, text, bytes - 1)] = '\0';
	close(fd);
}

static void read_output(const struct actor_stage *stage, char *text, size_t bytes)
{
	static char output[1 << 20];
	char path[96];
	int fd;
	size_t got = 0;

	actor_file_path(stage, "stdout", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		got = test_read(fd, output, sizeof(output));
		close(fd);
	}
	snprintf(text, bytes, "output: %zu bytes, %016llx\n", got,
		 (unsigned long long)test_digest(output, got));
}

static void collect(struct stage_play *play, const struct actor_stage *stage)
{
	char path[96];

	for (unsigned i = 0; i < SCRIPT_PROCESSES; i++) {
		actor_trace_path(stage, i, path);
		read_text(path, play->traces[i], sizeof(play->traces[i]));
	}
	actor_file_path(stage, "stderr", path);
	read_text(path, play->errors, sizeof(play->errors));
	read_output(stage, play->ends + strlen(play->ends),
		    sizeof(play->ends) - strlen(play->ends));
}

/* -- the processes ---------------------------------------------------------------------------- */

/* The test is a subreaper: what a play has left behind is below it, and so are the nodes. */
static void end_all(const struct node *nodes)
{
	pid_t pids[PROCESSES];
	unsigned count = node_descendants(getpid(), pids, PROCESSES);

	for (unsigned i = 0; i < count; i++) {
		pid_t pid = pids[i];
		bool is_of_node = false;

		while (pid > 1 && pid != getpid()) {
			for (unsigned n = 0; nodes && n < ACTOR_NODES; n++)
				is_of_node = is_of_node || pid == nodes[n].pid;
			pid = node_parent_of(pid);
		}
		if (!is_of_node)
			kill(pids[i], SIGKILL);
	}
}

static bool is_node(pid_t pid, const struct node *nodes)
{
	for (unsigned n = 0; nodes && n < ACTOR_NODES; n++)
		if (pid == nodes[n].pid)
			return true;
	return false;
}

/* Everything but the nodes has ended and is reaped. */
static void reap_all(const struct node *nodes)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
			return;
		if (is_node(info.si_pid, nodes))
			test_fail(__FILE__, __LINE__, "a node has ended");
		waitpid(info.si_pid, NULL, 0);
	}
}

void stage_play(struct stage_play *play, const struct script *script, const struct node *nodes,
		int limit_ms)
{
	char directory[] = "/tmp/rfork-model-XXXXXX";
	struct actor_stage stage = { .script = script, .directory = directory, .nodes = nodes };
	int status = 0;
	pid_t pid;

	memset(play, 0, sizeof(*play));
	CHECK(mkdtemp(directory));
	make_input(&stage);
	pid = CHECK_CALL(fork());
	if (!pid)
		actor_begin(&stage);
	play->has_hung = !test_has_ended(pid, limit_ms);
	if (play->has_hung)
		end_all(nodes);
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	reap_all(nodes);
	snprintf(play->ends, sizeof(play->ends), "the root's status: %#x%s\n", (unsigned)status,
		 play->has_hung ? ", it hung" : "");
	collect(play, &stage);
	test_remove_directory(directory);
}

/* -- comparing -------------------------------------------------------------------------------- */

bool stage_agrees(const struct stage_play *a, const struct stage_play *b)
{
	for (unsigned i = 0; i < SCRIPT_PROCESSES; i++)
		if (strcmp(a->traces[i], b->traces[i]))
			return false;
	return !a->has_hung && !b->has_hung && !strcmp(a->ends, b->ends) &&
	       !strcmp(a->errors, b->errors);
}

static void print_pair(const char *name, const char *a, const char *b, int fd)
{
	if (strcmp(a, b))
		dprintf(fd, "--- %s with fork:\n%s--- %s with rfork:\n%s", name, a, name, b);
}

void stage_print(const struct stage_play *with_fork, const struct stage_play *with_rfork, int fd)
{
	for (unsigned i = 0; i < SCRIPT_PROCESSES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		print_pair(name, with_fork->traces[i], with_rfork->traces[i], fd);
	}
	print_pair("the end", with_fork->ends, with_rfork->ends, fd);
	print_pair("standard error", with_fork->errors, with_rfork->errors, fd);
}
