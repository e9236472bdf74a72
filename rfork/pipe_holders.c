/* SPDX-License-Identifier: MIT */
/*
 * Searches /proc for other holders of pipes.  Called by pipes.c.
 */
#define _GNU_SOURCE
#include "rfork/pipe_holders.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/report.h"
#include "rfork/sys.h"

#define ANCESTORS 64
#define PIPE_LINK "pipe:["

struct search {
	pid_t self, session, node_session;
	pid_t looking; /* who has them only for looking; 0 = nobody */
	pid_t ancestors[ANCESTORS];
	unsigned ancestor_count;
	bool is_blind; /* somebody cannot be seen */
	bool is_done;  /* there is no need to look further */
	rf_pipe_holder visit;
	void *context;
};

/* Calls back for the name of each entry of a directory; 0 or a negative errno. */
static int for_each_entry(const char *path,
			  void (*visit)(struct search *search, int directory, const char *name),
			  struct search *search)
{
	char buffer[4096] __attribute__((aligned(8)));
	int directory = rf_sys_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got = 0;

	if (directory < 0)
		return directory;
	while (!search->is_done &&
	       (got = rf_syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < got && !search->is_done;) {
			const struct dirent64 *entry = (struct dirent64 *)(buffer + at);

			if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
				visit(search, directory, entry->d_name);
			at += entry->d_reclen;
		}
	rf_sys_close(directory);
	return (int)got;
}

/* Parent and session of a process, which everybody may see; false if it is gone or hidden. */
static bool read_family(pid_t pid, pid_t *parent, pid_t *session)
{
	char path[40], text[512], *next;

	rf_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (rf_io_read_file(path, text, sizeof(text)) < 0)
		return false;
	next = strrchr(text, ')'); /* the name before it may hold anything */
	if (!next || strlen(next) < 4)
		return false;
	*parent = (pid_t)strtol(next + 4, &next, 10);
	strtol(next, &next, 10); /* the process group */
	*session = (pid_t)strtol(next, &next, 10);
	return true;
}

/* From the parent up to the first process, which is everybody's ancestor and gives nothing to
 * anybody in particular, or to the session on a node, through which nothing came but what it
 * relays. */
static void list_ancestors(struct search *search)
{
	pid_t pid, session;

	if (!read_family(search->self, &pid, &session)) {
		search->is_blind = true;
		return;
	}
	while (pid != 1 && pid != search->node_session) {
		if (search->ancestor_count == ANCESTORS || pid <= 0) {
			search->is_blind = true; /* outside of what we can see */
			return;
		}
		search->ancestors[search->ancestor_count++] = pid;
		if (!read_family(pid, &pid, &session)) {
			search->is_blind = true;
			return;
		}
	}
}

static bool may_have_ours(const struct search *search, pid_t pid)
{
	pid_t parent, session;

	if (pid == search->node_session)
		return false;
	for (unsigned i = 0; i < search->ancestor_count; i++)
		if (search->ancestors[i] == pid)
			return true;
	return read_family(pid, &parent, &session) && session == search->session;
}

static void visit_descriptor(struct search *search, int directory, const char *name)
{
	char link[64];
	long length = rf_syscall(SYS_readlinkat, directory, name, link, sizeof(link) - 1);

	if (length <= (long)sizeof(PIPE_LINK) - 1 ||
	    memcmp(link, PIPE_LINK, sizeof(PIPE_LINK) - 1) != 0)
		return;
	link[length] = '\0';
	if (!search->visit(search->context, strtoull(link + sizeof(PIPE_LINK) - 1, NULL, 10)))
		search->is_done = true;
}

static void visit_process(struct search *search, pid_t pid)
{
	char path[40];
	int error;

	rf_format(path, sizeof(path), "/proc/%d/fd", (int)pid);
	error = for_each_entry(path, visit_descriptor, search);
	if (error < 0 && error != -ENOENT && error != -ESRCH && may_have_ours(search, pid))
		search->is_blind = true;
}

static void visit_name(struct search *search, int directory, const char *name)
{
	pid_t pid = (pid_t)strtol(name, NULL, 10);

	(void)directory;
	if (pid != search->self && pid != search->looking)
		visit_process(search, pid);
}

/* Who asks for another process is told all that can be seen. */
static bool is_over(const struct search *search)
{
	return search->is_done || (search->is_blind && !search->looking);
}

static bool search_all(struct search *search)
{
	list_ancestors(search);
	for (unsigned i = 0; i < search->ancestor_count && !is_over(search); i++)
		if (search->ancestors[i] != search->looking)
			visit_process(search, search->ancestors[i]);
	if (!is_over(search) && for_each_entry("/proc", visit_name, search) < 0)
		search->is_blind = true;
	return !search->is_blind;
}

bool rf_pipe_holders_visit(pid_t node_session, rf_pipe_holder visit, void *context)
{
	struct search search = { .self = (pid_t)rf_syscall(SYS_getpid),
				 .session = (pid_t)rf_syscall(SYS_getsid, 0),
				 .node_session = node_session,
				 .visit = visit,
				 .context = context };

	return search_all(&search);
}

bool rf_pipe_holders_visit_of(pid_t pid, rf_pipe_holder visit, void *context)
{
	struct search search = { .self = pid,
				 .session = (pid_t)rf_syscall(SYS_getsid, pid),
				 .node_session = -1,
				 .looking = (pid_t)rf_syscall(SYS_getpid),
				 .visit = visit,
				 .context = context };

	return search_all(&search);
}
