/* SPDX-License-Identifier: MIT */
/*
 * Takes pending signals out of the queue and puts them back.  Called by move.c, in a process of one
 * thread with all signals blocked.
 */
#define _GNU_SOURCE
#include "rfork/pending.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/sys.h"

#define KERNEL_SIGSET_BYTES sizeof(uint64_t)
#define RECORD_ENTRIES 256u

_Static_assert(sizeof(siginfo_t) == RF_IMAGE_SIGINFO_BYTES, "doc/image-format.txt, 16");

static uint64_t bit_of(int signal)
{
	return UINT64_C(1) << (signal - 1);
}

/* The signals that are pending for the thread itself, which the kernel delivers first. */
static int read_directed(uint64_t *directed, struct rf_report *report)
{
	char text[4096];
	long length = rf_io_read_file("/proc/thread-self/status", text, sizeof(text));
	const char *found = length < 0 ? NULL : strstr(text, "\nSigPnd:");

	if (!found)
		return rf_report(report, length < 0 ? (int)-length : EPROTO,
				 "/proc/thread-self/status: %m");
	*directed = strtoull(found + sizeof("\nSigPnd:") - 1, NULL, 16);
	return 0;
}

/* Takes the next one of this number; false if there is none. */
static bool take_one(struct rf_pending *pending, int signal, bool is_directed)
{
	const struct timespec now = { 0 };
	uint64_t set = bit_of(signal);
	struct rf_image_pending *entry = &pending->entries[pending->count];

	if (rf_syscall(SYS_rt_sigtimedwait, &set, entry->siginfo, &now, KERNEL_SIGSET_BYTES) < 0)
		return false;
	entry->flags = is_directed ? RF_PENDING_THREAD : 0;
	entry->thread = 0;
	pending->count++;
	return true;
}

static int take_all_of(struct rf_pending *pending, int signal, uint64_t directed,
		       struct rf_report *report)
{
	bool is_directed = directed & bit_of(signal);
	int error;

	do {
		if (pending->count == pending->capacity)
			return rf_report(report, ENOTSUP, "more than %zu pending signals",
					 pending->capacity);
		if (!take_one(pending, signal, is_directed))
			return 0;
		if (is_directed) {
			error = read_directed(&directed, report);
			if (error < 0)
				return error;
			is_directed = directed & bit_of(signal);
		}
	} while (true);
}

static int take_all(struct rf_pending *pending, struct rf_report *report)
{
	uint64_t set = 0, directed = 0;
	int error;

	rf_syscall(SYS_rt_sigpending, &set, KERNEL_SIGSET_BYTES);
	if (!set)
		return 0;
	error = read_directed(&directed, report);
	for (int signal = 1; signal <= RF_IMAGE_SIGNALS && error == 0; signal++)
		if (set & bit_of(signal))
			error = take_all_of(pending, signal, directed, report);
	return error;
}

void rf_pending_prepare(struct rf_pending *pending, const struct rf_arena *arena)
{
	size_t bytes;

	*pending = (struct rf_pending){ .entries = rf_arena_rest(arena, &bytes) };
	pending->capacity = bytes / sizeof(*pending->entries);
}

int rf_pending_take(struct rf_pending *pending, struct rf_report *report)
{
	int error = take_all(pending, report);

	/* all the same all are taken, so that those left are not put before the others */
	if (error == 0 && pending->count > RF_IMAGE_MAX_PENDING)
		return rf_report(report, ENOTSUP, "%zu pending signals are too many",
				 pending->count);
	return error;
}

int rf_pending_keep(struct rf_pending *pending, struct rf_arena *arena, struct rf_report *report)
{
	if (rf_arena_take(arena, pending->count * sizeof(*pending->entries)) != pending->entries)
		return rf_report(report, ENOMEM, "no room for pending signals");
	return 0;
}

/* The queue had room for it before.  If others have filled that since, the signal remains, without
 * what it carried. */
static void queue(const struct rf_image_pending *entry)
{
	long pid = rf_syscall(SYS_getpid), tid = rf_syscall(SYS_gettid);
	bool is_directed = entry->flags & RF_PENDING_THREAD;
	long result =
		is_directed
			? rf_syscall(SYS_rt_tgsigqueueinfo, pid, tid, entry->signal, entry->siginfo)
			: rf_syscall(SYS_rt_sigqueueinfo, pid, entry->signal, entry->siginfo);

	if (result < 0)
		rf_syscall(SYS_tgkill, pid, tid, entry->signal);
}

void rf_pending_put_back(struct rf_pending *pending)
{
	struct rf_report unheard = { 0 };

	take_all(pending, &unheard);
	for (size_t i = 0; i < pending->count; i++)
		queue(&pending->entries[i]);
	pending->count = 0;
}

int rf_pending_write(const struct rf_pending *pending, struct rf_image_writer *writer)
{
	for (size_t done = 0; done < pending->count;) {
		size_t left = pending->count - done;
		size_t count = left < RECORD_ENTRIES ? left : RECORD_ENTRIES;
		struct iovec piece = { &pending->entries[done], count * sizeof(*pending->entries) };
		int error = rf_image_write(writer, RF_RECORD_PENDING, &piece, 1);

		if (error < 0)
			return error;
		done += count;
	}
	return 0;
}
