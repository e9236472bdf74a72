/* SPDX-License-Identifier: MIT */
/*
 * What each thread of an image with several does for itself.  Called by rfork-shell and by
 * executables that restart themselves, before they leave; no errno.
 *
 * Threads are made by the restorer, which cannot say what went wrong, and all of them have what the
 * main thread has then.  So the main thread changes nothing of its own before; a process that has
 * the same tries for each thread what it may have, and ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "rfork/arch.h"
#include "rfork/restore_thread.h"
#include "rfork/sys.h"

/* On which the process tries. */
#define STACK_BYTES ((size_t)64 << 10)

struct trial {
	const struct rf_thread_attributes *image, *own;
	struct rf_thread_script *script;
	struct rf_warnings warnings;
};

static void try(void *argument)
{
	struct trial *trial = argument;

	rf_restore_thread(trial->image, trial->own, trial->script, &trial->warnings);
}

/* No exit signal, and this process waits: nobody hears of it. */
static int try_aside(struct trial *trial)
{
	static unsigned char stack[STACK_BYTES] __attribute__((aligned(16)));
	long pid = rf_arch_start_process(CLONE_VM | CLONE_VFORK, stack + sizeof(stack), try, trial);

	if (pid < 0)
		return (int)pid;
	while (rf_syscall(SYS_waitid, P_PID, pid, NULL, WEXITED | __WALL, NULL) == -EINTR)
		;
	return 0;
}

/* Most threads differ from others in their names only. */
static bool has_own(const struct trial *trial)
{
	struct rf_image_thread_state image = trial->image->image, own = trial->own->image;

	image.thread = own.thread = 0;
	image.known = own.known = 0; /* of other threads one thing more is asked */
	memset(image.comm, 0, sizeof(image.comm));
	memset(own.comm, 0, sizeof(own.comm));
	return memcmp(&image, &own, sizeof(image)) != 0 ||
	       memcmp(trial->image->cpus, trial->own->cpus, sizeof(trial->own->cpus)) != 0 ||
	       memcmp(trial->image->nodes, trial->own->nodes, sizeof(trial->own->nodes)) != 0;
}

/* Lines of a thread say of which; those of the main one are as those of a process with no other. */
static void tell(const struct rf_image *image, uint32_t thread, struct trial *trial,
		 struct rf_warnings *warnings)
{
	char *line = trial->warnings.text, *end = line + trial->warnings.bytes;

	for (char *next; line < end; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		*next = '\0';
		if (thread)
			rf_warn(warnings, 0, "thread %u (%s): %s", image->threads[thread].image.tid,
				trial->image->image.comm, line);
		else
			rf_warn(warnings, 0, "%s", line);
	}
}

static int try_thread(struct rf_thread_script *script, const struct rf_image *image,
		      uint32_t thread, const struct rf_thread_attributes *own,
		      struct rf_warnings *warnings)
{
	struct trial trial = { .image = image->threads[thread].attributes,
			       .own = own,
			       .script = script };
	int error = 0;

	if (!trial.image)
		return 0;
	if (!thread && image->state.flags & RF_STATE_NO_NEW_PRIVS)
		image->threads[0].attributes->image.flags |= RF_THREAD_STATE_NO_NEW_PRIVS;
	if (has_own(&trial))
		error = try_aside(&trial);
	tell(image, thread, &trial, warnings);
	if (thread)
		rf_restore_script_others(script, trial.image, own);
	return error;
}

int rf_restore_try_threads(struct rf_thread_script **scripts, const struct rf_image *image,
			   const struct rf_thread_attributes *own, struct rf_warnings *warnings,
			   struct rf_report *report)
{
	uint32_t count = image->head.threads;
	int error = 0;

	*scripts = NULL;
	if (count == 1)
		return 0;
	*scripts = calloc(count, sizeof(**scripts));
	if (!*scripts)
		return rf_report(report, ENOMEM, "no memory for %u threads", count);
	for (uint32_t i = 0; i < count && error == 0; i++)
		error = try_thread(&(*scripts)[i], image, i, own, warnings);
	return error < 0 ? rf_report(report, -error, "what threads may have: %m") : 0;
}
